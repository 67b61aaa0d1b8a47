"""`load --users FILE` with further columns: what a night reads of them, what is left out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import config, loading
from pipeline.errors import SourceError
from pipeline.loading import user_columns
from pipeline.loading.table_file import opened as opened_files
from pipeline.source import opened
from tests.source.engines import database, mariadb, of_each

__all__ = ["database", "mariadb"]

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
EVENTS = "user_id,item_id,event_type,occurred_at\n1,10,purchase,2026-01-01\n2,20,purchase,2026-01-02\n"
IDS: dict[str, Any] = {"user": "integer", "item": "integer"}
CSV = """\
user_id,segment,order,Income,plan,postcode,known_at,born on
1,gold,1,1250.5, free ,08001,2026-01-01,1990-01-01
2,,NULL,nan,paid,9000,,1991-02-02
3,,1e3,,\\N,,2026-01-02 12:00:00+01:00,
"""


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., list[str]]:
    """`load(url, users)`: the shop of EVENTS with the text or rows `users`; what was said."""
    (tmp_path / "e.csv").write_text(EVENTS, encoding="utf-8")

    def go(url: str, users: str | pa.Table | None) -> list[str]:
        file = None
        if isinstance(users, str):
            file = tmp_path / "users.csv"
            file.write_text(users, encoding="utf-8")
        elif users is not None:
            file = tmp_path / "users.parquet"
            pq.write_table(users, file)
        said: list[str] = []
        loading.load(
            "events",
            url,
            now=NOW,
            say=said.append,
            settings=config.load(),
            file=tmp_path / "e.csv",
            users=file,
        )
        return said

    return go


def stored(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """The attributes that a night reads: name -> user, value, known_at. Engines differ in capital letters."""
    rows: dict[str, list[tuple[Any, ...]]] = {}
    with opened(url, config.load().source, IDS) as source:
        further = source.further()
        assert further.left_out == ()
        for batch in source.attributes(further) if further.read else ():
            for row in batch.to_pylist():
                value = row["number"] if row["category"] is None else row["category"]
                rows.setdefault(row["name"].lower(), []).append((row["user_id"], value, row["known_at"]))
    return {name: sorted(values) for name, values in rows.items()}


@pytest.mark.parametrize("engine", of_each([("postgresql",), ("sqlite",), ("mariadb",)]))
def test_a_night_reads_the_further_columns(
    database: Callable[[str], str], load: Callable[..., list[str]], engine: str
) -> None:
    """Also under names that SQL has. A load without them takes them away."""
    url = database(engine)
    load(url, CSV)
    one, three = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, 11, tzinfo=UTC)
    assert stored(url) == {
        "order": [(1, 1.0, one), (3, 1000.0, three)],
        "income": [(1, 1250.5, one)],
        "plan": [(1, "free", one), (2, "paid", None)],
        "postcode": [(1, "08001", one), (2, "9000", None)],
    }
    load(url, "user_id,segment,known_at\n1,gold,2026-01-01\n2,,\n")
    assert stored(url) == {}
    load(url, None)
    assert stored(url) == {}


def test_a_parquet_file_keeps_its_types_and_names_what_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "users.parquet"
    rows = pa.table(
        {
            "user_id": [1, 2],
            "age": pa.array([30, None], pa.int16()),
            "score": [0.5, float("inf")],
            "is_member": [True, None],
            "plan": pa.array(["free", "paid"]).dictionary_encode(),
            "born": [date(1990, 1, 1), None],
            "tags": [["a"], []],
            "note": ["x" * 256, ""],
            "Product_ID": [1, 2],
            "full name": ["a", "b"],
        }
    )
    pq.write_table(rows, file)
    with opened_files(file) as (users,):
        columns = user_columns.further(users)
        selected = ", ".join(columns.sql.values())
        assert users.fetch(f"SELECT {selected} FROM {users.source}") == [
            (30.0, 0.5, "true", "free"),
            (None, None, None, "paid"),
        ]
        assert (list(columns.numbers), list(columns.words)) == (["age", "score"], ["is_member", "plan"])
        [note] = users.notes
    assert note == (
        "users.parquet: left out: `born` (it holds DATE), `tags` (it holds VARCHAR[]),"
        " `note` (texts of more than 255 letters), `Product_ID` (such a name is not taken over),"
        " `full name` (such a name is not taken over)"
    )


def test_a_time_that_is_none_is_refused_with_its_row(
    database: Callable[[str], str], load: Callable[..., list[str]]
) -> None:
    with pytest.raises(SourceError, match="`known_at`"):
        load(database("sqlite"), "user_id,plan,known_at\n1,free,yesterday\n")
