"""Why a door gives no answer, in one sentence for whoever asked."""

from __future__ import annotations

SLOW = "the database took too long for an answer"
AWAY = "the database cannot be reached"
BUSY = "the database cannot be reached, or its connections are all in use"
EMPTY = (
    "nothing is published yet: the first night does it (python -m pipeline run, or the DAG recommendations)"
)
NOT_SHOWN = "this item is not in the list of this user"
UNSTORABLE = "the database cannot hold one of the texts that were given"


class Refusal(Exception):
    """A request that gets no answer. status: of HTTP; detail: one sentence that says why"""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class Unavailable(Exception):
    """There is no answer now, and there may be one soon; the message is one sentence for the client."""


class Unstorable(Exception):
    """A value that the database cannot hold, so that nothing can be stored under it."""


def too_many(max_n: int) -> Refusal:
    """The refusal of an `n` that is none, or above the shop's own bound."""
    return Refusal(422, f"n must be a whole number from 1 to {max_n}")
