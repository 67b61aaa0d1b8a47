"""How a big shop is read: index lookups, whatever the statistics say and whatever was planned before."""

from __future__ import annotations

import json
import re
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pipeline import config
from pipeline.config import Settings
from pipeline.databases.embedded import PREFIX, Server
from pipeline.runs.folder import RunFolder
from tests.serving.nights import Shop

N_USERS, N_ITEMS, N_CATEGORIES, N_SEGMENTS, N_VERSIONS = 3000, 2000, 60, 90, 3
BESIDE = {"also_bought_lists", "similar_lists"}
STORED = {
    *("user_lists", "user_purchases", "user_segments", "user_categories", "popular_lists", "item_names"),
    "blocked_items",
}
IN_SEGMENT = {"user_segments", "segment_lists"}
CALLS = {
    "a known user": ("recommend(77, 5)", {"user_lists", "blocked_items"}),
    "a list to fill up": ("recommend(77, 40)", STORED - {"item_names"}),
    "an unknown user": ("recommend(-1, 5)", STORED - {"item_names"}),
    "nobody": ("recommend(NULL, 5)", STORED - {"item_names"}),
    "somebody who looks around": ("recommend(3077, 25)", IN_SEGMENT | {"user_lists", "blocked_items"}),
    "somebody who looks around, to fill up": ("recommend(3077, 60)", (STORED | IN_SEGMENT) - {"item_names"}),
    "somebody who looks around a category": (
        "recommend(3077, 40, 'category 17')",
        IN_SEGMENT | {"item_names"},
    ),
    "within a category": ("recommend(77, 40, 'category 17')", STORED - {"user_categories"}),
    "a basket": ("recommend_from('{77,78,77,99}', 5)", BESIDE | {"blocked_items"}),
    "a basket to fill up": (
        "recommend_from('{77,78,99}', 60)",
        BESIDE | {"popular_lists", "item_names", "blocked_items"},
    ),
    "an unknown basket": ("recommend_from('{-1}', 5)", BESIDE | {"popular_lists", "blocked_items"}),
    "a full basket": (
        f"recommend_from('{{{','.join(map(str, range(500, 600)))}}}', 200)",
        BESIDE | {"popular_lists", "item_names", "blocked_items"},
    ),
    "words": ("reason_in_words(81, 'similar_to_item', 77)", {"item_names"}),
    "words for a user": (
        "reason_in_words(77, 77, 'bought_again', NULL)",
        {"user_lists", "item_names"},
    ),
    "blocked or not": ("is_blocked(1996)", {"blocked_items"}),
    "why a listed item": ("explain(77, 81)", {"user_lists", "blocked_items", "item_names"}),
    "why a popular item": ("explain(-1, 5)", STORED),
}


