"""Events older than any shop, such as 0000-00-00 and 1970-01-01: counted by `extract`, told by `validate`.

No window holds them, so that no dataset does, and no expectation could count them.
"""

from __future__ import annotations

from dataclasses import replace

from pipeline.times import FIRST_OF_A_SHOP
from pipeline.validation.checks import Failure, Result

DESCRIPTION = (
    f"no event before {FIRST_OF_A_SHOP.year}, older than any shop (a time that stands for none, or is"
    " written so that the database cannot compare it with others; such events are left out)"
)


def with_old_times(result: Result, n_events: int, oldest: str) -> Result:
    """`result` of the events, with a warning where there are such events.

    oldest: the oldest time, as the shop's database writes it
    """
    if n_events == 0:
        return result
    examples = ({"occurred_at": oldest},)
    failure = Failure("no_time_before_1990", {}, "warning", DESCRIPTION, n_events, "", examples)
    return replace(result, failed=(*result.failed, failure))
