"""The promised names, columns, types and comments, each defined once; never made over another's schema."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256

import psycopg
import pytest
from sqlalchemy import make_url

from pipeline.databases.embedded import Server
from pipeline.errors import ServingError, SettingsError
from pipeline.serving import migrate, publish
from pipeline.serving.schema import BASE, FILES, VERSION
from tests.serving.nights import ABOUT, Shop

TYPES = {"integer": "bigint", "text": "text", "uuid": "uuid"}
USER, ITEM = "user", "item"
PROMISED = {
    "recommendations": [
        ("user_id", USER),
        ("rank", "integer"),
        ("item_id", ITEM),
        ("score", "double precision"),
        ("reason", "text"),
        ("because_item_id", ITEM),
        ("version", "bigint"),
    ],
    "popular_items": [
        ("category", "text"),
        ("rank", "integer"),
        ("item_id", ITEM),
        ("score", "double precision"),
        ("version", "bigint"),
    ],
    "similar_items": [
        ("item_id", ITEM),
        ("rank", "integer"),
        ("similar_item_id", ITEM),
        ("score", "double precision"),
        ("version", "bigint"),
    ],
    "publications": [
        ("version", "bigint"),
        ("run_id", "text"),
        ("status", "text"),
        ("as_of", "timestamp with time zone"),
        ("published_at", "timestamp with time zone"),
        ("is_live", "boolean"),
        ("n_users", "bigint"),
        ("n_items", "bigint"),
        ("precision_at_3", "double precision"),
        ("params", "jsonb"),
        ("decision", "jsonb"),
        ("is_stored", "boolean"),
        ("is_held_back", "boolean"),
    ],
    "live_history": [
        ("number", "bigint"),
        ("moved_at", "timestamp with time zone"),
        ("moved_by", "text"),
        ("cause", "text"),
        ("from_version", "bigint"),
        ("to_version", "bigint"),
        ("is_held", "boolean"),
    ],
    "on_shelf": [
        ("user_id", USER),
        ("rank", "integer"),
        ("item_id", ITEM),
        ("score", "double precision"),
        ("reason", "text"),
        ("because_item_id", ITEM),
        ("version", "bigint"),
    ],
    "also_bought": [
        ("item_id", ITEM),
        ("rank", "integer"),
        ("also_bought_item_id", ITEM),
        ("support", "double precision"),
        ("lift", "double precision"),
        ("version", "bigint"),
    ],
    "model_order": [
        ("user_id", USER),
        ("model_rank", "integer"),
        ("item_id", ITEM),
        ("rank", "integer"),
        ("version", "bigint"),
    ],
    "popular_in_segment": [
        ("segment", "integer"),
        ("rank", "integer"),
        ("item_id", ITEM),
        ("score", "double precision"),
        ("version", "bigint"),
    ],
    "user_segments": [
        ("user_id", USER),
        ("segment", "integer"),
        ("version", "bigint"),
    ],
    "items": [
        ("item_id", ITEM),
        ("name", "text"),
        ("category", "text"),
        ("version", "bigint"),
    ],
    "shop": [
        ("schema_version", "integer"),
        ("user_id_type", "text"),
        ("item_id_type", "text"),
        ("max_n", "integer"),
        ("version", "bigint"),
    ],
    "blocked_items": [
        ("item_id", ITEM),
        ("reason", "text"),
        ("until", "timestamp with time zone"),
        ("blocked_at", "timestamp with time zone"),
        ("blocked_by", "text"),
    ],
}
COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), col_description(c.oid, a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relnamespace = 'serving'::regnamespace AND c.relkind IN ('r', 'v') ORDER BY c.relname, a.attnum
"""


@pytest.mark.parametrize("ids", [("integer", "integer"), ("text", "uuid"), ("uuid", "text")])
def test_views_have_the_promised_columns(new_shop: Callable[..., Shop], ids: tuple[str, str]) -> None:
    shop = new_shop(ids={"user": ids[0], "item": ids[1]})
    migrate(shop.url, shop.settings, say=shop.said.append)
    by_view: dict[str, list[tuple[str, str]]] = {}
    for view, column, kind, _ in shop.read(COLUMNS):
        by_view.setdefault(view, []).append((column, kind))
    types = {USER: TYPES[ids[0]], ITEM: TYPES[ids[1]]}
    assert by_view == {
        view: [(column, types.get(kind, kind)) for column, kind in columns]
        for view, columns in PROMISED.items()
    }


