"""What the DAGs share: the databases behind Airflow's connections, which failures are retried, the report."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink, Connection, ExceptionRetryPolicy, RetryAction, RetryRule
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowNotFoundException

from pipeline import errors

if TYPE_CHECKING:
    from pipeline.config import Settings
    from pipeline.run import Databases

log = logging.getLogger(__name__)
MENDABLE = [kind for kind in vars(errors).values() if getattr(kind, "can_retry", False)]
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
DEFAULT_ARGS: dict[str, Any] = {
    "owner": "nightshelf",
    "retries": 3,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
    "retry_policy": ExceptionRetryPolicy(
        [
            RetryRule(MENDABLE, RetryAction.RETRY, reason="trying again can mend this"),
            RetryRule([errors.NightshelfError, *BUGS], RetryAction.FAIL, reason="no retry can mend this"),
        ]
    ),
}


def url_of(database: Literal["source", "serving"], connection_id: str) -> str:
    """The URL in the Airflow connection; where there is none, what the command line uses."""
    try:
        found = Connection.get(connection_id)
    except AirflowNotFoundException:
        from pipeline.databases import url_of

        return url_of(database)
    from pipeline.connections import url

    return url(
        found.conn_type,
        host=found.host,
        port=found.port,
        login=found.login,
        password=found.password,
        schema=found.schema,
        extra=found.extra_dejson,
    )


def databases(settings: Settings) -> Databases:
    """Both ends of the shop; a connection is looked up when it is needed."""
    from pipeline.run import Databases

    return Databases(
        partial(url_of, "source", settings.source.connection),
        partial(url_of, "serving", settings.serving.connection),
    )


class ReportLink(BaseOperatorLink):
    """The button `Report` of a task: the run's page, as `plugins/nightshelf_report.py` shows it."""

    name = "Report"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Asked when the task has ended, whatever became of it."""
        root = conf.get("api", "base_url", fallback="").rstrip("/")
        return f"{root}/nightshelf/report/{quote(ti_key.run_id, safe='')}"
