"""What each door takes as `as_of`, the end of the window of events: its words beside a time."""

from __future__ import annotations

from typing import Literal

Door = Literal["run", "backtest", "form"]

WORDS: dict[Door, tuple[str, ...]] = {"run": ("now", "last"), "backtest": ("last",), "form": ()}
"""`run` and `backtest` of the command line, and Airflow's form (also a run's conf in its REST API)."""

TIMES = "a time such as 2026-11-20 or 2026-11-20T06:00+01:00"


def promised(door: Door) -> str:
    """`now, last, or a time such as ...`: what the door takes, for a message."""
    return " or ".join((", ".join(WORDS[door]) + ",", TIMES)) if WORDS[door] else f"{TIMES}, or nothing"


def metavar(door: Door) -> str:
    """`now|last|TIME`, for the help of a command."""
    return "|".join((*WORDS[door], "TIME"))
