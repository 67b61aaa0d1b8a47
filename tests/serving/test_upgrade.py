"""A schema of another version is refused and reset; from the first release on, upgrades lead on from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from pipeline.errors import ServingError
from pipeline.retention.forget import forget
from pipeline.serving import (
    migrate,
    publication,
    publications,
    publish,
    read_live,
    refuse,
    release,
    rollback,
    schema,
)
from pipeline.serving.forgotten import read_forgotten, remember
from tests.serving.nights import ABOUT, Shop, as_of, without_details

ELENA, OTTO = 1, 2
RESET = "python -m pipeline migrate --reset-serving"
NO_RECORD = "DROP TABLE serving_storage.forget_key, serving_storage.forgotten"
DOORS: dict[str, Callable[[Shop], object]] = {
    "migrate": lambda shop: migrate(shop.url, shop.settings, say=shop.said.append),
    "a night begins": lambda shop: read_live(shop.url, shop.settings),
    "publish": lambda shop: shop.publish(shop.night(3)),
    "refuse": lambda shop: refuse(shop.url, shop.settings, shop.night(3), ABOUT, say=shop.said.append),
    "rollback": lambda shop: rollback(shop.url, shop.settings, say=shop.said.append),
    "release": lambda shop: release(shop.url, shop.settings, say=shop.said.append),
    "publications": lambda shop: publications(shop.url, shop.settings),
    "forget": lambda shop: forget(
        "1", shop.settings, shop.url, Path("no-runs"), now=as_of(3), say=shop.said.append
    ),
}


def set_version(shop: Shop, version: int) -> None:
    """Record another version than the schema has."""
    with shop.connect("publisher") as db:
        db.execute("UPDATE serving_storage.schema_info SET schema_version = %s", [version])


def version_of(shop: Shop) -> int:
    return int(shop.read("SELECT schema_version FROM serving_storage.schema_info", "publisher")[0][0])


@pytest.fixture
def published(shop: Shop) -> Shop:
    """Two nights of the version as it is; the second is live."""
    for day in (1, 2):
        shop.publish(shop.night(day))
    return shop


@pytest.fixture
def older(published: Shop) -> Shop:
    """The same, recorded as made by the last version before the first release, with a forgotten user."""
    remember(published.url, published.settings, ELENA)
    set_version(published, schema.BASE - 1)
    return published


@pytest.mark.parametrize("door", DOORS)
def test_an_earlier_development_version_is_refused_with_the_command_that_resets_it(
    older: Shop, door: str
) -> None:
    before = older.lists()
    with pytest.raises(ServingError) as refused:
        DOORS[door](older)
    error = refused.value
    assert error.what == "the serving schema `serving` was made by an earlier development version"
    assert (error.found, error.promised) == (f"version {schema.BASE - 1}", f"version {schema.VERSION}")
    assert error.then.startswith(f"{RESET} (drops every publication")
    assert (version_of(older), older.lists()) == (schema.BASE - 1, before)


def test_a_login_that_may_only_publish_is_refused_for_the_version_too(
    older: Shop, new_login: Callable[[str, str], str]
) -> None:
    url = new_login(older.url, f"{older.settings.serving.role_prefix}_publisher")
    with pytest.raises(ServingError, match="an earlier development version"):
        publish(url, older.settings, older.night(3), ABOUT, say=older.said.append)


@pytest.mark.parametrize("version", [1, schema.BASE - 1, schema.VERSION, schema.VERSION + 1])
def test_a_reset_keeps_who_was_forgotten_and_the_next_night_leaves_them_out(
    published: Shop, version: int
) -> None:
    remember(published.url, published.settings, ELENA)
    before = read_forgotten(published.url, published.settings)
    query = "SELECT user_hash, forgotten_at FROM serving_storage.forgotten"
    record = published.read(query, "publisher")
    set_version(published, version)

    migrate(published.url, published.settings, say=published.said.append, reset=True)
    assert version_of(published) == schema.VERSION
    assert read_forgotten(published.url, published.settings) == before
    assert published.read(query, "publisher") == record
    assert published.read("SELECT * FROM serving.publications") == []
    assert published.publish(published.night(3)).is_live
    assert {row[0] for row in published.lists()} == {OTTO}


def test_a_version_that_could_not_forget_is_reset_too(older: Shop) -> None:
    """Versions 1 to 4 had neither table."""
    with older.connect("publisher") as db:
        db.execute(NO_RECORD)
    set_version(older, 4)
    migrate(older.url, older.settings, say=older.said.append, reset=True)
    assert read_forgotten(older.url, older.settings).hashes == frozenset()
    assert older.publish(older.night(3)).is_live


def test_a_reset_that_fails_leaves_everything_as_it_was(
    older: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = older.lists()
    broken = tmp_path / "9_broken.sql"
    broken.write_text("SELECT 1 / 0;")
    monkeypatch.setattr(schema, "FILES", (*schema.FILES, broken))
    with pytest.raises(ServingError, match="division by zero"):
        migrate(older.url, older.settings, say=older.said.append, reset=True)
    assert (version_of(older), older.lists()) == (schema.BASE - 1, before)
    assert len(read_forgotten(older.url, older.settings).hashes) == 1


MADE_UP = """
SET LOCAL ROLE {publisher};
ALTER TABLE {storage}.item_names ADD COLUMN brand text;
SET LOCAL ROLE {owner};
CREATE OR REPLACE VIEW {schema}.live_history AS
SELECT
    move.number, move.moved_at, move.moved_by, move.cause, move.from_version, move.to_version, move.is_held,
    move.cause = 'rollback' AS is_rollback
