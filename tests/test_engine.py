from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from pipeline.engine import connect
from pipeline.errors import DiskFull


def sort(spill: Path, room: str) -> None:
    with connect(0.05, 1, spill) as db:
        db.execute(f"SET max_temp_directory_size = '{room}'")
        db.execute("CREATE TABLE t AS SELECT hash(n)::VARCHAR AS x FROM range(2_000_000) r(n) ORDER BY x")


def test_a_sort_that_finds_no_room_to_spill_is_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(DiskFull, match="room to spill") as refused:
        sort(tmp_path, "1MB")
    assert refused.value.can_retry
    assert "memory_limit_gb" in refused.value.then


def test_a_file_that_is_not_there_is_no_full_disk(tmp_path: Path) -> None:
    with pytest.raises(duckdb.IOException), connect() as db:
        db.execute("SELECT * FROM read_parquet($path)", {"path": str(tmp_path / "none.parquet")})
