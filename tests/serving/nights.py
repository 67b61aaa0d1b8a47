"""Nights whose lists can be checked by eye, ready to publish."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config import Settings
from pipeline.contract.datasets import DATASETS, arrow_id
from pipeline.contract.stages import LISTS
from pipeline.runs.folder import RunFolder
from pipeline.serving import About, Publication, publish
from pipeline.serving.copy_lines import KINDS, ListKind
from tests.shelf import give

LOCK = b"LOCK TABLE serving_storage.schema_info IN SHARE UPDATE EXCLUSIVE MODE"
"""The publishers' lock: sql/serving/statements/lock_publishers.sql."""
ABOUT = About(0.25, {"als": {"factors": 8}, "searched_at": None}, {"publish": True, "forced": False})
Lists = Mapping[Any, Sequence[Any]]
USERS: Lists = {1: [11, 12, 13], 2: [12, 14]}
POPULAR: Lists = {"all": [11, 15, 16, 17], "tea": [15, 16]}
SIMILAR: Lists = {11: [12, 13], 12: [11]}
NONE: Lists = {}
NO_SEGMENTS: Mapping[Any, int] = {}


def as_of(day: int) -> datetime:
    """Midnight of a day of January 2026."""
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day - 1)


def ranked(key: str, item: str, lists: Lists, types: tuple[pa.DataType, pa.DataType]) -> pa.Table:
    """`{key: [best, second, ...]}` as ranked rows; scores fall from 1 as 1 / rank."""
    rows = [(k, r, i) for k, items in sorted(lists.items()) for r, i in enumerate(items, start=1)]
    keys, ranks, items = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(
        {
            key: pa.array(keys, types[0]),
            "rank": pa.array(ranks, pa.int32()),
            item: pa.array(items, types[1]),
            "score": pa.array([1 / r for r in ranks], pa.float64()),
        }
    )


def without_details() -> tuple[ListKind, ...]:
    """What a release before version 10 of the schema copied: reasons without details, and no segments."""
    return tuple(replace(kind, details=()) for kind in KINDS if kind.since is None)


def fill(
    folder: RunFolder,
    users: Lists = USERS,
    popular: Lists = POPULAR,
    similar: Lists = SIMILAR,
    *,
    also_bought: Lists = NONE,
    purchases: Lists = NONE,
    categories: Lists = NONE,
    segments: Mapping[Any, int] = NO_SEGMENTS,
    in_segment: Lists = NONE,
    names: Lists = NONE,
    model_ranks: Lists = NONE,
) -> RunFolder:
    """Give the run its lists; every first item is there because of itself. A list not named here is empty.

    also_bought: `{item: [first, second, ...]}`, of support 1 / rank and lift 1 + 1 / rank
    purchases:   `{user: [item, ...]}`; categories: `{user: [category, ...]}`
    segments:    `{user: segment}`; in_segment: `{segment: [first, second, ...]}`
    names:       `{item: (name, category)}`
    model_ranks: `{user: [place in the model's order of the first, of the second, ...]}`
    """
    user, item = arrow_id(folder.ids["user"]), arrow_id(folder.ids["item"])
    own = ranked("user_id", "item_id", users, (user, item))
    firsts = [rank == 1 for rank in own["rank"].to_pylist()]
    own = own.append_column(
        "reason", pa.array(["bought_again" if first else None for first in firsts], pa.string())
    ).append_column(
        "because_item_id",
        pa.array(
            [i if first else None for i, first in zip(own["item_id"].to_pylist(), firsts, strict=True)], item
        ),
    )
    places = [
        model_ranks[u][r - 1] if r <= len(model_ranks.get(u, ())) else None
        for u, r in zip(own["user_id"].to_pylist(), own["rank"].to_pylist(), strict=True)
    ]
    own = own.append_column("model_rank", pa.array(places, pa.int32()))
    beside = ranked("item_id", "also_bought_item_id", also_bought, (item, item))
    lists = {name: DATASETS[name].schema(folder.ids).empty_table() for name in LISTS}
    lists |= {
        "recommendations": own,
        "popular_items": ranked("category", "item_id", popular, (pa.string(), item)),
        "similar_items": ranked("item_id", "similar_item_id", similar, (item, item)),
        "also_bought": beside.drop_columns("score")
        .append_column("support", beside["score"])
        .append_column("lift", pc.add(beside["score"], 1.0)),
        "user_purchases": ranked("user_id", "item_id", purchases, (user, item)).drop_columns("score"),
        "user_categories": ranked("user_id", "category", categories, (user, pa.string())).drop_columns(
            "score"
        ),
        "user_segments": pa.table(
            {
                "user_id": pa.array(sorted(segments), user),
                "segment": pa.array([segments[u] for u in sorted(segments)], pa.int32()),
            }
        ),
        "popular_in_segment": ranked("segment", "item_id", in_segment, (pa.int32(), item)),
        "item_names": pa.table(
            {
                "item_id": pa.array(sorted(names), item),
                "name": pa.array([names[i][0] for i in sorted(names)], pa.string()),
                "category": pa.array([names[i][1] for i in sorted(names)], pa.string()),
            }
        ),
    }
    give(folder, **lists)
    return folder


class Shop:
    """One shop's serving database under test: publish a night, read as any role."""

    def __init__(self, url: str, settings: Settings, new_folder: Callable[..., RunFolder]) -> None:
        self.url, self.settings, self.new_folder = url, settings, new_folder
        self.said: list[str] = []

    def night(self, day: int, users: Lists = USERS, *, run_id: str = "", **lists: Lists) -> RunFolder:
        """A run that ends at a day of January, not yet published."""
        folder = self.new_folder(run_id or f"night-{day}", as_of=as_of(day), settings=self.settings)
        return fill(folder, users, **lists)

    def publish(
        self, folder: RunFolder, *, force: bool = False, say: Callable[[str], None] | None = None
    ) -> Publication:
        """Publish a night through the shop's owner login."""
        return publish(self.url, self.settings, folder, ABOUT, say=say or self.said.append, force=force)

    def connect(self, role: str = "", **options: Any) -> psycopg.Connection[Any]:
        """A connection in autocommit, as the login or with `owner`, `publisher` or `reader` set."""
        db = psycopg.connect(self.url, autocommit=True, **options)
        if role:
            db.execute(f"SET ROLE {self.settings.serving.role_prefix}_{role}".encode())
        return db

    def read(self, query: str, role: str = "reader") -> list[tuple[Any, ...]]:
        """The rows of a query, as `role`."""
        with self.connect(role) as db:
            return db.execute(query.encode()).fetchall()

    def lists(self) -> list[tuple[Any, ...]]:
        """`user_id, rank, item_id` of the view, in order."""
        return self.read("SELECT user_id, rank, item_id FROM serving.recommendations ORDER BY 1, 2")

    def versions(self) -> list[int]:
        """Versions whose lists are stored."""
        rows = self.read("SELECT DISTINCT version FROM serving_storage.user_lists ORDER BY 1", "publisher")
        return [row[0] for row in rows]
