"""Set work in Spark: files under awkward names, rows on their way, what is kept. Needs Java 17."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import Run
from pipeline.contract.datasets import DATASETS
from pipeline.engines.local import LOCAL
from pipeline.engines.tables import Engine
from pipeline.runs import parquet
from tests.shelf import day, events

pytestmark = pytest.mark.spark

IDS = {"user": "integer", "item": "integer"}
ROWS = [(user, user % 4, 10 + user % 3, "purchase") for user in range(30)]
NAMES = ["plain", "a*b", "[x]", "shop=1", "50% off", "manual__2026-12-01T05:25:34+00:00", "dé {a,b}?"]


def events_file(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    schema = DATASETS["purchaser_events"].schema(IDS)
    rows = events(*ROWS).select(schema.names).cast(schema)
    parquet.write(DATASETS["purchaser_events"], schema, rows.to_batches(), folder / "events.parquet")
    return folder / "events.parquet"


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_read_under_exactly_its_name(spark: Engine, tmp_path: Path, name: str) -> None:
    """Nor is the folder beside it read, that a pattern would find."""
    file = events_file(tmp_path / name)
    events_file(tmp_path / "aab")
    with spark.tables(Run(), tmp_path / name) as db:
        db.view("purchaser_events", file)
        assert db.row("event_counts")["n_events"] == len(ROWS)
        db.view("events", file)
        db.keep("kept", "purchases")
        assert db.query("SELECT count(*) AS n FROM kept")["n"].to_pylist() == [len(ROWS)]


def test_events_of_a_time_alone(spark: Engine, tmp_path: Path) -> None:
    file = events_file(tmp_path)
    with spark.tables(Run(), tmp_path) as db, LOCAL.tables(Run(), tmp_path) as local:
        for made in (db, local):
            made.view("purchaser_events", file, since=day(11), until=day(11) + timedelta(microseconds=1))
        assert db.row("event_counts") == local.row("event_counts")
        assert db.row("event_counts")["n_events"] == 10


@pytest.mark.parametrize("part", ["train", "test"])
def test_rows_are_those_of_the_local_engine_in_its_order(spark: Engine, tmp_path: Path, part: str) -> None:
    file, values = events_file(tmp_path), {"validation_from": day(11), "test_from": day(12)}
    given = []
    for engine in (LOCAL, spark):
        with engine.tables(Run(), tmp_path) as db:
            db.view("purchaser_events", file)
            db.show("parts", "split_time", values)
            rows = db.rows_by_user("purchaser_events", file, "part", {"part": part})
            given.append([row for batch in rows for row in batch.to_pylist()])
    assert given[0] == given[1]
    assert len(given[0]) == 10


def test_rows_on_their_way_leave_nothing(spark: Engine, tmp_path: Path) -> None:
    file = events_file(tmp_path)
    with spark.tables(Run(), tmp_path / "spill") as db:
        db.view("purchaser_events", file)
        db.show("parts", "split_time", {"validation_from": day(11), "test_from": day(12)})
        assert sum(batch.num_rows for batch in db.rows("part", {"part": "train"})) == 10
        assert not list((tmp_path / "spill").rglob("*.parquet"))


def test_two_histories_have_tables_of_the_same_names(spark: Engine, tmp_path: Path) -> None:
    with spark.tables(Run(), tmp_path) as one, spark.tables(Run(), tmp_path) as two:
        one.give("rows", pa.table({"n": [1]}))
        two.give("rows", pa.table({"n": [2]}))
        assert one.query("SELECT n FROM rows")["n"].to_pylist() == [1]


def test_scores_that_spark_cannot_read_are_read_for_it(spark: Engine, tmp_path: Path) -> None:
    file = tmp_path / "scores.parquet"
    rows = pa.table({"item_id": [1, 2], "score": [0.5, 0.25]})
    pq.write_table(rows, file, use_dictionary=False, column_encoding={"score": "BYTE_STREAM_SPLIT"})
    with spark.tables(Run(), tmp_path) as db:
        db.view("popular_items", file)
        assert db.query("SELECT score FROM popular_items ORDER BY item_id")["score"].to_pylist() == [
            0.5,
            0.25,
        ]