@pytest.fixture(scope="module")
def big_shop(server: Server) -> Iterator[Shop]:
    """Three versions of 3,000 users, each with a list, purchases and categories."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    values = config.load().model_dump(by_alias=True)
    values["serving"]["role_prefix"] = f"t{uuid.uuid4().hex[:8]}"
    settings = Settings.model_validate(values)
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        server.create_database(name, owner=f"{PREFIX}_owner", db=db)
    with tempfile.TemporaryDirectory() as runs:

        def new_folder(run_id: str, *, as_of: Any, settings: Settings) -> RunFolder:
            return RunFolder.create(Path(runs), run_id, as_of, settings.ids.model_dump(), {})

        shop = Shop(server.url(name), settings, new_folder)
        for day in range(1, N_VERSIONS + 1):
            shop.publish(full_night(shop, day))
    yield shop
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        db.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def full_night(shop: Shop, day: int) -> RunFolder:
    """Lists of ten; five purchases; three categories; forty popular items in each; as many in segments."""
    users, items, names = range(N_USERS), range(N_ITEMS), [f"category {c}" for c in range(N_CATEGORIES)]
    return shop.night(
        day,
        {u: [(u + k) % N_ITEMS for k in range(10)] for u in users},
        popular={"all": range(200), **{name: range(c, c + 40) for c, name in enumerate(names)}},
        similar={i: [i + 1, i + 2] for i in items},
        also_bought={i: [i + 1, i + 2] for i in items},
        purchases={u: [u % 97, 100 + u % 97] for u in users},
        categories={u: [names[(u + k) % N_CATEGORIES] for k in range(3)] for u in users},
        segments={N_USERS + u: 1 + u % N_SEGMENTS for u in users},
        in_segment={s: range(s, s + 40) for s in range(1, N_SEGMENTS + 1)},
        names={i: (f"item {i}", names[i % N_CATEGORIES]) for i in items},
        model_ranks={u: range(10, 0, -1) for u in users},
    )


@pytest.fixture
def shop(big_shop: Shop) -> Iterator[Shop]:
    """The big shop; what a test blocks is shown again after it."""
    yield big_shop
    with big_shop.connect("owner") as db:
        db.execute("TRUNCATE serving.blocked_items")
    vacuum(big_shop)


def vacuum(shop: Shop) -> None:
    with shop.connect() as db:
        db.execute("VACUUM ANALYZE")


def block_many(shop: Shop) -> None:
    """Fifty thousand blocked items, five of them in lists."""
    with shop.connect("operator") as db:
        db.execute(
            "INSERT INTO serving.blocked_items (item_id, reason)"
            " SELECT id, 'withdrawn' FROM generate_series(1995, 51994) AS id"
        )


@pytest.fixture
def planned(server: Server, shop: Shop) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """`planned("SELECT ...")`: run it as the reader and get the plans of the statements inside functions."""
    notes: list[str] = []
    database = psycopg.conninfo.conninfo_to_dict(shop.url)["dbname"]
    with psycopg.connect(server.admin_url(str(database)), autocommit=True, prepare_threshold=0) as db:
        db.add_notice_handler(lambda note: notes.append(note.message_primary or ""))
        db.execute("LOAD 'auto_explain'")
        for name, value in {
            "auto_explain.log_min_duration": "0",
            "auto_explain.log_nested_statements": "on",
            "auto_explain.log_analyze": "on",
            "auto_explain.log_format": "json",
            "client_min_messages": "log",
        }.items():
            db.execute("SELECT set_config(%s, %s, false)", [name, value])
        db.execute(f"SET ROLE {shop.settings.serving.role_prefix}_reader".encode())

        def run(query: str) -> list[dict[str, Any]]:
            notes.clear()
            db.execute(query.encode()).fetchall()
            plans = [json.loads(re.sub(r"^duration: .*  plan:\n", "", note)) for note in notes]
            return [plan["Plan"] for plan in plans if plan["Query Text"] != query]

        yield run


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of a plan."""
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def check_lookups(plans: list[dict[str, Any]], promised: set[str]) -> None:
    """Every table but the one-row pointer is read by its index, row by row; the promised ones are read."""
    seen = set()
    for node in (node for plan in plans for node in nodes(plan)):
        if (table := node.get("Relation Name")) and table != "live":
            assert node["Node Type"] in ("Index Scan", "Index Only Scan")
            assert node["Index Cond"]
            if node["Actual Loops"]:
                seen.add(table)
                assert node["Actual Rows"] <= 1
                assert node.get("Rows Removed by Filter", 0) <= 1
    assert promised <= seen


@pytest.mark.parametrize("call", CALLS)
def test_statements_inside_the_functions_are_index_lookups(
    shop: Shop, planned: Callable[[str], list[dict[str, Any]]], call: str
) -> None:
    query, promised = CALLS[call]
    for _ in range(8):
        check_lookups(planned(f"SELECT * FROM serving.{query}"), promised)
    block_many(shop)
    for _ in range(2):
        check_lookups(planned(f"SELECT * FROM serving.{query}"), promised)
    vacuum(shop)
    for _ in range(8):
        check_lookups(planned(f"SELECT * FROM serving.{query}"), promised)