FROM {storage}.move;
CREATE VIEW {schema}.brands AS SELECT names.item_id, names.brand FROM {storage}.item_names AS names;
GRANT SELECT ON {schema}.brands TO {reader};
"""


@pytest.fixture
def add_upgrade(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """`add_upgrade(text)`: a later release, with one more file in sql/serving/upgrades/."""

    def add(text: str) -> None:
        path = tmp_path / f"{schema.VERSION + 1:03}_made_up.sql"
        path.write_text(text, encoding="utf-8")
        monkeypatch.setattr(schema, "UPGRADES", (*schema.UPGRADES, path))
        monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)

    return add


def test_a_database_of_the_version_before_the_upgrades_keeps_all_that_is_stored(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(schema, "UPGRADES", ())
        before.setattr(schema, "VERSION", schema.BASE)
        before.setattr(publication, "KINDS", without_details())
        for day in (1, 2):
            shop.publish(shop.night(day))
        remember(shop.url, shop.settings, ELENA)
    assert version_of(shop) == schema.BASE
    lists, forgotten = shop.lists(), read_forgotten(shop.url, shop.settings)
    assert shop.publish(shop.night(3)).is_live
    assert version_of(shop) == schema.VERSION
    assert read_forgotten(shop.url, shop.settings) == forgotten
    assert shop.lists() == [row for row in lists if row[0] != ELENA]
    rollback(shop.url, shop.settings, to=1, say=shop.said.append)
    assert shop.lists() == lists


def test_what_was_published_before_baskets_serves_them_and_what_apps_built_stays(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 9 puts another recommend() beside the first and replaces explain() where it stands."""
    beside = {"also_bought": {11: [12]}, "names": {11: ("BANANAS", "fruit")}}
    grants = "SELECT proacl::text FROM pg_proc WHERE oid = 'serving.recommend(bigint, integer)'::regprocedure"
    with monkeypatch.context() as before:
        before.setattr(schema, "UPGRADES", schema.UPGRADES[: 8 - schema.BASE])
        before.setattr(schema, "VERSION", 8)
        before.setattr(publication, "KINDS", without_details())
        for day in (1, 2):
            shop.publish(shop.night(day, **beside))
    assert version_of(shop) == 8
    with shop.connect("owner") as db:
        db.execute("GRANT EXECUTE ON FUNCTION serving.recommend(bigint, integer) TO PUBLIC")
        db.execute("CREATE VIEW serving.start_page AS SELECT item_id FROM serving.recommend(1, 2)")
    asked = "SELECT * FROM serving.recommend(1, 20)", "SELECT serving.explain(1, 11)", grants
    answers = [shop.read(query, "owner") for query in asked]
    migrate(shop.url, shop.settings, say=shop.said.append)
    assert version_of(shop) == schema.VERSION
    assert [shop.read(query, "owner") for query in asked] == answers
    assert shop.read("SELECT * FROM serving.start_page", "owner") == [(11,), (12,)]
    query = "SELECT item_id, reason, because_item_id, version FROM serving.recommend_from('{11}', 1)"
    assert shop.read(query) == [(12, "bought_together", 11, 2)]
    rollback(shop.url, shop.settings, to=1, say=shop.said.append)
    assert shop.read(query) == [(12, "bought_together", 11, 1)]
    assert shop.read("SELECT * FROM serving.items") == [(11, "BANANAS", "fruit", 1)]
    assert shop.read("SELECT item_id, source FROM serving.recommend(1, 9, 'fruit')") == [(11, "personal")]


