"""Fetches the users of an API into their table: page after page, then all of them at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pipeline.databases.sessions import SILENT_MINUTES
from pipeline.fetching import paging, records
from pipeline.fetching.pace import Pace
from pipeline.fetching.plan import Plan
from pipeline.fetching.staging import Staging

TOLD_SECONDS = 30.0
"""Seconds between two lines of progress."""


@dataclass(frozen=True)
class Fetched:
    """What a run did: pages of the API, users in the table before and now."""

    n_pages: int
    n_before: int
    n_users: int


def fetch_users(
    url: str,
    plan: Plan,
    pace: Pace,
    *,
    run: str,
    now: datetime,
    say: Callable[[str], None],
    silent_minutes: float = SILENT_MINUTES,
) -> Fetched:
    """Replace the table of `plan` in the database `url` by the users of the API.

    run: a run that failed or was killed goes on with the first page that it has not kept, if it has the
         same id and plan; otherwise it begins with the first page

    Raises ApiError for what the API refuses or answers, ApiBusy where it has no time, DataError for too
    few users, SourceError for a table that cannot be written; the table is then as it was.
    """
    staging = Staging(url, plan, run, say, silent_minutes)
    place, told_at = staging.begin(now), time.monotonic()
    while (position := place.next) is not None:
        answer = pace.get(*paging.request_of(plan, position))
        document = records.document_of(answer, place.n_pages + 1)
        users = records.rows(plan, document, place.n_pages + 1)
        following = paging.next_position(plan, position, answer, document, len(users))
        place = staging.add(place, position, following, users)
        if time.monotonic() - told_at > TOLD_SECONDS:
            say(f"{place.n_pages:,} pages")
            told_at = time.monotonic()
    replaced = staging.replace(now)
    say(f"{plan.table}: {replaced.n_users:,} users of {place.n_pages:,} pages; before: {replaced.n_before:,}")
    return Fetched(place.n_pages, replaced.n_before, replaced.n_users)
