"""Who may do what: the forbidden things are tried."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import psycopg
import pytest
from psycopg import errors as pg

from pipeline.serving import migrate, rollback
from tests.serving.nights import Shop

VIEWS = (
    "recommendations",
    "on_shelf",
    "popular_items",
    "similar_items",
    "also_bought",
    "publications",
    "live_history",
    "model_order",
    "popular_in_segment",
    "user_segments",
    "items",
    "shop",
)
FUNCTIONS = (
    "recommend(1, 3)",
    "recommend(1, 3, 'tea')",
    "recommend_from('{11}', 3)",
    "explain(1, 11)",
    "reason_in_words(12, 'similar_to_item', 11)",
    "reason_in_words(1, 11, 'bought_again', 11)",
    "is_blocked(11)",
)
STORED = (
    "user_lists",
    "popular_lists",
    "similar_lists",
    "also_bought_lists",
    "user_purchases",
    "user_categories",
    "user_segments",
    "segment_lists",
    "item_names",
    "live",
    "publication",
    "move",
    "attempt",
    "schema_info",
    "forgotten",
    "forget_key",
)
GRANTS = """
    SELECT relname::text, relowner::regrole::text, relacl::text FROM pg_class
    WHERE relnamespace IN ('serving'::regnamespace, 'serving_storage'::regnamespace)
    UNION ALL SELECT attrelid::regclass || '.' || attname, '', attacl::text FROM pg_attribute, pg_class
    WHERE attrelid = pg_class.oid AND attacl IS NOT NULL AND relnamespace = 'serving'::regnamespace
    UNION ALL SELECT proname, proowner::regrole::text, proacl::text FROM pg_proc
    WHERE pronamespace IN ('serving'::regnamespace, 'serving_storage'::regnamespace)
    UNION ALL SELECT nspname, nspowner::regrole::text, nspacl::text FROM pg_namespace
    WHERE nspname LIKE 'serving%' ORDER BY 1, 2, 3
