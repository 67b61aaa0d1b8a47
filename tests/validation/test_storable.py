"""pipeline/validation/storable.py, held against a real PostgreSQL: what it says is what the server does."""

from __future__ import annotations

import random
import string
from collections.abc import Callable

import psycopg
import pyarrow as pa
import pytest

from pipeline.databases.embedded import Server
from pipeline.validation.storable import MOST_BYTES, SHOWN, unstorable
from tests.encodings import database_in

LETTERS = string.ascii_letters + string.digits
ENCODINGS = ("LATIN1", "LATIN9", "WIN1252", "KOI8R", "SQL_ASCII", "UTF8")
VALUES = ("plain", "é", "€", "ф", "日本", "\x80")


def refused(name: str, *values: str, encoding: str = "UTF8") -> list[dict[str, object]]:
    batch = pa.record_batch({"name": [name] * len(values), "value": list(values)})
    rows: list[dict[str, object]] = unstorable([batch], encoding).to_pylist()
    return rows


def random_text(length: int) -> str:
    """Text that no compression makes shorter by much."""
    draw = random.Random(1)
    return "".join(draw.choice(LETTERS) for _ in range(length))


def test_a_key_has_as_many_bytes_as_an_index_of_the_server_holds(new_database: Callable[[], str]) -> None:
    longest = random_text(MOST_BYTES)
    with psycopg.connect(new_database()) as db:
        db.execute("CREATE TABLE lists (version bigint, id text, PRIMARY KEY (version, id))")
        db.execute("INSERT INTO lists VALUES (1, %s)", [longest])
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            db.execute("INSERT INTO lists VALUES (1, %s)", [f"{longest}x"])
    assert refused("item_id", longest) == []
    [row] = refused("item_id", f"{longest}x")
    assert (row["n_bytes"], len(str(row["value"]))) == (MOST_BYTES + 1, SHOWN)
    assert "2,684 bytes" in str(row["why"])


@pytest.mark.parametrize("name", ["user_id", "item_id", "category"])
def test_bytes_are_counted_not_characters(name: str) -> None:
    assert refused(name, "é" * (MOST_BYTES // 2)) == []
    assert len(refused(name, "é" * (MOST_BYTES // 2 + 1))) == 1


def test_a_name_is_no_key_and_loses_its_nul_on_the_way() -> None:
    assert refused("name", "x" * 100_000, "a\0b") == []
    [row] = refused("category", "a\0b")
    assert (row["value"], "NUL" in str(row["why"])) == (r"a\x00b", True)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_an_encoding_lacks_is_what_the_server_refuses(server: Server, encoding: str) -> None:
    with (
        database_in(server, encoding) as url,
        psycopg.connect(url, autocommit=True, client_encoding="utf8") as db,
    ):
        taken = [value for value in VALUES if stores(db, value)]
    wrong = refused("name", *VALUES, encoding=encoding)
    assert [row["value"] for row in wrong] == [
        ascii(v)[1:-1] if v == "\x80" else v for v in VALUES if v not in taken
    ]
    assert all("ENCODING 'UTF8'" in str(row["why"]) and encoding in str(row["why"]) for row in wrong)


def stores(db: psycopg.Connection[tuple[object, ...]], value: str) -> bool:
    try:
        db.execute("SELECT %s::text", [value])
    except psycopg.errors.UntranslatableCharacter:
        return False
    return True


def test_an_encoding_that_nobody_knows_here_is_left_to_the_server() -> None:
    assert refused("name", "日本", encoding="MULE_INTERNAL") == []
