"""Nights whose every item tells its day, list and rank, so that SQL can judge what is on the shelf.

An item is day * DAY + key * KEY + rank, a segment is day * 10 + key. What is read is whole when every list
is there to its last rank, every item is where it belongs, and all of it is of one version and that version's
day.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg

from pipeline.errors import NightshelfError
from pipeline.runs.folder import RunFolder
from pipeline.serving import Publication
from pipeline.serving.copy_lines import KINDS
from tests.serving.nights import Shop, as_of, fill

T = TypeVar("T")
DAY, KEY = 1_000_000, 100
N_USERS, N_ITEMS, N_CATEGORIES, LENGTH = 500, 100, 5, 20
N_SEGMENTS, N_BROWSERS = 5, 50
NOBODY = -1
BASKET = 7
"""The one item of a basket."""
PATIENCE_SECONDS = 60.0

SHOWN = f"""
WITH shown (kind, version, key, place, item) AS (
    SELECT 'recommendations', version, user_id, rank, item_id FROM serving.recommendations
    UNION ALL SELECT 'on_shelf', version, user_id, rank, item_id FROM serving.on_shelf
    UNION ALL SELECT 'similar_items', version, item_id, rank, similar_item_id FROM serving.similar_items
    UNION ALL SELECT 'also_bought', version, item_id, rank, also_bought_item_id FROM serving.also_bought
    UNION ALL SELECT 'popular_items', version,
        CASE category WHEN 'all' THEN 0 ELSE split_part(category, ' ', 2)::bigint END, rank, item_id
        FROM serving.popular_items
    UNION ALL SELECT 'popular_in_segment', version, segment % 10, rank, item_id
        FROM serving.popular_in_segment
    UNION ALL SELECT 'user_segments', version, 0, 0, segment::bigint / 10 * {DAY} FROM serving.user_segments
    UNION ALL SELECT 'recommend', version, 0, rank, item_id FROM serving.recommend({NOBODY}, {LENGTH})
    UNION ALL SELECT 'recommend_from', version, {BASKET}, rank, item_id
        FROM serving.recommend_from('{{{BASKET}}}', {LENGTH})
    UNION ALL SELECT 'items', version, item_id, 0, name::bigint * {DAY} + item_id * {KEY} FROM serving.items
)
SELECT
    kind, count(*), array_agg(DISTINCT version), array_agg(DISTINCT item / {DAY}),
    bool_and(item % {DAY} = key * {KEY} + place)
FROM shown
GROUP BY kind
UNION ALL
SELECT 'publications', count(*), array_agg(version),
    array_agg(extract(day FROM as_of - '2025-12-31')::bigint), true
FROM serving.publications
WHERE is_live
"""
UNSEEN = f"""
WITH shown (kind, version, day) AS (
    SELECT 'user_purchases', version, item_ids[1] / {DAY} FROM serving_storage.user_purchases
    UNION ALL SELECT 'user_categories', version, split_part(categories[1], ' ', 1)::bigint
        FROM serving_storage.user_categories
    UNION ALL SELECT 'item_names', version, name::bigint FROM serving_storage.item_names
)
SELECT kind, count(*), array_agg(DISTINCT version), array_agg(DISTINCT day), true
FROM shown
JOIN serving_storage.live USING (version)
GROUP BY kind
"""
N_ROWS = {
    "recommendations": N_USERS * LENGTH,
    "on_shelf": N_USERS * LENGTH,
    "similar_items": N_ITEMS * LENGTH,
    "also_bought": N_ITEMS * LENGTH,
    "popular_items": (N_CATEGORIES + 1) * LENGTH,
    "popular_in_segment": N_SEGMENTS * LENGTH,
    "user_segments": N_BROWSERS,
    "recommend": LENGTH,
    "recommend_from": LENGTH,
    "items": N_ITEMS,
    "publications": 1,
}
N_UNSEEN = {"user_purchases": N_USERS, "user_categories": N_USERS, "item_names": N_ITEMS}


def night(shop: Shop, day: int) -> RunFolder:
    """The run of a day, counted from 1 January 2026; each list is `LENGTH` long."""

    def items(key: int, first: int = 1, n: int = LENGTH) -> list[int]:
        return [day * DAY + key * KEY + rank for rank in range(first, first + n)]

    names = [f"{day} {category}" for category in range(1, N_CATEGORIES + 1)]
    popular = {"all": items(0), **{name: items(key) for key, name in enumerate(names, start=1)}}
    beside = {item: items(item) for item in range(1, N_ITEMS + 1)}
    users = range(1, N_USERS + 1)
    folder = shop.new_folder(f"night-{day}", as_of=as_of(day), settings=shop.settings)
    return fill(
        folder,
        {user: items(user) for user in users},
        popular,
        beside,
        also_bought=beside,
        purchases={user: items(user, LENGTH + 1, 3) for user in users},
        categories=dict.fromkeys(users, names[:2]),
        segments={N_USERS + n: day * 10 + 1 + n % N_SEGMENTS for n in range(1, N_BROWSERS + 1)},
        in_segment={day * 10 + key: items(key) for key in range(1, N_SEGMENTS + 1)},
        names={item: (str(day), names[0]) for item in beside},
    )


def shown(shop: Shop) -> tuple[int, int]:
    """Version and day of what readers see; fails unless it is whole and all of one version."""
    rows, unseen = patiently(lambda: (shop.read(SHOWN), shop.read(UNSEEN, "publisher")))
    assert {row[0]: row[1] for row in unseen} == N_UNSEEN
    return judged(rows, unseen)


def judged(rows: list[tuple[Any, ...]], unseen: Sequence[tuple[Any, ...]] = ()) -> tuple[int, int]:
    """The same of the rows of `SHOWN`, and perhaps of `UNSEEN`."""
    assert {row[0]: row[1] for row in rows} == N_ROWS
    states = {(tuple(row[2]), tuple(row[3]), row[4]) for row in (*rows, *unseen)}
    assert len(states) == 1, f"several versions, days or misplaced items: {sorted(states)}"
    [((version,), (day,), is_in_place)] = states
    assert is_in_place
    return version, day


def leftovers(shop: Shop) -> list[Any]:
    """Versions with lists, or noted as attempts, that were never published."""
    tables = " UNION ".join(f"SELECT version FROM serving_storage.{kind.table}" for kind in KINDS)
    query = (
        f"({tables} UNION SELECT version FROM serving_storage.attempt)"
        " EXCEPT SELECT version FROM serving_storage.publication"
    )
    return patiently(lambda: shop.read(query, "publisher"))


def published(shop: Shop, folder: RunFolder) -> Publication:
    """Publish as the DAG does: what a retry can mend is tried again, with nothing changed."""
    return patiently(lambda: shop.publish(folder))


def patiently(act: Callable[[], T]) -> T:
    """Act; again while the server is not back, another publisher's session has not ended, or the like."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return act()
        except (NightshelfError, psycopg.OperationalError) as error:
            if not getattr(error, "can_retry", True) or time.monotonic() > end:
                raise
            time.sleep(0.05)


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process is about to do."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)