def test_upgrades_are_numbered_by_the_version_that_they_make() -> None:
    assert [int(path.name[:3]) for path in schema.UPGRADES] == list(
        range(schema.BASE + 1, schema.VERSION + 1)
    )


def test_an_upgrade_keeps_the_live_publication_and_the_grants(
    published: Shop, add_upgrade: Callable[[str], None]
) -> None:
    with published.connect("owner") as db:
        db.execute("GRANT USAGE ON SCHEMA serving TO PUBLIC")
        db.execute("GRANT SELECT ON serving.live_history TO PUBLIC")
    grants = "SELECT relacl::text FROM pg_class WHERE oid = 'serving.live_history'::regclass"
    before = published.lists(), published.read(grants, "")
    add_upgrade(MADE_UP)
    migrate(published.url, published.settings, say=published.said.append)
    assert published.said[-1] == f"serving schema `serving` is at version {schema.VERSION}"
    assert (published.lists(), published.read(grants, "")) == before
    assert published.read("SELECT is_rollback FROM serving.live_history") == [(False,), (False,)]
    assert read_live(published.url, published.settings)["version"] == 2
    published.said.clear()
    migrate(published.url, published.settings, say=published.said.append)
    assert published.said == []


@pytest.mark.parametrize("door", ["publish", "a night begins", "forget"])
def test_a_night_upgrades_by_itself(published: Shop, add_upgrade: Callable[[str], None], door: str) -> None:
    add_upgrade(MADE_UP)
    DOORS[door](published)
    assert version_of(published) == schema.VERSION
    assert published.read("SELECT * FROM serving.brands") == []


def test_a_rollback_asks_for_the_upgrade_first(published: Shop, add_upgrade: Callable[[str], None]) -> None:
    add_upgrade(MADE_UP)
    with pytest.raises(ServingError, match="older release") as refused:
        rollback(published.url, published.settings, say=published.said.append)
    assert refused.value.then == "python -m pipeline migrate (upgrades it in place)"


def test_a_new_database_gets_the_schema_and_its_upgrades_in_order(
    shop: Shop, add_upgrade: Callable[[str], None]
) -> None:
    add_upgrade(MADE_UP)
    add_upgrade("SET LOCAL ROLE {owner}; COMMENT ON VIEW {schema}.brands IS 'What an item is sold as.';")
    migrate(shop.url, shop.settings, say=shop.said.append)
    assert version_of(shop) == schema.VERSION
    assert shop.read("SELECT obj_description('serving.brands'::regclass)") == [("What an item is sold as.",)]


def test_an_upgrade_that_fails_leaves_the_old_schema_serving(
    published: Shop, add_upgrade: Callable[[str], None]
) -> None:
    before = published.lists()
    add_upgrade(MADE_UP + "SELECT 1 / 0;")
    with pytest.raises(ServingError, match="division by zero"):
        migrate(published.url, published.settings, say=published.said.append)
    assert (version_of(published), published.lists()) == (schema.VERSION - 1, before)
    with pytest.raises(psycopg.errors.UndefinedTable):
        published.read("SELECT * FROM serving.brands")
    schema.UPGRADES[-1].write_text(MADE_UP, encoding="utf-8")
    migrate(published.url, published.settings, say=published.said.append)
    assert (version_of(published), published.lists()) == (schema.VERSION, before)
