from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import engine
from pipeline.config import ROOT
from pipeline.engine import connect
from pipeline.environment import child_environment
from pipeline.errors import DiskFull, SettingsError


def sort(spill: Path, room: str) -> None:
    with connect(0.05, 1, spill) as db:
        db.execute(f"SET max_temp_directory_size = '{room}'")
        db.execute("CREATE TABLE t AS SELECT hash(n)::VARCHAR AS x FROM range(2_000_000) r(n) ORDER BY x")


def test_a_sort_that_finds_no_room_to_spill_is_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(DiskFull, match="room to spill") as refused:
        sort(tmp_path, "1MB")
    assert refused.value.can_retry
    assert "memory_limit_gb" in refused.value.then


NAMES = [
    "a[1]",
    "a?",
    "a*",
    "'a\"",
    "100%20 #1",
    "-a",
    "ü 日本",
    "{a,b}",
    "user_id=5",
    "a]",
    "~",
    "$HOME",
    "a\nb",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_path_names_one_file_and_no_column(tmp_path: Path, name: str) -> None:
    """Beside it lie files whose names its own would match as a pattern."""
    for number, each in enumerate((name, "a1", "ab", "b")):
        (tmp_path / each).mkdir()
        pq.write_table(pa.table({"n": [number]}), tmp_path / each / f"{each}.parquet")
    with engine.connect(0.05, 1, tmp_path / name / "spill") as db:
        engine.view(db, "one", tmp_path / name / f"{name}.parquet")
        assert db.sql("FROM one").fetchall() == [(0,)]
        engine.view(db, "two", tmp_path / name / f"{name}.parquet", tmp_path / "a1" / "a1.parquet")
        assert db.sql("FROM two").fetchall() == [(0,), (1,)]
        db.execute("CREATE TABLE t AS SELECT hash(n)::VARCHAR AS x FROM range(900_000) r(n) ORDER BY x")
        assert list((tmp_path / name / "spill").iterdir())


@pytest.mark.parametrize("name", ["a\\b", "a\udcffb"])
def test_a_path_that_it_cannot_open_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="cannot open"):
        engine.parquet(tmp_path / name)
    with pytest.raises(SettingsError, match="cannot open"), connect(spill=tmp_path / name):
        pass


def test_a_file_that_is_not_there_is_no_full_disk(tmp_path: Path) -> None:
    with pytest.raises(duckdb.IOException), connect() as db:
        db.execute("SELECT * FROM read_parquet($path)", {"path": str(tmp_path / "none.parquet")})


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_the_first_and_the_last_moment_come_out_whatever_the_zone_of_the_machine(zone: str) -> None:
    """In a zone of its own the machine would see one of them in the year 0, or in the year 10,000."""
    times = ("0001-01-01 00:00:00+00", "9999-12-31 23:59:59+00")
    code = f"""
from pipeline import engine
with engine.connect() as db:
    for text in {times!r}:
        row = db.execute("SELECT CAST($1 AS TIMESTAMPTZ) AS t", [text]).to_arrow_table().to_pylist()[0]
        print(row["t"].isoformat())
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=child_environment(without="TZ", TZ=zone),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"], done.stderr
