"""Who may do what: the forbidden things are tried."""

from __future__ import annotations

import pytest
from psycopg import errors as pg

from tests.serving.nights import Shop

VIEWS = ("recommendations", "popular_items", "similar_items", "publications")
GRANTS = """
    SELECT relname::text, relowner::regrole::text, relacl::text FROM pg_class
    WHERE relnamespace IN ('serving'::regnamespace, 'serving_storage'::regnamespace)
    UNION ALL SELECT proname, proowner::regrole::text, proacl::text FROM pg_proc
    WHERE pronamespace IN ('serving'::regnamespace, 'serving_storage'::regnamespace)
    UNION ALL SELECT nspname, nspowner::regrole::text, nspacl::text FROM pg_namespace
    WHERE nspname LIKE 'serving%' ORDER BY 1
"""
READER_MAY_NOT = (
    "SELECT * FROM serving_storage.user_lists",
    "SELECT * FROM serving_storage.live",
    "SELECT * FROM serving_storage.publication",
    "SELECT serving_storage.has_no_repeats('{1}'::bigint[])",
    "SELECT nextval('serving_storage.version_number')",
    "UPDATE serving_storage.live SET version = 1",
    "DELETE FROM serving_storage.user_lists",
    "INSERT INTO serving.recommendations (user_id) VALUES (1)",
    "UPDATE serving.publications SET run_id = 'mine'",
    "DELETE FROM serving.publications",
    "DROP VIEW serving.recommendations",
    "CREATE TABLE serving.mine (a integer)",
    "CREATE OR REPLACE VIEW serving.recommendations AS SELECT 1 AS user_id",
    "CREATE TABLE serving_storage.mine (a integer)",
    "DROP SCHEMA serving_storage CASCADE",
)
PUBLISHER_MAY_NOT = (
    "SELECT * FROM serving.recommendations",
    "DELETE FROM serving.publications",
    "DROP VIEW serving.recommendations",
    "CREATE TABLE serving.mine (a integer)",
    "ALTER VIEW serving.recommendations RENAME TO mine",
    "DROP FUNCTION serving.recommend(bigint, integer)",
    "GRANT SELECT ON serving.recommendations TO PUBLIC",
    "DROP SCHEMA serving CASCADE",
)
OWNER_MAY_NOT = (
    "UPDATE serving_storage.live SET version = 1",
    "DELETE FROM serving_storage.user_lists",
    "DROP TABLE serving_storage.user_lists CASCADE",
)


@pytest.fixture
def live_shop(shop: Shop) -> Shop:
    shop.publish(shop.night(1))
    return shop


def test_the_reader_reads_what_is_promised(live_shop: Shop) -> None:
    for view in VIEWS:
        assert live_shop.read(f"SELECT count(*) > 0 FROM serving.{view}") == [(True,)]
    assert live_shop.read("SELECT count(*) FROM serving.recommend(1, 3)") == [(3,)]


@pytest.mark.parametrize(
    ("role", "statements"),
    [("reader", READER_MAY_NOT), ("publisher", PUBLISHER_MAY_NOT), ("owner", OWNER_MAY_NOT)],
)
def test_the_forbidden_is_refused(live_shop: Shop, role: str, statements: tuple[str, ...]) -> None:
    with live_shop.connect(role) as db:
        for statement in statements:
            with pytest.raises((pg.InsufficientPrivilege, pg.ObjectNotInPrerequisiteState)):
                db.execute(statement.encode())
    assert len(live_shop.lists()) == 5


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


def test_views_and_function_belong_to_the_owner_tables_to_the_publisher(live_shop: Shop) -> None:
    prefix = live_shop.settings.serving.role_prefix
    owners = {row[0]: row[1] for row in live_shop.read(GRANTS, "")}
    for name in (*VIEWS, "recommend", "serving"):
        assert owners[name] == f"{prefix}_owner", name
    for name in ("user_lists", "live", "publication", "has_no_repeats", "serving_storage"):
        assert owners[name] == f"{prefix}_publisher", name


def test_grants_survive_publications(live_shop: Shop) -> None:
    before = live_shop.read(GRANTS, "")
    for day in (2, 3):
        live_shop.publish(live_shop.night(day))
    assert live_shop.read(GRANTS, "") == before
