"""Every query against a real serving database: one row of one version, in the promised shape."""

from __future__ import annotations

import json
import re
from typing import Any

import psycopg
import pytest
from pydantic import ConfigDict, TypeAdapter

from pipeline.config import ROOT
from pipeline.reading import Answer, Queries, Query, answers
from pipeline.reading.shop import NEEDED_VERSION, Shop, shop_query
from pipeline.serving import migrate
from pipeline.serving.schema import VERSION
from tests.service.conftest import LISTS, USERS, new_shop
from tests.serving.nights import Shop as ServedShop

__all__ = ["new_shop"]

ASKED = {
    "recommendations": (lambda ask: ask.recommendations("1", 5), answers.Recommendations),
    "explained": (lambda ask: ask.recommendations("2", 5, explain=True), answers.Recommendations),
    "within a category": (lambda ask: ask.recommendations("1", 5, "fruit"), answers.Recommendations),
    "explanation": (lambda ask: ask.explanation("1", "11"), answers.Explanation),
    "model order": (lambda ask: ask.model_order("1", 3), answers.ModelOrder),
    "no model order": (lambda ask: ask.model_order("3", 3), answers.ModelOrder),
    "similar": (lambda ask: ask.similar("11", 5), answers.Similar),
    "similar to the unknown": (lambda ask: ask.similar("99", 5), answers.Similar),
    "also bought": (lambda ask: ask.also_bought("11", 5), answers.AlsoBought),
    "popular": (lambda ask: ask.popular(5), answers.Popular),
    "popular in a segment": (lambda ask: ask.popular_in_segment(5, 2), answers.Popular),
    "popular in the unknown": (lambda ask: ask.popular_in_segment(5, 99), answers.Popular),
    "session": (lambda ask: ask.session(["11", "12"], 5), answers.Session),
    "an explained session": (lambda ask: ask.session(["11"], 5, explain=True), answers.Session),
    "an empty session": (lambda ask: ask.session([], 5), answers.Session),
    "users": (lambda ask: ask.users(5), answers.Users),
    "publication": (lambda ask: ask.publication(), answers.LivePublication),
}


@pytest.fixture
def live(new_shop: Any) -> ServedShop:
    """A shop with one publication."""
    shop: ServedShop = new_shop()
    shop.publish(shop.night(1, USERS, **LISTS))
    return shop


def ask(db: psycopg.Connection[Any], query: Query) -> Answer:
    """Parameters like a handler without a loop would; there is one row, always."""
    [row] = db.execute(query.statement, query.values).fetchall()
    return Answer(*row)


def test_answers_have_the_promised_shapes(live: ServedShop) -> None:
    with live.connect("reader") as db:
        about = shop_query(live.settings.serving)
        shop = Shop(*db.execute(about.statement, about.values).fetchone() or ())
        assert shop == (VERSION, "integer", "integer", live.settings.serving.max_n, 1)
        assert shop.ids == live.settings.ids
        queries = Queries("serving", shop.ids)
        for name, (query, shape) in ASKED.items():
            answer = ask(db, query(queries))
            assert (answer.version, answer.max_n) == (1, 200), name
            shape.__pydantic_config__ = ConfigDict(extra="forbid")
            TypeAdapter(shape).validate_json(answer.body or "")
            assert json.loads(answer.body or "").get("version") == 1, name


def test_before_the_first_publication_there_is_a_row_without_a_version(new_shop: Any) -> None:
    shop = new_shop()
    migrate(shop.url, shop.settings, say=shop.said.append)
    with shop.connect("reader") as db:
        for name, (query, _) in ASKED.items():
            assert ask(db, query(Queries("serving", shop.settings.ids))).version is None, name


def test_what_is_not_shown_has_no_explanation(live: ServedShop) -> None:
    with live.connect("reader") as db:
        query = Queries("serving", live.settings.ids).explanation("1", "99")
        assert ask(db, query) == (1, 200, None)


def test_every_statement_is_one_that_is_asked() -> None:
    files = {path.stem for path in (ROOT / "sql" / "reading").glob("*.sql")}
    assert files == {
        "recommendations", "explanation", "model_order", "similar", "also_bought", "popular",
        "popular_in_segment", "session", "users", "publication", "shop", "rights",
    }  # fmt: skip


def test_the_schema_that_is_needed_is_the_newest_that_a_statement_needs() -> None:
    """The view `model_order` came with version 13: the statement of that name asks for it."""
    assert NEEDED_VERSION <= VERSION
    upgrades = ROOT / "sql" / "serving" / "upgrades"
    [needed] = upgrades.glob(f"{NEEDED_VERSION:03}_*.sql")
    asked = " ".join(path.read_text() for path in (ROOT / "sql" / "reading").glob("*.sql"))
    made = r"CREATE (?:FUNCTION|VIEW) \{schema\}\.(\w+)"
    using = {
        path
        for path in upgrades.glob("*.sql")
        for name in re.findall(made, path.read_text())
        if re.search(rf"\{{schema\}}\.{name}\b", asked)
    }
    assert max(using) == needed


@pytest.mark.parametrize("n", [1, 5000])
def test_one_users_list_is_looked_up_and_no_table_is_read(live: ServedShop, n: int) -> None:
    """With as many items as a shop has, whatever the planner guesses: each name is one index lookup."""
    with live.connect("publisher") as db:
        db.execute(
            "INSERT INTO serving_storage.item_names (version, item_id, name, category)"
            " SELECT 1, 1000 + id, 'thing ' || id, 'things' FROM generate_series(1, 20000) AS id"
        )
        db.execute("ANALYZE serving_storage.item_names")
    query = Queries("serving", live.settings.ids).recommendations("1", n)
    with live.connect("reader", prepare_threshold=0) as db:
        for _ in range(8):
            plan = db.execute(b"EXPLAIN " + query.statement, query.values).fetchall()
            text = "\n".join(row[0] for row in plan)
            assert "Index Scan using item_names_pkey" in text
            assert "Seq Scan on item_names" not in text
            db.execute(query.statement, query.values).fetchall()
