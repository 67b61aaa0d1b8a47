"""What the tables refuse by themselves: nonsense in the lists, and records that contradict themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from psycopg import errors as pg

from pipeline.errors import ContractBroken, ServingError
from pipeline.serving import migrate
from tests.serving.nights import Shop


def test_lists_that_the_tables_refuse_leave_nothing_behind(shop: Shop) -> None:
    shop.publish(shop.night(1))
    with pytest.raises(ContractBroken, match="refuse `similar_items`") as refused:
        shop.publish(shop.night(2, similar={11: [12, 11]}))
    assert "similar_lists_no_item_is_its_own" in refused.value.found
    assert refused.value.then == "python -m pipeline run recommend --run-id night-2"
    assert shop.versions() == [1]
    assert len(shop.lists()) == 5
    assert len(shop.read("SELECT * FROM serving.publications")) == 1


@pytest.mark.parametrize(
    ("ids", "users", "reason"),
    [
        ({"user": "uuid"}, {"x1": [11]}, 'invalid input syntax for type uuid: "x1"'),
        ({}, {1: [11, 12, 11]}, "user_lists_no_item_twice"),
    ],
)
def test_what_the_files_cannot_forbid_the_tables_do(
    new_shop: Callable[..., Shop], ids: dict[str, str], users: dict[object, list[object]], reason: str
) -> None:
    shop = new_shop(ids=ids)
    lists = {"popular": {"all": ["1"]}, "similar": {}} if ids.get("item") else {}
    with pytest.raises(ContractBroken) as refused:
        shop.publish(shop.night(1, users, **lists))
    assert reason in refused.value.found
    assert shop.read("SELECT * FROM serving.publications") == []


def test_a_text_with_nul_is_refused_in_words(new_shop: Callable[..., Shop]) -> None:
    """`validate` refuses it before; here the lists come past it."""
    shop = new_shop(ids={"item": "text"})
    with pytest.raises(ServingError, match="cannot hold a text") as refused:
        shop.publish(shop.night(1, {1: ["a\0b"]}, popular={"all": ["1"]}, similar={}))
    assert "NUL" in refused.value.promised
    assert "ENCODING" not in refused.value.then
    assert shop.read("SELECT * FROM serving.publications") == []


GOOD = {
    "user_lists": ("1", "1", "'{1,2}'", "'{2,1}'", "'{a,NULL}'", "'{1,NULL}'"),
    "popular_lists": ("1", "'all'", "'{1,2}'", "'{2,1}'"),
    "similar_lists": ("1", "9", "'{1,2}'", "'{2,1}'"),
}
NONSENSE = [
    (0, "0", "_version_is_positive"),
    (1, "NULL", "null value"),
    (2, "'{}'", "_arrays_are_of_one_length"),
    (2, "NULL", "null value"),
    (2, "'{1,1}'", "_no_item_twice"),
    (2, "'{1,NULL}'", "_no_item_"),
    (2, "'{1,2,3}'", "_arrays_are_of_one_length"),
    (2, "'[0:1]={1,2}'", "_ranks_start_at_1"),
    (2, "'{{1},{2}}'", "multidimensional"),
    (2, "'{1,x}'", "invalid input syntax for type bigint"),
    (3, "'{2,NaN}'", "_scores_are_real"),
    (3, "'{Infinity,1}'", "_scores_are_real"),
    (3, "'{2,-3.4e38}'", "_scores_are_real"),
    (3, "'{2,NULL}'", "_no_score_is_null"),
    (3, "'{2}'", "_arrays_are_of_one_length"),
    (3, "'[2:3]={2,1}'", "_ranks_start_at_1"),
]


@pytest.mark.parametrize("table", GOOD)
def test_the_tables_refuse_nonsense(shop: Shop, table: str) -> None:
    migrate(shop.url, shop.settings, say=shop.said.append)
    own = [(4, "'{a}'", "_arrays_are_of_one_length"), (5, "'[0:1]={1,2}'", "_ranks_start_at_1")]
    itself = [(1, "2", "_no_item_is_its_own")]
    extra = {"user_lists": own, "similar_lists": itself}.get(table, [])
    insert = f"INSERT INTO serving_storage.{table} VALUES ({{}})"
    with shop.connect("publisher") as db:
        for column, value, reason in NONSENSE + extra:
            values = [*GOOD[table]]
            values[column] = value
            with pytest.raises((pg.IntegrityError, pg.DataError, pg.FeatureNotSupported)) as refused:
                db.execute(insert.format(", ".join(values)).encode())
            assert reason in str(refused.value), (column, value)
        empty = [value if "{" not in value else "'{}'" for value in GOOD[table]]
        with pytest.raises(pg.CheckViolation, match="_list_is_not_empty"):
            db.execute(insert.format(", ".join(empty)).encode())
        db.execute(insert.format(", ".join(GOOD[table])).encode())
        with pytest.raises(pg.UniqueViolation):
            db.execute(insert.format(", ".join(GOOD[table])).encode())


def test_a_record_that_contradicts_itself_is_refused(shop: Shop) -> None:
    shop.publish(shop.night(1))
    with shop.connect("publisher") as db:
        for change in ("status = 'refused'", "version = NULL", "precision_at_3 = 1.5", "version = -1"):
            with pytest.raises(pg.IntegrityError):
                db.execute(f"UPDATE serving_storage.publication SET {change}".encode())
        with pytest.raises(pg.ForeignKeyViolation):
            db.execute("UPDATE serving_storage.live SET version = 77")
        with pytest.raises(pg.IntegrityError):
            db.execute("INSERT INTO serving_storage.live (is_only, max_n) VALUES (false, 1)")
