"""What a stage needs before it runs, the receipt that it leaves, and what is left where it is cut off."""

from __future__ import annotations

import re
from collections.abc import Callable

import pyarrow as pa
import pytest

from pipeline.config import Settings
from pipeline.errors import (
    DamagedFile,
    DataError,
    RunError,
)
from pipeline.runs import receipts
from pipeline.runs.folder import RunFolder
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from tests.shelf import day, events, give

SHOP = events((1, 5, 0), (1, 6, 60), (1, 7, 90), (2, 5, 1), (2, 6, 61), (2, 8, 91))


def test_a_stage_does_not_start_before_the_one_it_needs(job: Callable[..., Job]) -> None:
    with pytest.raises(RunError, match="split cannot start: filter_purchasers has not finished") as caught:
        run_stage("split", job())
    assert caught.value.then == "python -m pipeline run filter_purchasers --run-id night"


def test_a_receipt_tells_rows_seconds_memory_settings_and_versions(job: Callable[..., Job]) -> None:
    night = job(as_of=day(100))
    give(night.folder, purchaser_events=SHOP)
    run_stage("split", night)
    receipt = night.folder.receipt("split")
    assert receipt["files"]["train.parquet"]["rows"] == 2
    assert receipt["seconds"] > 0
    assert receipt["peak_memory_mb"] > 10
    assert receipt["params"]["split"]["test_days"] == "auto"
    assert receipt["versions"]["implicit"] == "0.7.3"
    assert receipt["as_of"] == day(100).isoformat()
    assert receipt["counts"] == {
        "rows_in": 6,
        "rows_out": 6,
        "n_train": 2,
        "n_validation_set": 2,
        "n_test": 2,
        "n_measured_users": 2,
        "method": "time",
    }


def test_a_stage_ends_with_its_rows_seconds_memory_and_counts_in_one_line(
    job: Callable[..., Job], said: list[str]
) -> None:
    night = job(as_of=day(100))
    give(night.folder, purchaser_events=SHOP)
    counts = run_stage("split", night)
    assert re.fullmatch(
        r"split: 6 rows in, 6 out, \d+\.\d s, [\d,]+ MB; 2 train, 2 validation set, 2 test, 2 measured users,"
        r" method time",
        said[-1],
    )
    assert counts == night.folder.receipt("split")["counts"]


def test_rows_in_are_those_of_every_dataset_that_is_read(run_folder: Callable[..., RunFolder]) -> None:
    folder = run_folder()
    users = pa.table({"user_id": [1, 2], "segment": pa.nulls(2, pa.string())})
    give(folder, events=SHOP, users=users, live={})
    written = {"metrics.parquet": {"rows": 9}, "comparison.json": {"bytes": 20}}
    counts = receipts.stage_counts(folder, ("events", "items", "users", "live"), written, {"alpha": 0.123456})
    assert counts == {"rows_in": 8, "rows_out": 9, "alpha": 0.1235}


def test_what_a_stage_counted_in_words() -> None:
    counts = {"rows_in": 1_402_916, "rows_out": 0, "model": "ranker", "n_trials": 1, "n_users_items_gone": 1}
    receipt = {"stage": "tune", "seconds": 74.25, "peak_memory_mb": 1190}
    assert receipts.line(
        {**receipt, "counts": {**counts, "n_pruned": 1_200, "alpha": 0.1235, "ended_by": ""}}
    ) == (
        "tune: 1,402,916 rows in, 0 out, 74.2 s, 1,190 MB;"
        " model ranker, 1 trial, 1 users items gone, 1,200 pruned, alpha 0.1235"
    )
    left_out = {"rows_in": 1, "rows_out": 2, "n_items": 0, "n_returns": 0, "n_duplicates": 3, "alpha": 0}
    assert receipts.counts_in_words(left_out) == "0 items, 3 duplicates, alpha 0"
    only_rows = {"rows_in": 1, "rows_out": 2}
    assert receipts.line({**receipt, "counts": only_rows}) == "tune: 1 rows in, 2 out, 74.2 s, 1,190 MB"


STRICT = {"min_events": 3}
"""A filter that leaves nobody in a shop of one event each."""


def test_why_the_data_stopped_a_run_is_written_down_until_it_goes_on(
    job: Callable[..., Job], make_settings: Callable[..., Settings]
) -> None:
    night = job(as_of=day(100), settings=make_settings(filter=STRICT))
    give(night.folder, purchaser_events=events((1, 5, 90), (2, 6, 91)))
    with pytest.raises(DataError):
        run_stage("split", night)
    reason = receipts.why_stopped(night.folder)
    assert reason["stage"] == "split"
    assert reason["what"].startswith("nobody is left to learn from")
    assert reason["then"].startswith("set filter.min_events = 1 in config.toml")
    give(night.folder, purchaser_events=SHOP)
    run_stage("split", night)
    assert receipts.why_stopped(night.folder) == {}


def test_a_stage_that_runs_again_takes_the_receipts_of_what_stands_on_it(job: Callable[..., Job]) -> None:
    night = job(as_of=day(100))
    give(night.folder, purchaser_events=SHOP)
    run_stage("split", night)
    give(night.folder, best_params={}, validation={}, events=SHOP)
    run_stage("filter_purchasers", night)
    assert not night.folder.receipt("split")
    assert not night.folder.receipt("tune")
    assert night.folder.receipt("validate")


def test_a_stage_cut_off_in_the_middle_leaves_no_receipt(
    job: Callable[..., Job], make_settings: Callable[..., Settings]
) -> None:
    night = job(as_of=day(100), settings=make_settings(filter=STRICT))
    give(night.folder, purchaser_events=events((1, 5, 0), (2, 6, 0)))
    with pytest.raises(DataError):
        run_stage("split", night)
    assert night.folder.file("train").exists()
    with pytest.raises(RunError, match="split has not finished"):
        run_stage("tune", night)


@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_a_damaged_file_is_named_before_anything_is_learnt_from_it(
    job: Callable[..., Job], damage: str
) -> None:
    night = job(as_of=day(100))
    give(night.folder, purchaser_events=SHOP)
    path = night.folder.file("purchaser_events")
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        content[len(content) // 3] ^= 0xFF
        path.write_bytes(content)
    else:
        path.unlink()
    with pytest.raises(DamagedFile, match=r"purchaser_events.parquet is not the file") as caught:
        run_stage("split", night)
    assert caught.value.then == "python -m pipeline run filter_purchasers --run-id night"


def test_a_damaged_receipt_is_told(job: Callable[..., Job]) -> None:
    night = job()
    give(night.folder, purchaser_events=SHOP)
    (night.folder.path / "receipts" / "filter_purchasers.json").write_text("{", encoding="utf-8")
    with pytest.raises(DamagedFile, match="receipt of filter_purchasers"):
        run_stage("split", night)
