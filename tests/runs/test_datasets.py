"""Datasets in a run folder: the contract of their columns and keys, and the same bytes for the same rows."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import engine
from pipeline.config import ROOT
from pipeline.contract import stages
from pipeline.contract.datasets import DATASETS, DOCUMENTS
from pipeline.errors import (
    ContractBroken,
)
from pipeline.runs import parquet
from pipeline.runs.folder import RunFolder
from tests.shelf import day, events, give

POPULAR = pa.table(
    {
        "category": ["all", "all"],
        "rank": pa.array([1, 2], pa.int32()),
        "item_id": [5, 6],
        "score": [2.0, 1.0],
    }
)


def test_every_name_of_a_stage_is_in_the_contract_and_has_one_writer() -> None:
    for stage in stages.STAGES:
        for name in stage.writes:
            assert (DATASETS[name].stage if name in DATASETS else DOCUMENTS[name]) == stage.name
    written = [name for stage in stages.STAGES for name in stage.writes]
    assert sorted(written) == sorted([*DATASETS, *DOCUMENTS])


def test_no_stage_reads_what_a_later_one_writes() -> None:
    there: set[str] = set()
    for stage in stages.STAGES:
        assert set(stage.reads) <= there, stage.name
        there |= set(stage.writes)


def test_a_dataset_that_the_shop_does_not_have_has_no_path(run_folder: Callable[..., RunFolder]) -> None:
    folder = run_folder()
    give(folder, users=pa.table({"user_id": [1], "segment": ["gold"]}))
    assert folder.optional("users") == folder.dataset("users")
    assert folder.optional("items") is None


def test_a_dataset_is_written_with_the_contracts_types(run_folder: Callable[..., RunFolder]) -> None:
    folder = run_folder()
    folder.write("popular_items", POPULAR)
    schema = pq.read_schema(folder.file("popular_items"))
    assert schema.equals(DATASETS["popular_items"].schema({"user": "integer", "item": "integer"}))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.drop_columns("score"), "other columns"),
        (lambda t: t.append_column("extra", t["score"]), "other columns"),
        (lambda t: t.set_column(1, "rank", pa.array([1, None])), "1 nulls"),
        (lambda t: t.set_column(1, "rank", pa.array([1, 1])), "holds a row 2 times"),
        (lambda t: t.set_column(1, "rank", pa.array([1, 2**40])), "cannot be read as int32"),
        (lambda t: t.set_column(2, "item_id", pa.array(["5", "x"])), "cannot be read as int64"),
    ],
)
def test_what_breaks_the_contract_is_refused_and_the_old_file_stays(
    run_folder: Callable[..., RunFolder], change: Callable[[pa.Table], pa.Table], told: str
) -> None:
    folder = run_folder()
    folder.write("popular_items", POPULAR)
    before = folder.file("popular_items").read_bytes()
    with pytest.raises(ContractBroken, match=told):
        folder.write("popular_items", change(POPULAR))
    assert folder.file("popular_items").read_bytes() == before
    assert not list(folder.path.glob(".*.part"))


@pytest.mark.parametrize("small", [0, parquet.SMALL], ids=["by the engine", "in memory"])
def test_a_doubled_key_is_named_with_its_values(
    run_folder: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch, small: int
) -> None:
    monkeypatch.setattr(parquet, "SMALL", small)
    rows = pa.concat_tables([POPULAR, POPULAR.slice(1, 1), POPULAR.slice(1, 1)])
    with pytest.raises(ContractBroken) as refused:
        run_folder().write("popular_items", rows)
    assert refused.value.what == "`popular_items` holds a row 3 times"
    assert refused.value.found == "category = all, rank = 2"
    assert refused.value.promised == "one row for each (category, rank)"


def test_the_bytes_depend_on_the_rows_and_not_on_how_they_came(run_folder: Callable[..., RunFolder]) -> None:
    one, two = run_folder("one"), run_folder("two")
    rows = events(*((n % 50, n % 70, n % 90) for n in range(1000)))
    many = pa.concat_tables([rows] * (parquet.ROW_GROUP // 1000 + 2)).combine_chunks()
    assert one.write("train", many) == two.write("train", iter(many.to_batches(max_chunksize=777)))
    assert one.file("train").read_bytes() == two.file("train").read_bytes()


def test_scores_take_five_bytes_each_and_every_reader_finds_them_as_they_were(
    run_folder: Callable[..., RunFolder],
) -> None:
    """Each row has its own, of the precision of the models: 32 bits."""
    n = 20_000
    scores = np.random.default_rng(0).normal(size=n).astype(np.float32).astype(np.float64)
    rows = {"category": ["all"] * n, "rank": np.arange(1, n + 1), "item_id": np.arange(n), "score": scores}
    folder = run_folder()
    folder.write("popular_items", pa.table(rows).cast(DATASETS["popular_items"].schema(folder.ids)))
    file = folder.file("popular_items")
    group = pq.read_metadata(file).row_group(0)
    sizes = {(column := group.column(at)).path_in_schema: column.total_compressed_size for at in range(4)}
    assert sizes["score"] < 5 * n
    assert pq.read_table(file)["score"].to_numpy().tobytes() == scores.tobytes()
    with engine.connect() as db:
        read = db.sql(f"SELECT score FROM {engine.parquet(file)} ORDER BY rank").to_arrow_table()
    assert read["score"].to_numpy().tobytes() == scores.tobytes()


def test_times_take_less_than_seven_bytes_each_and_every_reader_finds_them_as_they_were(
    run_folder: Callable[..., RunFolder],
) -> None:
    """Fifty events of each user within a year, to the microsecond, ordered as events are."""
    n = 50_000
    year = 365 * 86_400 * 1_000_000
    since = np.sort(np.random.default_rng(1).integers(year, size=(n // 50, 50))).ravel()
    times = pa.array(since + day(0).timestamp() * 1_000_000).cast(pa.int64()).cast(pa.timestamp("us", "UTC"))
    rows = events(*((row // 50, 1, 0) for row in range(n)))
    place = rows.schema.get_field_index("occurred_at")
    folder = run_folder()
    folder.write("train", rows.set_column(place, "occurred_at", times))
    file = folder.file("train")
    group = pq.read_metadata(file).row_group(0)
    assert group.column(place).path_in_schema == "occurred_at"
    assert group.column(place).total_compressed_size < 7 * n
    assert pq.read_table(file)["occurred_at"].combine_chunks().equals(times)
    with engine.connect() as db:
        read = db.sql(f"SELECT occurred_at FROM {engine.parquet(file)}").to_arrow_table()
    assert read["occurred_at"].combine_chunks().cast(times.type).equals(times)


def test_when_writing_fails_the_rows_are_closed_first(
    run_folder: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next ones are being worked out in a thread: their database must not be closed before they end."""
    happened: list[str] = []

    def rows() -> Iterator[pa.RecordBatch]:
        try:
            while True:
                yield events((1, 1, 1)).to_batches()[0]
        finally:
            happened.append("closed")

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(parquet, "ROW_GROUP", 1)
    monkeypatch.setattr(pq.ParquetWriter, "write_table", stop)
    with pytest.raises(KeyboardInterrupt):
        run_folder().write("train", rows())
    assert threads_of_pools() == []
    assert happened == ["closed"]