LISTS = {
    "recommend(text, integer)": "user_id text, n integer DEFAULT 10",
    "recommend(text, integer, text)": "user_id text, n integer, category text",
    "recommend_from(uuid[], integer)": "item_ids uuid[], n integer DEFAULT 10",
}
FUNCTIONS = (
    *LISTS,
    *("fill_up", "fill_from_segment", "is_blocked"),
    *["reason_in_words"] * 2,
    *("explain", "rollback", "release"),
)


@pytest.mark.parametrize("function", LISTS)
def test_functions_of_lists_are_stable_parallel_safe_and_typed(
    new_shop: Callable[..., Shop], function: str
) -> None:
    shop = new_shop(ids={"user": "text", "item": "uuid"})
    migrate(shop.url, shop.settings, say=shop.said.append)
    [row] = shop.read(
        "SELECT pg_get_function_arguments(oid), pg_get_function_result(oid), provolatile, proparallel,"
        f" prosecdef, proconfig FROM pg_proc WHERE oid = 'serving.{function}'::regprocedure"
    )
    assert row == (
        LISTS[function],
        "TABLE(rank integer, item_id uuid, score double precision, source text, reason text,"
        " because_item_id uuid, version bigint)",
        "s",
        "s",
        True,
        ["search_path=pg_catalog, pg_temp", "plan_cache_mode=force_generic_plan", "enable_seqscan=off"],
    )


def test_everything_an_app_sees_has_a_comment(shop: Shop) -> None:
    migrate(shop.url, shop.settings, say=shop.said.append)
    assert [row for row in shop.read(COLUMNS) if not row[3]] == []
    others = shop.read(
        "SELECT relname::text, obj_description(oid, 'pg_class') FROM pg_class"
        " WHERE relnamespace = 'serving'::regnamespace AND relkind IN ('r', 'v')"
        " UNION ALL SELECT proname, obj_description(oid, 'pg_proc') FROM pg_proc"
        " WHERE pronamespace = 'serving'::regnamespace"
        " UNION ALL SELECT 'schema', obj_description('serving'::regnamespace, 'pg_namespace')"
    )
    assert len(others) == len(PROMISED) + len(FUNCTIONS) + len(("schema",))
    assert [name for name, comment in others if not comment] == []


def test_files_that_change_what_they_make_raise_the_version() -> None:
    """So that a database of the files as they were is refused, or upgraded, and not written to.

    Until the first release: raise BASE, then write the new pair here. From then on the files are frozen.
    """
    statements = [re.sub(r"--.*", "", path.read_text(encoding="utf-8")).split() for path in FILES]
    assert (BASE, sha256(repr(statements).encode()).hexdigest()[:12]) == (7, "16877f47d76b")


def test_the_files_define_each_object_once_and_in_its_final_form() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in FILES)
    objects = re.findall(r"^CREATE (?:TABLE|VIEW|FUNCTION|SEQUENCE|INDEX) (\S+?)[ (;]", text, re.MULTILINE)
    assert len(objects) == len(re.findall(r"^CREATE", text, re.MULTILINE)) == len(set(objects))
    comments = re.findall(r"^COMMENT ON (.+?) IS", text, re.MULTILINE)
    assert len(comments) == len(set(comments))
    assert {path.name[:2] for path in FILES} == {f"{n}_" for n in range(1, len(FILES) + 1)}
    changed = re.findall(r"^ALTER TABLE \S+((?:\s+ALTER \w+ SET STATISTICS 0,?)+);", text, re.MULTILINE)
    assert len(changed) == len(re.findall(r"^ALTER", text, re.MULTILINE))


def test_migrating_again_changes_nothing(shop: Shop) -> None:
    migrate(shop.url, shop.settings, say=shop.said.append)
    assert f"serving schema `serving` is at version {VERSION}" in shop.said
    shop.publish(shop.night(1))
    shop.said.clear()
    migrate(shop.url, shop.settings, say=shop.said.append)
    assert shop.said == []
    assert len(shop.lists()) == 5


