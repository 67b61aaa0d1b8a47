"""The session lists that `evaluate` judges are those that recommend_from() gives, row for row."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest

from pipeline import engine
from pipeline.contract.datasets import arrow_id
from pipeline.runs.folder import RunFolder
from tests.serving.nights import Shop

CATEGORIES = ("tea", "cakes", "tools", "Äpfel", "apples")
IDS: dict[str, Callable[[int], Any]] = {
    "integer": lambda number: 7 * number - 100,
    "text": lambda number: f"{'aZé0 ß%/'[number % 8]}{number}",
    "uuid": lambda number: str(uuid.UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128)),
}
N_ITEMS = 60
LISTS = ("also_bought", "similar_items", "item_names", "popular_items")


def random_lists(rng: np.random.Generator, items: list[Any], share: float, most: int) -> dict[Any, list[Any]]:
    """For a share of the items a list of others, of any length up to `most`."""
    lists = {}
    for item in items:
        others = [other for other in items if other != item]
        length = int(rng.integers(1, most + 1))
        if rng.random() < share:
            lists[item] = [others[place] for place in rng.choice(len(others), length, replace=False)]
    return lists


def published_at_random(shop: Shop, items: list[Any], seed: int) -> RunFolder:
    """A publication in which some items have lists, names and categories; some categories are short."""
    rng = np.random.default_rng(seed)
    names = {item: (None, str(rng.choice(CATEGORIES))) for item in items if rng.random() < 0.7}
    popular: dict[str, list[Any]] = {}
    for category in CATEGORIES[:4]:
        own = [item for item, (_, of) in names.items() if of == category]
        popular[category] = [own[place] for place in rng.permutation(len(own))][: int(rng.integers(1, 9))]
    popular["all"] = [items[place] for place in rng.permutation(len(items))[:35]]
    folder = shop.night(
        1,
        {1: items[:3]},
        popular={category: listed for category, listed in popular.items() if listed},
        similar=random_lists(rng, items, 0.6, 12),
        also_bought=random_lists(rng, items, 0.3, 5),
        names=names,
    )
    shop.publish(folder)
    return folder


def baskets(rng: np.random.Generator, items: list[Any], unknown: list[Any], n: int) -> list[list[Any]]:
    """Of one item to many, some of them twice, some unknown; the last baskets of unknown ones alone."""
    known = [list(rng.choice(np.array(items, object), int(rng.integers(1, 25)))) for _ in range(n)]
    mixed = [basket + [unknown[0]] * int(rng.integers(0, 2)) for basket in known]
    return [[*mixed[0], *mixed[0]], *mixed, items, unknown, unknown[:1]]


def judged(folder: RunFolder, given: list[list[Any]], n: int) -> dict[int, list[tuple[Any, ...]]]:
    """The lists of `evaluate` for these baskets, by the basket's number, from the run's files."""
    rows = [
        (number, place, item) for number, basket in enumerate(given) for place, item in enumerate(basket, 1)
    ]
    numbers, places, items = zip(*rows, strict=True)
    found: dict[int, list[tuple[Any, ...]]] = {number: [] for number in range(len(given))}
    with engine.connect() as db:
        for name in LISTS:
            engine.view(db, name, folder.file(name))
        types = (pa.int64(), pa.int32(), arrow_id(folder.ids["item"]))
        columns = [
            pa.array(values, kind) for values, kind in zip((numbers, places, items), types, strict=True)
        ]
        db.register("given", pa.table(columns, names=["user_id", "place", "item_id"]))
        for row in engine.rows(db, "session_lists", {"n": n}).read_all().to_pylist():
            found[row.pop("user_id")].append(tuple(row.values()))
    return found


def read(db: psycopg.Connection[Any], kind: str, basket: list[Any], n: int) -> list[tuple[Any, ...]]:
    """The same from the database, ids as the run's files have them."""
    cast = {"integer": "bigint[]", "text": "text[]", "uuid": "uuid[]"}[kind]
    query = (
        "SELECT rank, item_id, score, source, reason, because_item_id"
        f" FROM serving.recommend_from(%s::{cast}, %s) ORDER BY rank"
    )
    rows = db.execute(query.encode(), (basket, n)).fetchall()
    text = (lambda value: None if value is None else str(value)) if kind == "uuid" else (lambda value: value)
    return [(row[0], text(row[1]), *row[2:5], text(row[5])) for row in rows]


@pytest.mark.parametrize("kind", IDS)
def test_judged_lists_are_those_that_apps_read(new_shop: Callable[..., Shop], kind: str) -> None:
    """Over lists drawn at random, for baskets of every kind, row for row and bit for bit."""
    shop = new_shop(ids={"user": "integer", "item": kind})
    items = sorted(IDS[kind](number) for number in range(N_ITEMS))
    unknown = [IDS[kind](number) for number in range(1000, 1003)]
    rng = np.random.default_rng(11)
    given = baskets(rng, items, unknown, 60)
    folder = published_at_random(shop, items, 5)
    reasons = set()
    with shop.connect("reader") as db:
        for n in (1, 10, 60):
            lists = judged(folder, given, n)
            for number, basket in enumerate(given):
                assert lists[number] == read(db, kind, basket, n), (basket, n)
                reasons |= {row[4] for row in lists[number]}
    assert reasons == {"bought_together", "similar_to_item", "popular_in_its_category", "recently_popular"}
