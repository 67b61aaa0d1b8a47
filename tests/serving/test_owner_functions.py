"""Functions that run with the rights of their owner use nothing of the caller."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from psycopg import errors as pg
from psycopg import sql
from sqlalchemy import make_url

from pipeline.databases.embedded import Server
from tests.serving.nights import Shop

HOSTILE = """
    CREATE TABLE hostile.live AS SELECT true AS is_only, 666::bigint AS version, 1000000 AS max_n;
    CREATE TABLE hostile.user_lists AS SELECT 666::bigint AS version, 1::bigint AS user_id;
    CREATE TABLE hostile.blocked_items AS SELECT 11::bigint AS item_id;
    CREATE TEMP TABLE live AS TABLE hostile.live;
    CREATE TEMP TABLE user_lists AS TABLE hostile.user_lists;
    CREATE TEMP TABLE blocked_items AS TABLE hostile.blocked_items;
    CREATE FUNCTION hostile.trap() RETURNS boolean LANGUAGE plpgsql AS
        $$BEGIN RAISE 'ran as %', current_user; END$$;
"""
TRAPS = {
    "unnest(bigint[])": "SETOF bigint",
    "unnest(text[])": "SETOF text",
    "cardinality(bigint[])": "integer",
    "cardinality(text[])": "integer",
    "now()": "timestamptz",
    "btrim(text)": "text",
    "array_append(bigint[], bigint)": "bigint[]",
    "array_agg(bigint)": "bigint[]",
    "array_agg(text)": "text[]",
    "max(bigint)": "bigint",
    "min(bigint)": "bigint",
    "min(bigint[])": "bigint[]",
    "sum(bigint)": "numeric",
}
TRAPPED_OPERATORS = {
    "bigint, bigint": ("=", "<>", "<", ">"),
    "integer, integer": ("=", "<", "+", "-", "*", "/"),
    "timestamptz, timestamptz": (">",),
    "text, text": ("=", "||"),
    "bigint[], bigint[]": ("||", "<"),
    "bigint[], bigint": ("||",),
    "bigint, double precision": ("+",),
    "double precision, double precision": ("+", "/"),
    "integer, double precision": ("/",),
    "integer, numeric": ("+",),
}


def test_functions_of_the_owner_use_nothing_of_the_caller(
    server: Server, live_shop: Shop, login: Callable[[str], str]
) -> None:
    """A login with a schema of its own puts it, and its temporary objects, before everything else."""
    live_shop.publish(
        live_shop.night(
            2,
            also_bought={11: [12, 14], 12: [14]},
            purchases={1: [15]},
            categories={1: ["tea"]},
            names={11: ("A", "tea")},
        )
    )
    url = login("operator")
    name = make_url(url).username or ""
    calls = (
        "SELECT * FROM serving.recommend(1, 20)",
        "SELECT * FROM serving.recommend(1, 20, 'tea')",
        "SELECT * FROM serving.recommend_from('{11,12,11}', 20)",
        "SELECT serving.explain(1, 11), serving.explain(1, 17)",
        "SELECT serving.reason_in_words(12, 'similar_to_item', 11), serving.is_blocked(12)",
        "SELECT serving.reason_in_words(1, 11, 'bought_again', 11)",
        "SELECT * FROM serving.items CROSS JOIN serving.shop",
        "SELECT from_version, live_version FROM serving.rollback(2)",
        "SELECT * FROM serving.release()",
        "SELECT * FROM serving.on_shelf",
    )
    with psycopg.connect(server.admin_url(make_url(url).database or ""), autocommit=True) as db:
        db.execute(sql.SQL("CREATE SCHEMA hostile AUTHORIZATION {}").format(sql.Identifier(name)))
    with psycopg.connect(url, autocommit=True) as db:
        before = [db.execute(call.encode()).fetchall() for call in calls]
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(HOSTILE)
        for trap, result in TRAPS.items():
            db.execute(
                f"CREATE FUNCTION hostile.{trap} RETURNS {result} LANGUAGE plpgsql"
                " AS $$BEGIN PERFORM hostile.trap(); END$$".encode()
            )
        for types, operators in TRAPPED_OPERATORS.items():
            left, right = types.split(", ")
            db.execute(
                f"CREATE FUNCTION hostile.op({types}) RETURNS boolean LANGUAGE plpgsql"
                " AS $$BEGIN RETURN hostile.trap(); END$$".encode()
            )
            for operator in operators:
                db.execute(
                    f"CREATE OPERATOR hostile.{operator}"
                    f" (FUNCTION = hostile.op, LEFTARG = {left}, RIGHTARG = {right})".encode()
                )
        db.execute("SET search_path = hostile, pg_temp, pg_catalog")
        for proof in ("SELECT 1::bigint = 1::bigint", "SELECT now()", "SELECT btrim('a')"):
            with pytest.raises(pg.RaiseException, match=f"ran as {name}"):
                db.execute(proof.encode())
        assert [db.execute(call.encode()).fetchall() for call in calls] == before


def test_functions_of_the_owner_fix_what_they_search(live_shop: Shop) -> None:
    rows = live_shop.read(
        "SELECT proname::text, prosecdef, coalesce(array_to_string(proconfig, ' '), '') FROM pg_proc"
        " WHERE pronamespace = 'serving'::regnamespace OR pronamespace = 'serving_storage'::regnamespace",
        "",
    )
    assert {row[0] for row in rows if row[1]} == {
        "recommend",
        "recommend_from",
        "explain",
        "reason_in_words",
        "is_blocked",
        "rollback",
        "release",
    }
    assert [row[0] for row in rows if row[1] and "search_path=pg_catalog, pg_temp" not in row[2]] == []
