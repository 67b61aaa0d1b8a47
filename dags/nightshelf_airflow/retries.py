"""Which errors of a task are tried again, and which fail at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from pipeline import errors

TRANSIENT = [error for error in vars(errors).values() if getattr(error, "can_retry", False)]
BUGS = [
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    TypeError,
    ValueError,
]
RETRIES: dict[str, Any] = {
    "max_active_tis_per_dag": 1,  # runs of a backfill that go side by side share one machine
    "retries": 3,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
    "retry_policy": ExceptionRetryPolicy(
        [
            RetryRule(TRANSIENT, RetryAction.RETRY, reason="trying again can mend this"),
            RetryRule([errors.NightshelfError, *BUGS], RetryAction.FAIL, reason="no retry can mend this"),
        ]
    ),
}
"""Default arguments of every task. An error that no rule names is tried again, `retries` times."""