"""
NOBODY_BUT_THE_OWNER = (
    *(f"DROP VIEW serving.{view} CASCADE" for view in VIEWS),
    *(f"INSERT INTO serving.{view} DEFAULT VALUES" for view in VIEWS),
    *(f"DELETE FROM serving.{view}" for view in VIEWS),
    "UPDATE serving.publications SET run_id = 'mine'",
    "UPDATE serving.live_history SET moved_by = 'mine'",
    "ALTER VIEW serving.recommendations RENAME TO mine",
    "ALTER VIEW serving.recommendations OWNER TO CURRENT_USER",
    "CREATE OR REPLACE VIEW serving.recommendations AS SELECT 1 AS user_id",
    "COMMENT ON VIEW serving.recommendations IS 'mine'",
    "CREATE TABLE serving.mine (a integer)",
    "CREATE VIEW serving.mine AS SELECT 1 AS a",
    "CREATE FUNCTION serving.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE OR REPLACE FUNCTION serving.recommend(user_id bigint, n integer DEFAULT 10)"
    " RETURNS bigint LANGUAGE sql AS 'SELECT 1'",
    "ALTER FUNCTION serving.recommend(bigint, integer) SECURITY INVOKER",
    "ALTER FUNCTION serving.recommend(bigint, integer) RESET ALL",
    "DROP FUNCTION serving.recommend(bigint, integer)",
    "DROP FUNCTION serving.explain(bigint, bigint)",
    "ALTER FUNCTION serving.recommend_from(bigint[], integer) RESET ALL",
    "DROP FUNCTION serving.fill_up",
    "DROP FUNCTION serving.fill_from_segment",
    "DROP TABLE serving.blocked_items CASCADE",
    "TRUNCATE serving.blocked_items",
    "ALTER TABLE serving.blocked_items DROP CONSTRAINT blocked_items_pkey CASCADE",
    "CREATE TRIGGER mine BEFORE INSERT ON serving.blocked_items"
    " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE RULE mine AS ON DELETE TO serving.publications DO INSTEAD NOTHING",
    "DROP SCHEMA serving CASCADE",
    "ALTER SCHEMA serving RENAME TO mine",
    "SELECT serving_storage.put_live(1, 'rollback', NULL)",
)
NOBODY_BUT_THE_PUBLISHER = (
    *(f"DELETE FROM serving_storage.{table}" for table in STORED),
    *(f"DROP TABLE serving_storage.{table} CASCADE" for table in STORED),
    "UPDATE serving_storage.live SET version = 1",
    "UPDATE serving_storage.live SET max_n = 1000000",
    "INSERT INTO serving_storage.user_categories VALUES (1, 1, '{tea}')",
    "SELECT nextval('serving_storage.version_number')",
    "CREATE TABLE serving_storage.mine (a integer)",
    "DROP SCHEMA serving_storage CASCADE",
)
NOBODY_OUTSIDE = (
    *NOBODY_BUT_THE_OWNER,
    *NOBODY_BUT_THE_PUBLISHER,
    *(f"SELECT * FROM serving_storage.{table}" for table in STORED),
    "SELECT * FROM serving.fill_up(1, 0, 9, '{}', '{tea}', 'mine', true)",
    "SELECT * FROM serving.fill_from_segment(1, 1, 0, 9, '{}', NULL)",
    "SELECT serving_storage.has_no_repeats('{1}'::bigint[])",
    "SELECT serving_storage.rollback(1, true, 'me')",
    "SELECT serving_storage.release('me')",
    "SELECT 1 FROM serving.publications FOR UPDATE",
    "SELECT 1 FROM serving.live_history FOR SHARE",
    "LOCK TABLE serving.recommendations IN ACCESS EXCLUSIVE MODE",
    "LOCK TABLE serving.publications IN SHARE MODE",
)
WITHOUT_EFFECT = (
    "GRANT USAGE ON SCHEMA serving_storage TO PUBLIC",
    "GRANT SELECT ON ALL TABLES IN SCHEMA serving_storage TO PUBLIC",
    "REVOKE ALL ON SCHEMA serving_storage FROM PUBLIC",
)
"""The storage is not theirs: PostgreSQL refuses, or only warns where a right is held."""
MAY_NOT = {
    "reader": (
        *NOBODY_OUTSIDE,
        "SELECT * FROM serving.blocked_items",
        "SELECT item_id FROM serving.blocked_items",
        "INSERT INTO serving.blocked_items (item_id, reason) VALUES (11, 'mine')",
        "UPDATE serving.blocked_items SET until = NULL",
        "DELETE FROM serving.blocked_items",
        "SELECT serving.rollback()",
        "SELECT serving.rollback(1, true)",
        "SELECT serving.release()",
    ),
    "operator": (
        *NOBODY_OUTSIDE,
        "INSERT INTO serving.blocked_items (item_id, reason, blocked_by) VALUES (11, 'mine', 'another')",
        "INSERT INTO serving.blocked_items (item_id, reason, blocked_at) VALUES (11, 'mine', '2000-01-01')",
        "UPDATE serving.blocked_items SET blocked_by = 'another'",
        "UPDATE serving.blocked_items SET blocked_at = '2000-01-01'",
        "LOCK TABLE serving.recommendations IN SHARE MODE",
    ),
    "publisher": (
        *NOBODY_BUT_THE_OWNER[:-1],
        *(f"SELECT * FROM serving.{view}" for view in (*VIEWS, "blocked_items", *FUNCTIONS)),
        "INSERT INTO serving.blocked_items (item_id, reason) VALUES (11, 'mine')",
        "SELECT serving.rollback()",
    ),
    "owner": (
        *NOBODY_BUT_THE_PUBLISHER,
        "SELECT serving_storage.put_live(1, 'rollback', NULL)",
        "SELECT * FROM serving_storage.forget_key",
        "ALTER TABLE serving_storage.live DROP CONSTRAINT live_is_only_check",
    ),
}


def test_every_view_and_table_is_tried(live_shop: Shop) -> None:
    query = "SELECT relname FROM pg_class WHERE relkind = '{}' AND relnamespace = '{}'::regnamespace"
    assert {name for (name,) in live_shop.read(query.format("v", "serving"))} == set(VIEWS)
    assert {name for (name,) in live_shop.read(query.format("r", "serving_storage"))} == set(STORED)


@pytest.mark.parametrize("role", ["reader", "operator"])
def test_readers_read_what_is_promised(live_shop: Shop, login: Callable[[str], str], role: str) -> None:
    with psycopg.connect(login(role)) as db:
        for view in (*VIEWS, *FUNCTIONS):
            assert db.execute(f"SELECT count(*) > 0 FROM serving.{view}".encode()).fetchone() == (True,), view
        assert db.execute("SELECT max(rank) FROM serving.recommend(1, 3)").fetchone() == (3,)


def test_the_operator_blocks_items_and_takes_back_publications(
    live_shop: Shop, login: Callable[[str], str]
) -> None:
    live_shop.publish(live_shop.night(2, {1: [21]}))
    with psycopg.connect(login("operator"), autocommit=True) as db:
        assert db.execute("SELECT live_version FROM serving.rollback()").fetchone() == (1,)
        assert db.execute("SELECT is_held FROM serving.rollback(1, hold => true)").fetchone() == (True,)
        assert db.execute("SELECT was_held FROM serving.release()").fetchone() == (True,)
        db.execute("INSERT INTO serving.blocked_items (item_id, reason) VALUES (11, 'sold out')")
        with (
            db.cursor() as cursor,
            cursor.copy("COPY serving.blocked_items (item_id, reason) FROM STDIN") as copy,
        ):
            copy.write_row((12, "sold out"))
        assert db.execute("UPDATE serving.blocked_items SET until = now() WHERE item_id = 12").rowcount == 1
        assert db.execute("SELECT item_id FROM serving.recommend(1, 1)").fetchone() == (12,)
        assert db.execute(
            "SELECT bool_and(blocked_by = session_user) FROM serving.blocked_items"
        ).fetchone() == (True,)
        assert db.execute("DELETE FROM serving.blocked_items").rowcount == 2


@pytest.mark.parametrize("role", MAY_NOT)
def test_the_forbidden_is_refused(live_shop: Shop, role: str) -> None:
    before, grants = live_shop.lists(), live_shop.read(GRANTS, "")
    permitted = []
    with live_shop.connect(role) as db:
        for statement in MAY_NOT[role]:
            try:
                with db.transaction(force_rollback=True):
                    db.execute(statement.encode())
            except (pg.InsufficientPrivilege, pg.ObjectNotInPrerequisiteState):
                continue
            permitted.append(statement)
        for statement in WITHOUT_EFFECT if role != "publisher" else ():
            with suppress(pg.InsufficientPrivilege):
                db.execute(statement.encode())
    assert permitted == []
    assert live_shop.lists() == before
    assert live_shop.read(GRANTS, "") == grants


@pytest.mark.parametrize("role", ["reader", "operator"])
def test_a_login_gets_no_further_than_its_role(
    live_shop: Shop, login: Callable[[str], str], role: str
) -> None:
    prefix = live_shop.settings.serving.role_prefix
    others = [other for other in ("owner", "publisher", "reader", "operator") if other != role]
    with psycopg.connect(login(role), autocommit=True) as db:
        for other in others:
            for statement in (
                f"SET ROLE {prefix}_{other}",
                f"GRANT {prefix}_{other} TO SESSION_USER",
                f"SET SESSION AUTHORIZATION {prefix}_{other}",
                f"ALTER ROLE {prefix}_{other} LOGIN",
                f"DROP ROLE {prefix}_{other}",
                f"REASSIGN OWNED BY {prefix}_{other} TO SESSION_USER",
                f"DROP OWNED BY {prefix}_{other}",
            ):
                with pytest.raises(pg.InsufficientPrivilege):
                    db.execute(statement.encode())
        for statement in ("CREATE SCHEMA mine", "CREATE ROLE mine", "SET session_replication_role = replica"):
            with pytest.raises(pg.InsufficientPrivilege):
                db.execute(statement.encode())


def test_everybody_else_has_nothing(live_shop: Shop) -> None:
    public = live_shop.read(
        "SELECT acl.privilege_type FROM pg_class, aclexplode(relacl) AS acl WHERE acl.grantee = 0"
        " AND relnamespace IN ('serving'::regnamespace, 'serving_storage'::regnamespace)"
        " UNION ALL SELECT acl.privilege_type FROM pg_proc,"
        " aclexplode(coalesce(proacl, acldefault('f', proowner))) AS acl WHERE acl.grantee = 0"
        " AND pronamespace IN ('serving'::regnamespace, 'serving_storage'::regnamespace)"
        " UNION ALL SELECT acl.privilege_type FROM pg_namespace, aclexplode(nspacl) AS acl"
        " WHERE acl.grantee = 0 AND nspname LIKE 'serving%'",
        "",
    )
    assert public == []


def test_all_in_the_schema_is_the_owners_and_all_beneath_the_publishers(live_shop: Shop) -> None:
    prefix = live_shop.settings.serving.role_prefix
    rows = live_shop.read(
        "SELECT nspname::text, relname::text, relowner::regrole::text FROM pg_class"
        " JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname LIKE 'serving%'"
        " UNION ALL SELECT nspname, proname, proowner::regrole::text FROM pg_proc"
        " JOIN pg_namespace ON pg_namespace.oid = pronamespace WHERE nspname LIKE 'serving%'"
        " UNION ALL SELECT nspname, '', nspowner::regrole::text FROM pg_namespace"
        " WHERE nspname LIKE 'serving%'",
        "",
    )
    assert {row[1] for row in rows} >= {
        *VIEWS,
        *STORED,
        "blocked_items",
        "recommend",
        "recommend_from",
        "fill_up",
        "reason_in_words",
        "is_blocked",
        "explain",
        "put_live",
        "",
    }
    owners = {"serving": f"{prefix}_owner", "serving_storage": f"{prefix}_publisher"}
    assert [row for row in rows if owners[row[0]] != row[2]] == []


def test_grants_survive_publications_rollbacks_and_migrating_again(live_shop: Shop) -> None:
    before = live_shop.read(GRANTS, "")
    for day in (2, 3):
        live_shop.publish(live_shop.night(day))
    rollback(live_shop.url, live_shop.settings, say=live_shop.said.append)
    migrate(live_shop.url, live_shop.settings, say=live_shop.said.append)
    assert live_shop.read(GRANTS, "") == before


def test_two_shops_in_one_database_do_not_touch_each_other(
    live_shop: Shop, new_shop: Callable[..., Shop]
) -> None:
    other = new_shop(url=live_shop.url, schema="other")
    other.publish(other.night(1, {1: [91]}))
    before, theirs = live_shop.lists(), "SELECT item_id FROM other.recommendations"
    with other.connect("operator") as db:
        db.execute("INSERT INTO other.blocked_items (item_id, reason) VALUES (11, 'theirs')")
        for query in ("SELECT * FROM serving.recommendations", "DELETE FROM serving.blocked_items"):
            with pytest.raises(pg.InsufficientPrivilege):
                db.execute(query.encode())
    for role in ("reader", "operator", "publisher", "owner"):
        with pytest.raises(pg.InsufficientPrivilege):
            live_shop.read(theirs, role)
    assert live_shop.lists() == before
    assert live_shop.read("SELECT item_id FROM serving.recommend(1, 1)") == [(11,)]
    assert other.read(theirs) == [(91,)]