def threads_of_pools() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ThreadPool")]


def test_json_is_sorted_and_holds_no_nan(run_folder: Callable[..., RunFolder]) -> None:
    folder = run_folder()
    folder.write_document("live", {"b": 1, "a": day(0)})
    assert json.loads(folder.file("live").read_text()) == {"a": day(0).isoformat(), "b": 1}
    with pytest.raises(ValueError, match="JSON"):
        folder.write_document("live", {"a": float("nan")})
    assert folder.document("live")["b"] == 1


FILL = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
import numpy as np, pyarrow as pa
from pipeline.errors import DiskFull
from pipeline.runs.folder import RunFolder
folder = RunFolder.open(Path(sys.argv[1]), "night", {"user": "integer", "item": "integer"})
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
n = 200_000
rows = pa.table({"category": ["all"] * n, "rank": pa.array(range(n), pa.int32()),
                 "item_id": range(n), "score": np.random.default_rng(0).random(n)})
try:
    folder.write("popular_items", rows)
except DiskFull as error:
    print(error)
    sys.exit(7)
"""


def test_a_disk_that_ends_leaves_the_old_file_and_says_so(
    run_folder: Callable[..., RunFolder], tmp_path: Path
) -> None:
    """A limit on file size stands for the full disk: the write fails in the same place."""
    folder = run_folder()
    folder.write("popular_items", POPULAR)
    before = folder.file("popular_items").read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path / "runs")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7, done.stderr
    assert "no room for" in done.stdout
    assert folder.file("popular_items").read_bytes() == before
    assert not list(folder.path.glob(".*.part"))
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