def test_other_id_types_are_refused_until_reset(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop()
    shop.publish(shop.night(1))
    prefix = shop.settings.serving.role_prefix
    other = new_shop(url=shop.url, ids={"user": "text"}, role_prefix=prefix)
    with pytest.raises(ServingError, match="ids of other types") as refused:
        migrate(other.url, other.settings, say=other.said.append)
    assert refused.value.found == "user integer, item integer"
    assert "user text, item integer" in refused.value.promised
    assert "python -m pipeline migrate --reset-serving" in refused.value.then
    assert len(shop.lists()) == 5

    migrate(other.url, other.settings, say=other.said.append, reset=True)
    assert other.read("SELECT * FROM serving.publications") == []
    other.publish(other.night(2, {"00123": [11]}))
    assert other.lists() == [("00123", 1, 11)]


def test_a_schema_of_somebody_else_is_left_alone(shop: Shop) -> None:
    with shop.connect() as db:
        db.execute("CREATE SCHEMA serving")
        db.execute("CREATE TABLE serving.recommendations (precious integer)")
    for reset in (False, True):
        with pytest.raises(ServingError):
            migrate(shop.url, shop.settings, say=shop.said.append, reset=reset)
    assert shop.read("SELECT * FROM serving.recommendations", "") == []
    assert shop.read("SELECT nspname FROM pg_namespace WHERE nspname = 'serving_storage'", "") == []


def test_a_schema_of_a_later_release_is_refused(shop: Shop) -> None:
    shop.publish(shop.night(1))
    with shop.connect("publisher") as db:
        db.execute("UPDATE serving_storage.schema_info SET schema_version = 999")
    with pytest.raises(ServingError, match="later release") as refused:
        shop.publish(shop.night(2))
    assert (refused.value.found, refused.value.promised) == ("version 999", f"version {VERSION}")
    assert "install that release of Nightshelf" in refused.value.then
    assert "python -m pipeline migrate --reset-serving" in refused.value.then


def test_views_that_are_gone_are_noticed(shop: Shop) -> None:
    shop.publish(shop.night(1))
    with shop.connect("owner") as db:
        db.execute("DROP SCHEMA serving CASCADE")
    with pytest.raises(ServingError, match="`serving` is not this shop's") as refused:
        shop.publish(shop.night(2))
    assert refused.value.found == "no such schema"


def test_a_login_without_rights_is_told_to_let_the_owner_migrate(
    shop: Shop, plain_login: Callable[[str], str]
) -> None:
    url = plain_login(shop.url)
    with pytest.raises(ServingError) as refused:
        publish(url, shop.settings, shop.night(1), ABOUT, say=shop.said.append)
    assert "`python -m pipeline migrate` as the owner" in refused.value.then
    assert "hush" not in str(refused.value)
    assert shop.read("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'serving%'", "") == []


def test_a_stranger_cannot_publish_into_a_schema_that_is_there(
    shop: Shop, plain_login: Callable[[str], str]
) -> None:
    shop.publish(shop.night(1))
    with pytest.raises(ServingError, match="may not act as") as refused:
        publish(plain_login(shop.url), shop.settings, shop.night(2), ABOUT, say=shop.said.append)
    assert "GRANT" in refused.value.then
    assert len(shop.lists()) == 5


def test_no_superuser_takes_part(shop: Shop) -> None:
    migrate(shop.url, shop.settings, say=shop.said.append)
    prefix = shop.settings.serving.role_prefix
    rows = shop.read(
        "SELECT rolname, rolsuper, rolcanlogin FROM pg_roles"
        f" WHERE rolname LIKE '{prefix}%' OR rolname = session_user ORDER BY rolname",
        "",
    )
    assert [row[1] for row in rows] == [False] * 5
    assert {row[0]: row[2] for row in rows}[f"{prefix}_publisher"] is False
    for role in ("owner", "publisher", "reader"):
        assert shop.read("SELECT current_user::text", role) == [(f"{prefix}_{role}",)]


@pytest.mark.parametrize("name", ['x"; DROP SCHEMA public; --', "Üser", "a b", "", "x" * 60, "1st", "UPPER"])
@pytest.mark.parametrize("setting", ["role_prefix", "schema"])
def test_hostile_names_never_get_past_the_settings(
    make_settings: Callable[..., object], setting: str, name: str
) -> None:
    with pytest.raises((SettingsError, ValueError), match=setting):
        make_settings(serving={setting: name})


@pytest.fixture
def plain_login(server: Server) -> Callable[[str], str]:
    """`plain_login(url)`: the URL of a login without rights on the same database."""

    def make(url: str) -> str:
        with psycopg.connect(server.admin_url(), autocommit=True) as db:
            db.execute("DROP ROLE IF EXISTS plain")
            db.execute("CREATE ROLE plain LOGIN PASSWORD 'hush'")
        return make_url(url).set(username="plain", password="hush").render_as_string(hide_password=False)

    return make
