"""Roll back to another stored publication, end a hold, list what is stored.

The pointer to the live version is moved by functions in the database, which also record the move
(sql/serving/schema/5_operators.sql), so that the command line, the DAG and an operator's SQL do the same.
They lock the pointer's row and not the publishers' lock: nobody waits for a night that is loading.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pipeline.config import Settings
from pipeline.errors import ServingError
from pipeline.serving import schema
from pipeline.serving.session import PUBLICATIONS, session


@dataclass(frozen=True)
class Moved:
    """The pointer before and after; is_held says whether later nights are stored without going live."""

    from_version: int
    live_version: int
    is_held: bool


@dataclass(frozen=True)
class Stored:
    """One row of `publications`: state is live, stored, held back, dropped or refused.

    model and what follows as in `publication.Publication`
    test_days: within how many days of getting the list what buyers bought counts; None: not known, or no cut
               in time
    """

    version: int | None
    state: str
    as_of: datetime
    published_at: datetime
    precision_at_3: float | None
    repeat_purchases: str
    n_users: int
    n_items: int
    run_id: str
    model: str | None
    is_fallback: bool
    fallback_why: str
    is_unjudged: bool
    split_method: str | None
    test_days: float | None


@dataclass(frozen=True)
class Hold:
    """Since when later nights are stored without going live, and by whom."""

    held_at: datetime
    held_by: str


def rollback(
    url: str,
    settings: Settings,
    *,
    to: int | None = None,
    hold: bool = False,
    who: str | None = None,
    say: Callable[[str], None],
) -> Moved:
    """Put the stored version `to` live; without one, the version that was live before this one.

    hold: later nights are stored but not live until `release`
    who:  the person, for the record, beside the login
    Raises ServingError, naming the stored versions, when that one cannot be put back; Unreachable.
    """
    if to is not None and not 0 < to < 2**63:
        number = str(to) if abs(to) < 2**63 else "of more than 64 bits"
        raise ServingError(
            f"version {number} cannot be put back", found="no version has that number", then=PUBLICATIONS
        )
    with session(url, settings, "nightshelf rollback") as db:
        schema.require(db, settings)
        with db.transaction():
            moved = Moved(**(db.one("rollback", {"to": to, "hold": hold, "who": who}) or {}))
    if moved.from_version == moved.live_version:
        say(f"version {moved.live_version} was live already and stays")
    else:
        say(f"version {moved.live_version} is live; before it was {moved.from_version}")
    if moved.is_held:
        say("held: later nights are stored but not live, until python -m pipeline release")
    return moved


def release(url: str, settings: Settings, *, who: str | None = None, say: Callable[[str], None]) -> Moved:
    """End a hold and put the newest publication it kept back live. Nothing where there is no hold."""
    with session(url, settings, "nightshelf release") as db:
        schema.require(db, settings)
        with db.transaction():
            row = db.one("release", {"who": who}) or {}
    moved = Moved(row["from_version"], row["live_version"], is_held=False)
    if not row["was_held"]:
        say(f"there was no hold; version {moved.live_version} stays live")
    elif moved.from_version == moved.live_version:
        say(f"the hold is over; it kept nothing back: version {moved.live_version} stays live")
    else:
        say(f"the hold is over: version {moved.live_version} is live; before it was {moved.from_version}")
    return moved


def publications(url: str, settings: Settings) -> tuple[list[Stored], Hold | None]:
    """Every publication and refusal, the oldest first, and the hold, if one is on."""
    with session(url, settings, "nightshelf publications") as db:
        schema.require(db, settings)
        with db.transaction():
            stored = [Stored(**row) for row in db.run("publications")]
            hold = db.one("hold")
    return stored, Hold(**hold) if hold else None
