"""A serving schema of the first release, upgraded in place under its live publication."""

from __future__ import annotations

import hashlib

import pytest

from pipeline.errors import ServingError
from pipeline.serving import migrate, read_live, rollback, schema
from pipeline.serving.names import FOLDER
from tests.serving.nights import Shop, as_of

FIRST = schema.MIGRATIONS[:2]
RELEASED = {
    "001_storage": "92c3eee781b31c5725ecb19d6a140a30c51205cd032e3e62de255f8afcba81fc",
    "002_views": "f69f8996f64abf093ba10fd02afe0f9741123b0c6c54b8d689d0360b14aeb4a9",
    "003_rollback": "cb08f1cf65a9e1b6ca4b894518fa30b059d66ae91cf39e14318c56089f3460a4",
    "004_shelf": "91c08d045986efa50c037c47e1d7ad14414d6f94a8c47b3e814dadcb750d6f7d",
    "005_forget": "d628e774da45e32770f21e79c0b43e1bab5444bc4255ab1b7155b4f01a6da0f2",
}
PUBLISHED = """
    INSERT INTO serving_storage.publication
        (version, run_id, status, as_of, published_at, n_users, n_items, n_recommendations, precision_at_3,
         repeat_purchases, lists_sha256, params, decision, dropped_at)
    VALUES (nextval('serving_storage.version_number'), %s, 'published', %s, %s, 1, 2, 2, 0.25,
            'exclude', %s, '{}', '{}', %s)
"""
LISTS = (
    "INSERT INTO serving_storage.user_lists VALUES"
    " (%s, 1, '{11,12}', '{1,0.5}', '{bought_again,NULL}', '{11,NULL}')",
    "INSERT INTO serving_storage.popular_lists VALUES (%s, 'all', '{11,15,16}', '{3,2,1}')",
    "INSERT INTO serving_storage.similar_lists VALUES (%s, 11, '{12}', '{0.9}')",
)


@pytest.fixture
def old(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Made by the first release's migrations: version 1 is dropped, 2 stored, 3 live."""
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", FIRST)
        patch.setattr(schema, "VERSION", 2)
        patch.setattr(schema, "ROLES", schema.ROLES[:3])
        migrate(shop.url, shop.settings, say=shop.said.append)
    with shop.connect("publisher") as db:
        for day in (1, 2, 3):
            gone = as_of(day) if day == 1 else None
            db.execute(PUBLISHED, [f"night-{day}", as_of(day), as_of(day), f"sha{day}", gone])
            if not gone:
                for statement in LISTS:
                    db.execute(statement.encode(), [day])
        db.execute("UPDATE serving_storage.live SET version = 3, max_n = 200")
    return shop


@pytest.mark.parametrize(("name", "sha256"), RELEASED.items())
def test_a_released_migration_never_changes(name: str, sha256: str) -> None:
    assert hashlib.sha256((FOLDER / f"{name}.sql").read_bytes()).hexdigest() == sha256


def test_the_live_publication_outlives_the_upgrade(old: Shop) -> None:
    before = old.lists()
    assert before == [(1, 1, 11), (1, 2, 12)]
    migrate(old.url, old.settings, say=old.said.append)
    assert old.lists() == before
    assert old.read("SELECT user_id, rank, item_id FROM serving.on_shelf") == before
    rows = old.read("SELECT rank, item_id, source, version FROM serving.recommend(1, 3)")
    assert rows == [(1, 11, "personal", 3), (2, 12, "personal", 3), (3, 15, "popular", 3)]
    assert read_live(old.url, old.settings)["version"] == 3


def test_grants_given_before_still_hold(old: Shop) -> None:
    with old.connect("owner") as db:
        db.execute("GRANT USAGE ON SCHEMA serving TO PUBLIC")
        db.execute("GRANT SELECT ON serving.recommendations, serving.publications TO PUBLIC")
        db.execute("GRANT EXECUTE ON FUNCTION serving.recommend(bigint, integer) TO PUBLIC")
    acl = (
        "SELECT relname::text, relacl::text FROM pg_class"
        " WHERE oid IN ('serving.recommendations'::regclass, 'serving.publications'::regclass)"
    )
    before = {name: set(told.strip("{}").split(",")) for name, told in old.read(acl, "")}
    migrate(old.url, old.settings, say=old.said.append)
    after = {name: set(told.strip("{}").split(",")) for name, told in old.read(acl, "")}
    assert all(before[name] <= after[name] for name in before)


def test_the_next_night_upgrades_by_itself_and_can_be_taken_back(old: Shop) -> None:
    made = old.publish(old.night(4))
    assert (made.version, made.is_live) == (4, True)
    assert f"serving schema `serving` is at version {schema.VERSION}" in old.said
    assert rollback(old.url, old.settings, say=old.said.append).live_version == 3
    assert old.lists() == [(1, 1, 11), (1, 2, 12)]


def test_what_was_live_at_the_upgrade_knows_what_came_before_it(old: Shop) -> None:
    migrate(old.url, old.settings, say=old.said.append)
    assert rollback(old.url, old.settings, say=old.said.append).live_version == 2


def test_an_upgrade_that_fails_leaves_the_old_schema_serving(
    old: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = schema.text_of

    def broken(name: str) -> str:
        return real(name) + ("\nSELECT 1 / 0;" if name == schema.MIGRATIONS[-1] else "")

    with monkeypatch.context() as patch:
        patch.setattr(schema, "text_of", broken)
        with pytest.raises(ServingError, match="division by zero"):
            migrate(old.url, old.settings, say=old.said.append)
    assert old.read("SELECT schema_version FROM serving_storage.schema_info", "publisher") == [(2,)]
    assert old.lists() == [(1, 1, 11), (1, 2, 12)]
    migrate(old.url, old.settings, say=old.said.append)
    assert old.read("SELECT schema_version FROM serving_storage.schema_info", "publisher") == [
        (schema.VERSION,)
    ]


def test_a_rollback_asks_for_the_upgrade_first(old: Shop) -> None:
    with pytest.raises(ServingError, match="older release"):
        rollback(old.url, old.settings, say=old.said.append)
