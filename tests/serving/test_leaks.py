"""No condition of an app's own gets to rows that the views do not show."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from pipeline.databases.embedded import Server
from pipeline.serving.forgotten import erase_stored
from tests.serving.nights import Shop

ELENA, OTTO, ONLY_BEFORE, ERASED = 101, 102, 666, 667
OLD = {ELENA: [61, 62], ONLY_BEFORE: [63], ERASED: [64]}
SECRETS = {str(ONLY_BEFORE), str(ERASED), "secret", "61", "62", "63", "64", "1"}
"""Who and what is in no list of the live version, and the number of the one before it."""
TELLING = """
    CREATE FUNCTION pg_temp.tell(value anyelement) RETURNS boolean LANGUAGE plpgsql COST 0.0000001
    AS $$BEGIN RAISE NOTICE 'saw %', value; RETURN true; END$$
"""
KEYS = {
    "recommendations": "user_id",
    "on_shelf": "user_id",
    "popular_items": "category",
    "similar_items": "item_id",
    "also_bought": "item_id",
    "model_order": "user_id",
    "popular_in_segment": "segment",
    "user_segments": "user_id",
    "items": "item_id",
}
CONDITIONS = (
    "pg_temp.tell({key})",
    "pg_temp.tell(version)",
    "{key}::text ~ '.' AND pg_temp.tell({key})",
    "CASE WHEN pg_temp.tell({key}) THEN true END",
    "pg_temp.tell(({key}, version))",
)
PLANS = (
    {},
    {"enable_indexscan": "off", "enable_bitmapscan": "off", "enable_indexonlyscan": "off"},
    {"enable_seqscan": "off"},
    {"plan_cache_mode": "force_generic_plan", "enable_nestloop": "off"},
)


@pytest.fixture
def shop(shop: Shop) -> Shop:
    """A version that was live, with people and items of its own; the live one; a user erased from both."""
    shop.publish(
        shop.night(
            1,
            OLD,
            popular={"secret": [61]},
            similar={61: [62]},
            also_bought={62: [61]},
            segments={ONLY_BEFORE: 64, ERASED: 64},
            in_segment={64: [61]},
            names={61: ("secret", "secret"), 62: ("secret", "secret")},
            model_ranks={user: range(7, 7 + len(items)) for user, items in OLD.items()},
        ),
    )
    shop.publish(
        shop.night(
            2,
            {ELENA: [11, 12], OTTO: [12], ERASED: [11]},
            also_bought={11: [12]},
            segments={OTTO: 3, ERASED: 3},
            in_segment={3: [12, 14]},
            names={11: ("Tea", "tea")},
            model_ranks={ELENA: [2, 1], OTTO: [1], ERASED: [5]},
        )
    )
    erase_stored(shop.url, shop.settings, ERASED)
    return shop


@pytest.fixture
def app(server: Server, shop: Shop, new_login: Callable[[str, str], str]) -> Iterator[psycopg.Connection]:
    """An app that may read, and make temporary functions as anybody may."""
    url = new_login(shop.url, f"{shop.settings.serving.role_prefix}_reader")
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(TELLING)
        yield db
    with psycopg.connect(server.admin_url(make_url(shop.url).database or ""), autocommit=True) as admin:
        login = sql.Identifier(make_url(url).username or "")
        admin.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(login))


def told_by(app: psycopg.Connection, query: str) -> set[str]:
    """Every word that the functions of the app saw in a query, under each of the plans it can ask for."""
    words: set[str] = set()

    def hear(notice: psycopg.errors.Diagnostic) -> None:
        words.update((notice.message_primary or "").translate(str.maketrans("(),", "   ")).split()[1:])

    app.add_notice_handler(hear)
    for settings in PLANS:
        app.execute("RESET ALL")
        for name, value in settings.items():
            app.execute("SELECT set_config(%s, %s, false)", [name, value])
        app.execute(query.encode())
    app.remove_notice_handler(hear)
    return words


def test_a_telling_function_sees_nothing_but_the_live_version(app: psycopg.Connection) -> None:
    for view, key in KEYS.items():
        for condition in CONDITIONS:
            query = f"SELECT count(*) FROM serving.{view} WHERE {condition.format(key=key)}"
            words = told_by(app, query)
            assert words, query
            assert words & SECRETS == set(), query


def test_the_function_does_tell_where_nothing_keeps_it_from_a_row(
    shop: Shop, app: psycopg.Connection
) -> None:
    """What is refused above happens without the barrier."""
    with shop.connect("publisher") as db:
        for table in ("popular_lists", "user_lists"):
            db.execute(f"ALTER TABLE serving_storage.{table} DISABLE ROW LEVEL SECURITY".encode())
    assert "secret" in told_by(app, "SELECT FROM serving.popular_items WHERE pg_temp.tell(category)")
    words = told_by(app, "SELECT FROM serving.recommendations WHERE pg_temp.tell(user_id)")
    assert {str(ONLY_BEFORE)} <= words
    assert str(ERASED) not in words


BY_FUNCTIONS_AND_JOINS = (
    "SELECT FROM serving.recommend(101, 200) WHERE pg_temp.tell(item_id)",
    "SELECT FROM serving.recommend(666, 200) WHERE pg_temp.tell(item_id)",
    "SELECT FROM generate_series(60, 70) AS id, serving.recommend(667, 200) WHERE pg_temp.tell(item_id)",
    "SELECT FROM (SELECT serving.explain(id, 62) AS why FROM generate_series(600::bigint, 700) AS id) AS told"
    " WHERE pg_temp.tell(why)",
    "SELECT FROM serving.recommend_from('{61,62,11}', 200)"
    " WHERE pg_temp.tell(item_id) AND pg_temp.tell(because_item_id)",
    "SELECT FROM unnest('{secret,tea}'::text[]) AS name, serving.recommend(101, 200, name)"
    " WHERE pg_temp.tell(item_id)",
    "SELECT FROM (SELECT serving.reason_in_words(62, 'similar_to_item', 61) AS why OFFSET 0) AS told"
    " WHERE pg_temp.tell(replace(why, '61', ''))",
    "SELECT FROM serving.recommendations JOIN serving.similar_items USING (item_id)"
    " WHERE pg_temp.tell(similar_item_id) AND pg_temp.tell(user_id) AND pg_temp.tell(item_id)",
    "SELECT FROM serving.popular_items AS a LEFT JOIN serving.popular_items AS b USING (category)"
    " WHERE pg_temp.tell(category) AND pg_temp.tell(b.item_id)",
)


def test_neither_by_functions_nor_by_joins(app: psycopg.Connection) -> None:
    for query in BY_FUNCTIONS_AND_JOINS:
        words = told_by(app, query)
        assert words, query
        assert words & SECRETS == set(), query


def test_an_error_that_tells_a_value_is_not_met_for_other_rows(app: psycopg.Connection) -> None:
    """Division by zero for one user tells that the user has a list; a cast that fails tells the value."""
    app.execute("SET enable_indexscan = off; SET enable_bitmapscan = off")
    assert app.execute(
        f"SELECT count(*) FROM serving.recommendations WHERE 1 / (user_id - {ONLY_BEFORE}) < 5"
    ).fetchone() == (3,)
    assert app.execute(
        "SELECT count(*) FROM serving.popular_items WHERE replace(category, 'secret', 'x') <> '' AND"
        " CASE WHEN category = 'secret' THEN category::integer END IS NULL"
    ).fetchone() == (6,)


def test_every_table_under_a_view_of_lists_has_the_barrier(shop: Shop) -> None:
    under_views = shop.read(
        "SELECT DISTINCT tables.relname::text, tables.relrowsecurity"
        " FROM pg_rewrite AS rules"
        " JOIN pg_class AS views ON views.oid = rules.ev_class AND views.relkind = 'v'"
        " JOIN pg_depend AS uses ON uses.classid = 'pg_rewrite'::regclass AND uses.objid = rules.oid"
        " JOIN pg_class AS tables ON tables.oid = uses.refobjid AND uses.refclassid = 'pg_class'::regclass"
        " JOIN pg_attribute AS columns ON columns.attrelid = tables.oid AND columns.attname = 'version'"
        " WHERE views.relnamespace = 'serving'::regnamespace AND tables.relkind = 'r'"
        " AND tables.relnamespace = 'serving_storage'::regnamespace ORDER BY 1",
        "",
    )
    # of `live` and `publication` the views show every row
    assert under_views == [
        ("also_bought_lists", True),
        ("item_names", True),
        ("live", False),
        ("popular_lists", True),
        ("publication", False),
        ("segment_lists", True),
        ("similar_lists", True),
        ("user_lists", True),
        ("user_segments", True),
    ]