VIEWS = {
    "recommendations": ("user_lists_pkey", "user_id"),
    "on_shelf": ("user_lists_pkey", "user_id"),
    "similar_items": ("similar_lists_pkey", "item_id"),
    "also_bought": ("also_bought_lists_pkey", "item_id"),
    "popular_items": ("popular_lists_pkey", "category"),
    "model_order": ("user_lists_pkey", "user_id"),
    "popular_in_segment": ("segment_lists_pkey", "segment"),
}
FEW_LISTS = ("popular_items", "popular_in_segment")
"""Views of a few lists, by a key that apps have no large table of."""
ONE = (
    "SELECT * FROM serving.{view} WHERE {key} = '77' ORDER BY rank LIMIT 3",
    "SELECT * FROM serving.{view} WHERE {key} = '77' AND rank <= 3",
    "SELECT * FROM serving.{view} WHERE {key} IN ('77', '78')",
)
BY_JOIN = (
    "SELECT shown.* FROM app JOIN serving.{view} AS shown ON shown.{key} = app.id AND rank <= 3",
    "SELECT app.id, shown.* FROM app LEFT JOIN serving.{view} AS shown ON shown.{key} = app.id",
    "SELECT id, (SELECT count(*) FROM serving.{view} WHERE {key} = app.id) FROM app",
)


def test_every_view_of_lists_is_tried(shop: Shop) -> None:
    query = "SELECT DISTINCT table_name::text FROM information_schema.columns WHERE table_schema = 'serving'"
    assert {view for (view,) in shop.read(f"{query} AND column_name = 'rank'")} == set(VIEWS)


def test_the_name_of_an_item_is_one_index_lookup(shop: Shop) -> None:
    for query in (
        "SELECT * FROM serving.items WHERE item_id = 77",
        "SELECT shown.name FROM unnest('{77,78}'::bigint[]) AS id"
        " LEFT JOIN serving.items AS shown ON item_id = id",
    ):
        [[[plan]]] = shop.read(f"EXPLAIN (FORMAT JSON) {query}")
        [names] = [node for node in nodes(plan["Plan"]) if node.get("Relation Name") == "item_names"]
        assert names["Index Name"] == "item_names_pkey"
        assert "(version = (InitPlan" in names["Index Cond"]
        assert "(item_id = " in names["Index Cond"]


def test_the_segment_of_a_user_is_one_index_lookup(shop: Shop) -> None:
    [[[plan]]] = shop.read(
        "EXPLAIN (FORMAT JSON) SELECT segment FROM serving.user_segments WHERE user_id = 3077"
    )
    [own] = [node for node in nodes(plan["Plan"]) if node.get("Relation Name") == "user_segments"]
    assert own["Index Name"] == "user_segments_pkey"
    assert "(version = (InitPlan" in own["Index Cond"]
    assert "(user_id = " in own["Index Cond"]


@pytest.mark.parametrize(
    ("view", "query"),
    [(view, query) for view in VIEWS for query in (ONE if view in FEW_LISTS else ONE + BY_JOIN)],
)
def test_a_list_of_a_view_is_one_index_lookup(shop: Shop, view: str, query: str) -> None:
    index, key = VIEWS[view]
    block_many(shop)
    vacuum(shop)
    with shop.connect("owner") as db:
        db.execute("CREATE TEMP TABLE app AS SELECT id * 149 AS id FROM generate_series(1::bigint, 20) AS id")
        db.execute("ANALYZE app")
        [[plans]] = db.execute(
            f"EXPLAIN (FORMAT JSON) {query.format(view=view, key=key)}".encode()
        ).fetchall()
    scans = [node for node in nodes(plans[0]["Plan"]) if "Relation Name" in node]
    [lists] = [node for node in scans if node["Relation Name"].endswith("_lists")]
    assert lists["Index Name"] == index
    assert "(version = (InitPlan" in lists["Index Cond"]
    assert f"({key} = " in lists["Index Cond"]
    blocked = [node for node in scans if node["Relation Name"] == "blocked_items"]
    assert len(blocked) == (view in ("on_shelf", "model_order"))
    assert all("(item_id = " in node["Index Cond"] for node in blocked)
