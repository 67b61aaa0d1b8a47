"""`load --embeddings FILE`: what is read, what is refused, and what stays of an earlier load."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from pipeline import config, loading
from pipeline.contract.datasets import DATASETS
from pipeline.databases import urls
from pipeline.errors import SourceError
from pipeline.loading import embeddings_file
from pipeline.source import opened
from tests.source.engines import database, mariadb, of_each

__all__ = ["database", "mariadb"]

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
EVENTS = """\
user_id,item_id,event_type,occurred_at,order_id
1,10,view,2026-01-01 10:00:00,
1,10,purchase,2026-01-01 10:05:00,o-1
2,20,purchase,2026-01-02 00:30:00,o-2
"""
PER_ENGINE = of_each([("postgresql",), ("sqlite",), ("mariadb",)])
Rows = list[dict[str, Any]]
Load = Callable[..., list[str]]
"""`load(url, embeddings, **options)`: what was said."""


@pytest.fixture
def load(tmp_path: Path) -> Load:
    (tmp_path / "e.csv").write_text(EVENTS, encoding="utf-8")

    def go(url: str, embeddings: pa.Table | Path | None, **options: Any) -> list[str]:
        said: list[str] = []
        file = embeddings
        if isinstance(embeddings, pa.Table):
            file = tmp_path / "embeddings.parquet"
            pq.write_table(embeddings, file)
        options = {"kind": "events", "file": tmp_path / "e.csv", "settings": config.load(), **options}
        loading.load(url=url, embeddings=file, now=NOW, say=said.append, **options)
        return said

    return go


def stored(url: str, item: str = "integer") -> Rows | None:
    """What a night reads, sorted by item and kind; None where the shop has no embeddings."""
    ids: dict[str, Any] = {"user": "integer", "item": item}
    with opened(url, config.load().source, ids) as source:
        if not source.has("item_embeddings"):
            return None
        batches = list(source.batches("item_embeddings"))
    assert all(batch.schema == DATASETS["item_embeddings"].schema(ids) for batch in batches)
    return sorted(
        (row for batch in batches for row in batch.to_pylist()), key=lambda row: (row["item_id"], row["kind"])
    )


def table(values: list[Any], of: pa.DataType, **columns: Any) -> pa.Table:
    """Embeddings of the items 10, 20, ..., of the type `of`."""
    item_ids = range(10, 10 * len(values) + 1, 10)
    return pa.table({"item_id": list(item_ids), "embedding": pa.array(values, of), **columns})


@pytest.mark.parametrize("engine", PER_ENGINE)
def test_a_night_reads_the_numbers_of_the_file_to_the_last_bit(
    database: Callable[[str], str], load: Load, engine: str
) -> None:
    """Several kinds, a time of one, an item of no event; more rows than one batch has."""
    rng, n = np.random.default_rng(3), embeddings_file.ROWS + 7
    numbers = rng.normal(size=(n, 3)).astype(np.float32) * np.float32(10.0) ** rng.integers(-30, 30, (n, 3))
    kinds = ["picture", "text", None]
    file = pa.table(
        {
            "item_id": [10 * (row // 3) for row in range(n)],
            "kind": [kinds[row % 3] for row in range(n)],
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(numbers.astype(np.float32).ravel()), 3),
            "known_at": pa.array([datetime(2026, 1, 5, 12) if row == 0 else None for row in range(n)]),
            "model": ["ignored"] * n,
        }
    )
    url = database(engine)
    said = load(url, file)
    rows = stored(url)
    assert rows is not None
    names = {"picture": 1, "text": 2, "default": 0}
    rows.sort(key=lambda row: (row["item_id"], names[row["kind"]] or 3))
    assert [row["item_id"] for row in rows] == file["item_id"].to_pylist()
    assert [row["kind"] for row in rows] == [kind or "default" for kind in file["kind"].to_pylist()]
    read = np.array([row["embedding"] for row in rows], np.float32)
    assert read.tobytes() == numbers.astype(np.float32).tobytes()
    assert [row["known_at"] for row in rows] == [datetime(2026, 1, 5, 12, tzinfo=UTC), *[None] * (n - 1)]
    assert "embeddings.parquet: 4,103 embeddings read" in said


@pytest.mark.parametrize("engine", PER_ENGINE)
def test_a_load_without_embeddings_leaves_none(
    database: Callable[[str], str], load: Load, engine: str
) -> None:
    url = database(engine)
    load(url, table([[1.0]], pa.list_(pa.float32())))
    load(url, table([[2.0], [3.0]], pa.list_(pa.float32())))
    assert stored(url) is not None
    assert [row["embedding"] for row in stored(url) or []] == [[2.0], [3.0]]
    load(url, None)
    assert stored(url) is None
    assert [name for name in tables(url) if "embeddings" in name] == []
    load(url, table([[4.0]], pa.list_(pa.float32())))
    assert [row["embedding"] for row in stored(url) or []] == [[4.0]]


def tables(url: str) -> list[str]:
    engine = sa.create_engine(urls.normalise(url))
    names = sa.inspect(engine).get_table_names()
    engine.dispose()
    return sorted(names)


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float16()),
        pa.list_(pa.float32()),
        pa.list_(pa.float64()),
        pa.list_(pa.float16(), 2),
        pa.list_(pa.float32(), 2),
        pa.list_(pa.float64(), 2),
        pa.large_list(pa.float32()),
        pa.list_(pa.decimal128(9, 2)),
    ],
    ids=str,
)
def test_lists_of_any_numbers_are_read(tmp_path: Path, load: Load, kind: pa.DataType) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    numbers: list[Any] = [[0.5, -2], [1.25, 1000]]
    if "float16" in str(kind) or "halffloat" in str(kind):
        numbers = [[np.float16(number) for number in row] for row in numbers]
    if "decimal" in str(kind):
        file = table([[0.5, -2.0], [1.25, 1000.0]], pa.list_(pa.float64()))
        file = file.set_column(1, "embedding", file["embedding"].cast(kind))
    else:
        file = table(numbers, kind)
    load(url, file)
    assert [row["embedding"] for row in stored(url) or []] == [[0.5, -2.0], [1.25, 1000.0]]


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint16(), pa.int64(), pa.uint64()], ids=str)
def test_whole_numbers_are_read_too(tmp_path: Path, load: Load, kind: pa.DataType) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    load(url, table([[1, 2]], pa.list_(kind)))
    assert [row["embedding"] for row in stored(url) or []] == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        (None, "null"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (float("-inf"), "-inf"),
        (1e39, "1e+39"),
    ],
)
def test_a_number_that_is_none_is_named_with_its_item_and_the_old_shop_stays(
    shop_url: str, load: Load, wrong: float | None, found: str
) -> None:
    load(shop_url, table([[1.0]], pa.list_(pa.float32())))
    file = table([None, [], [1.0, 2.0], [3.0, wrong, 4.0]], pa.list_(pa.float64()))
    with pytest.raises(SourceError, match=r"embedding of item 40 in .*embeddings\.parquet") as refused:
        load(shop_url, file)
    assert found in refused.value.found
    assert [row["embedding"] for row in stored(shop_url) or []] == [[1.0]]
    assert [name for name in tables(shop_url) if "loading" in name] == []


@pytest.mark.parametrize("engine", PER_ENGINE)
def test_what_is_for_validate_to_judge_is_loaded(
    database: Callable[[str], str], load: Load, engine: str
) -> None:
    """A missing list, an empty one, one of another length, an item that comes twice."""
    file = table([None, [], [1.0, 2.0], [3.0]], pa.list_(pa.float32()))
    url = database(engine)
    load(url, file.set_column(0, "item_id", pa.array([7, 8, 9, 9])))
    found = [(row["item_id"], row["embedding"]) for row in stored(url) or []]
    assert found == [(7, None), (8, []), (9, [1.0, 2.0]), (9, [3.0])]


@pytest.mark.parametrize(
    ("file", "what", "found"),
    [
        (table([[1.0]], pa.list_(pa.float32())).drop_columns("item_id"), "no column `item_id`", "embedding"),
        (
            table([[1.0]], pa.list_(pa.float32())).drop_columns("embedding"),
            "no column `embedding`",
            "item_id",
        ),
        (table([1.0], pa.float32()), "no lists of numbers", "FLOAT"),
        (table(["[1, 2]"], pa.string()), "no lists of numbers", "VARCHAR"),
        (table([["1"]], pa.list_(pa.string())), "no lists of numbers", "VARCHAR[]"),
        (table([[[1.0]]], pa.list_(pa.list_(pa.float32()))), "no lists of numbers", "FLOAT[][]"),
        (table([[True]], pa.list_(pa.bool_())), "no lists of numbers", "BOOLEAN[]"),
        (table([b"1"], pa.binary()), "no lists of numbers", "BLOB"),
        (table([[1.0]], pa.list_(pa.float32()), known_at=["soon"]), "`known_at`", "soon"),
        (table([[1.0]], pa.list_(pa.float32()), known_at=[3]), "`known_at`", "3"),
        (table([[1.0]], pa.list_(pa.float32()), kind=[["a"]]), "`kind`", "VARCHAR[]"),
        (table([[1.0]], pa.list_(pa.float32()), kind=["a\0b"]), "`kind`", r"a\x00b"),
    ],
)
def test_a_file_that_holds_no_embeddings_is_refused(
    tmp_path: Path, load: Load, file: pa.Table, what: str, found: str
) -> None:
    with pytest.raises(SourceError, match=r"embeddings\.parquet") as refused:
        load(f"sqlite:///{tmp_path / 'shop.db'}", file)
    assert what in refused.value.what
    assert found in refused.value.found


@pytest.mark.parametrize("name", ["embeddings.csv", "embeddings.npy", "embeddings.sql", "absent.parquet"])
def test_another_kind_of_file_is_refused(tmp_path: Path, load: Load, name: str) -> None:
    file = tmp_path / name
    if not name.startswith("absent"):
        file.write_text('item_id,embedding\n10,"[1, 2]"\n', encoding="utf-8")
    with pytest.raises(SourceError, match=name) as refused:
        load(f"sqlite:///{tmp_path / 'shop.db'}", file)
    assert "Parquet" in f"{refused.value.promised}{refused.value.then}"


def test_ids_are_read_by_the_rules_of_the_other_files(tmp_path: Path, load: Load) -> None:
    """Where one of them is no number, all ids of the shop are texts; whole numbers may come as floats."""
    url, lists = f"sqlite:///{tmp_path / 'shop.db'}", pa.array([[1.0], [2.0]], pa.list_(pa.float32()))
    load(url, pa.table({"item_id": [10.0, 20.0], "embedding": lists}))
    assert [row["item_id"] for row in stored(url) or []] == [10, 20]
    said = load(url, pa.table({"item_id": ["10", "A-20"], "embedding": lists}))
    assert [row["item_id"] for row in stored(url, "text") or []] == ["10", "A-20"]
    assert any('item = "text"' in line for line in said)
    with pytest.raises(SourceError, match=r"`item_id` of .*embeddings\.parquet"):
        load(url, pa.table({"item_id": [10.5, 20.0], "embedding": lists}))


def test_items_without_embedding_are_counted(tmp_path: Path, load: Load) -> None:
    said = load(f"sqlite:///{tmp_path / 'shop.db'}", table([[1.0]], pa.list_(pa.float32())))
    assert [line for line in said if "of its 2 items" in line] == [
        "e.csv: 1 of its 2 items (50.0%), with 33.3% of its rows, are not in embeddings.parquet, such as 20"
    ]


def test_a_query_of_events_takes_them_too(tmp_path: Path, load: Load) -> None:
    url, query = f"sqlite:///{tmp_path / 'shop.db'}", tmp_path / "e.sql"
    query.write_text("FROM 'e.csv'", encoding="utf-8")
    load(url, table([[1.0]], pa.list_(pa.float32())), kind="query", file=query)
    assert [row["embedding"] for row in stored(url) or []] == [[1.0]]


@pytest.mark.parametrize("engine", PER_ENGINE)
def test_a_table_that_no_load_made_is_kept(database: Callable[[str], str], load: Load, engine: str) -> None:
    """Made by hand beside a shop that this version, or an earlier one without the column `made`, loaded."""
    url = database(engine)
    load(url, None)
    engine_of = sa.create_engine(urls.normalise(url))
    with engine_of.begin() as db:
        db.exec_driver_sql("ALTER TABLE nightshelf_load DROP COLUMN made")
        db.exec_driver_sql("CREATE TABLE item_embeddings (product_id bigint, embedding text)")
        db.exec_driver_sql("INSERT INTO item_embeddings VALUES (20, '[5]')")
    engine_of.dispose()
    own = [{"item_id": 20, "kind": "default", "embedding": [5.0], "known_at": None}]
    for _ in range(2):
        load(url, None)
        assert stored(url) == own
        with pytest.raises(SourceError, match="no load made") as refused:
            load(url, table([[1.0]], pa.list_(pa.float32())))
        assert refused.value.found == "item_embeddings"
        assert stored(url) == own


def peak_mb(folder: Path, n_batches: int, width: int = 512) -> int:
    """The peak memory of a load into SQLite, and of nothing else, of a file of 8 MB a batch."""
    file = folder / "embeddings.parquet"
    schema = pa.schema({"item_id": pa.int64(), "embedding": pa.list_(pa.float32(), width)})
    rng = np.random.default_rng(1)
    with pq.ParquetWriter(file, schema, compression="none", use_dictionary=False) as writer:
        for batch in range(n_batches):
            numbers = pa.array(rng.normal(size=4096 * width).astype(np.float32))
            item_ids = pa.array(range(batch * 4096, (batch + 1) * 4096))
            rows = [item_ids, pa.FixedSizeListArray.from_arrays(numbers, width)]
            writer.write_batch(pa.RecordBatch.from_arrays(rows, schema=schema))
    (folder / "e.csv").write_text(EVENTS, encoding="utf-8")
    code = (
        "import resource, sys; from pipeline.__main__ import main; assert main(sys.argv[1:]) == 0;"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    words = ["load", "events", str(folder / "e.csv"), "--embeddings", str(file)]
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=config.ROOT,
        env={**os.environ, "NIGHTSHELF_SOURCE_URL": f"sqlite:///{folder / 'shop.db'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.split()[-1])


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """200 MB more in the file are not even 100 MB more in memory."""
    assert peak_mb(tmp_path, n_batches=37) < peak_mb(tmp_path, n_batches=12) + 100
