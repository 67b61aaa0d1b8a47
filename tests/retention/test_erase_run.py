"""One run folder without one user: what goes, what stays to the byte, and a run that can be gone on with."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipeline import config, report
from pipeline.config import Settings
from pipeline.contract.datasets import TIME
from pipeline.errors import DamagedFile, RunBusy
from pipeline.models.als_factors import AlsFactors
from pipeline.report import validation
from pipeline.retention.erase_run import erase
from pipeline.runs.folder import RunFolder, latest
from pipeline.runs.job import Databases, Job
from pipeline.runs.run_stage import run_stage
from pipeline.validation import example_rows
from tests import tastes
from tests.shelf import day, events, give

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ELENA = 900_000_000_017
STAGES = ("split", "tune", "train", "evaluate", "recommend")


def shop() -> pa.Table:
    """Elena and 30 others buy of 20 items every few days; item 777 is bought by Elena alone."""
    rng = np.random.default_rng(3)
    rows = [
        (user, 2 * int(rng.integers(0, 10)) + user % 2, float(at) + 0.01 * (user % 1000))
        for user in (*range(30), ELENA)
        for at in np.sort(rng.uniform(0, 99, 14))
    ]
    return events(*sorted([*rows, (ELENA, 777, 20.5)], key=lambda row: (row[0], row[2])))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A run that has come as far as `recommend`, for all tests to copy."""
    values = config.load().model_dump(by_alias=True)
    values["tune"] |= {"trials": 1, "factors": (2, 8), "iterations": (2, 5)}
    values["recommend"] |= {"list_length": 5}
    settings = Settings.model_validate(values)
    runs = tmp_path_factory.mktemp("template")
    folder = RunFolder.create(runs, "night", day(100), settings.ids.model_dump(), {})
    job = Job(folder, settings, Databases(source=str, serving=str), day(100), str)
    give(
        folder,
        events=pa.concat_tables([shop(), events((None, 3, 4.0), (None, 5, 4.0))]),
        users=pa.table({"user_id": [*range(30), ELENA, None], "segment": pa.nulls(32, pa.string())}),
        user_attributes=pa.table(
            {
                "user_id": [*range(30), ELENA],
                "name": ["plan"] * 31,
                "category": [*["free"] * 30, "elenas own"],
                "number": pa.nulls(31, pa.float64()),
                "known_at": pa.nulls(31, TIME),
            }
        ),
        purchaser_events=shop(),
        items=pa.table(
            {
                "item_id": pa.array([1, 777]),
                **{name: pa.nulls(2, pa.string()) for name in ("name", "category")},
                **{name: pa.nulls(2, pa.float64()) for name in ("price", "discount")},
                "available": pa.nulls(2, pa.bool_()),
            }
        ),
        live={},
        validation={},
    )
    for stage in STAGES:
        run_stage(stage, job)
    return job


@pytest.fixture
def night(template: Job, tmp_path: Path) -> Job:
    """The run, as far as `recommend`, in a folder of the test's own."""
    folder = replace(template.folder, path=tmp_path / "runs" / "night")
    shutil.copytree(template.folder.path, folder.path)
    return replace(template, folder=folder)


def contents(folder: RunFolder) -> dict[str, bytes]:
    """Every file of the run but its lock, which says who works on it."""
    files = (path for path in folder.path.rglob("*") if path.is_file() and path.name != "lock")
    return {str(path.relative_to(folder.path)): path.read_bytes() for path in files}


def holders(folder: RunFolder, user: Any) -> list[str]:
    """Files of the run that hold the user: in a column, among a model's users, or as text."""
    paths = []
    for path in sorted(folder.path.rglob("*")):
        if path.suffix == ".parquet":
            columns = [
                column for column in pq.read_table(path).columns if column.type == pa.scalar(user).type
            ]
            is_in = any(pc.any(pc.equal(column, user)).as_py() for column in columns)
        elif path.suffix == ".npz":
            is_in = user in AlsFactors.load(path).user_ids.to_pylist()
        else:
            is_in = path.is_file() and str(user).encode() in path.read_bytes()
        paths += [str(path.relative_to(folder.path))] if is_in else []
    return paths


def test_the_user_goes_and_the_run_goes_on(night: Job) -> None:
    folder = night.folder
    assert set(holders(folder, ELENA)) >= (
        {"events.parquet", "user_attributes.parquet", "model/als.npz", "recommendations.parquet"}
    )
    n_rows = sum(
        pc.sum(pc.equal(pq.read_table(folder.path / name)["user_id"], ELENA)).as_py()
        for name in holders(folder, ELENA)
        if name.endswith(".parquet")
    )
    n_files = len(holders(folder, ELENA))
    assert 777 in folder.table("item_factors")["item_id"].to_pylist()
    erased = erase(folder, ELENA, NOW)
    assert (erased.n_files, erased.n_rows) == (n_files + len(["item_factors"]), n_rows)
    assert holders(folder, ELENA) == []
    assert folder.table("item_factors").num_rows == 0, "what she taught too, of items that nobody else knows"
    assert b"elenas own" not in folder.file("user_attributes").read_bytes()
    assert set(folder.table("user_attributes")["category"].to_pylist()) == {"free"}
    for stage in (*STAGES, "gate"):
        folder.check(stage)
    for stage in ("train", "evaluate", "recommend"):
        run_stage(stage, night)


def test_the_segment_of_the_user_goes(night: Job) -> None:
    """What was live when the night began, and what the night made."""
    rows = pa.table({"user_id": [7, ELENA], "segment": pa.array([1, 2], pa.int32())})
    give(night.folder, live_segments=rows, user_segments=rows)
    assert {"live_segments.parquet", "user_segments.parquet"} < set(holders(night.folder, ELENA))
    erase(night.folder, ELENA, NOW)
    assert holders(night.folder, ELENA) == []
    for name in ("live_segments", "user_segments"):
        assert night.folder.table(name).to_pylist() == [{"user_id": 7, "segment": 1}], name


def test_others_rows_are_those_that_the_stage_wrote(night: Job, tmp_path: Path) -> None:
    """In their order and to the byte, rows of nobody (null) among them."""
    before = {path.name: pq.read_table(path) for path in night.folder.path.glob("*.parquet")}
    bytes_before = contents(night.folder)
    erase(night.folder, ELENA, NOW)
    for name, table in before.items():
        if name == "item_factors.parquet":
            continue
        if "user_id" not in table.schema.names:
            assert (night.folder.path / name).read_bytes() == bytes_before[name]
            continue
        others = table.filter(pc.fill_null(pc.not_equal(table["user_id"], ELENA), True))
        afresh = RunFolder(tmp_path / "afresh", night.folder.ids, night.folder.as_of)
        afresh.write(Path(name).stem, others)
        assert (night.folder.path / name).read_bytes() == (afresh.path / name).read_bytes(), name
    assert pq.read_table(night.folder.file("events"))["user_id"].null_count == 2


def test_the_model_forgets_the_user_and_what_it_knows_from_nobody_else(night: Job) -> None:
    file = night.folder.path / "model" / "als.npz"
    before = AlsFactors.load(file)
    assert 777 in before.item_ids.to_pylist()
    erase(night.folder, ELENA, NOW)
    after = AlsFactors.load(file)
    assert after.user_ids.to_pylist() == [user for user in before.user_ids.to_pylist() if user != ELENA]
    assert after.item_ids.to_pylist() == [item for item in before.item_ids.to_pylist() if item != 777]
    rows = np.isin(before.user_ids.to_numpy(), after.user_ids.to_numpy())
    columns = np.isin(before.item_ids.to_numpy(), after.item_ids.to_numpy())
    assert np.array_equal(after.user_factors, before.user_factors[rows])
    assert np.array_equal(after.item_factors, before.item_factors[columns])


def test_the_model_of_each_cut_forgets_what_it_knows_from_nobody_else(night: Job) -> None:
    """Elena buys 888 before the second cut of the test, somebody else after it."""
    folder = night.folder
    second = (tastes.roll(night, 2)[1].cut_at - day(0)) / timedelta(days=1)
    test, more = folder.table("test"), events((ELENA, 888, second - 1), (3, 888, second + 1))
    give(folder, test=pa.concat_tables([test, more.cast(test.schema)]))
    run_stage("train", night)
    files = [folder.path / "model" / name for name in ("als.npz", "als_2.npz")]
    assert [888 in AlsFactors.load(file).item_ids.to_pylist() for file in files] == [False, True]
    before = [AlsFactors.load(file).item_ids.to_pylist() for file in files]
    erase(folder, ELENA, NOW)
    assert holders(folder, ELENA) == []
    after = [AlsFactors.load(file).item_ids.to_pylist() for file in files]
    assert after == [[item for item in items if item not in (777, 888)] for items in before]
    run_stage("evaluate", night)


def test_a_model_whose_cut_is_not_written_down_forgets_too(night: Job) -> None:
    """As of a stage that was killed before its document, or of an earlier release."""
    folder = night.folder
    (folder.path / "model.json").unlink()
    erase(folder, ELENA, NOW)
    after = AlsFactors.load(folder.path / "model" / "als.npz")
    assert ELENA not in after.user_ids.to_pylist()
    assert 777 not in after.item_ids.to_pylist()


def test_receipts_say_when_and_not_who(night: Job) -> None:
    before = {stage: night.folder.receipt(stage) for stage in ("extract", "gate", "recommend")}
    erase(night.folder, ELENA, NOW)
    for stage in ("extract", "recommend"):
        receipt = night.folder.receipt(stage)
        assert receipt.pop("user_forgotten_at") == NOW.isoformat()
        changed = [name for name, file in receipt["files"].items() if file != before[stage]["files"][name]]
        assert changed
        assert {**receipt, "files": before[stage]["files"]} == before[stage]
    assert night.folder.receipt("gate") == before["gate"]
    rows = night.folder.receipt("recommend")["files"]["recommendations.parquet"]["rows"]
    assert rows == pq.read_metadata(night.folder.file("recommendations")).num_rows


def test_a_run_without_the_user_keeps_every_byte_and_its_turn(night: Job) -> None:
    """The latest run is what `run STAGE` goes on with: it is not the one that was looked at last."""
    runs = night.folder.path.parent
    older = RunFolder(runs / "older", night.folder.ids, night.folder.as_of)
    shutil.copytree(night.folder.path, older.path)
    for ns, path in enumerate((older.path, night.folder.path), start=10**18):
        for folder in (path, path / "receipts"):
            os.utime(folder, ns=(ns, ns))
    before = contents(night.folder)
    assert erase(night.folder, -1, NOW).n_files == 0
    assert contents(night.folder) == before
    assert erase(older, ELENA, NOW).n_files
    assert contents(older) != before
    assert [path.name for path in latest(runs)] == [night.folder.run_id, "older"]


def test_twice_is_once(night: Job) -> None:
    erase(night.folder, ELENA, NOW)
    before = contents(night.folder)
    assert erase(night.folder, ELENA, NOW).n_files == 0
    assert contents(night.folder) == before


def test_killed_between_receipt_and_file_it_is_mended_by_the_next(night: Job) -> None:
    """The state a kill leaves: the receipt tells of the new file, the old one still lies there."""
    old = contents(night.folder)
    erase(night.folder, ELENA, NOW)
    done = contents(night.folder)
    for name in ("events.parquet", "model/als.npz"):
        (night.folder.path / name).write_bytes(old[name])
    with pytest.raises(DamagedFile):
        night.folder.check("validate")
    erase(night.folder, ELENA, NOW)
    assert contents(night.folder) == done


def test_a_file_that_was_damaged_before_stays_refused(night: Job) -> None:
    """A receipt must not be made to vouch for what its stage did not write."""
    table = pq.read_table(night.folder.file("train"))
    night.folder.write("train", table.slice(5))
    erase(night.folder, ELENA, NOW)
    assert holders(night.folder, ELENA) == []
    with pytest.raises(DamagedFile, match="train"):
        night.folder.check("train")


@pytest.mark.parametrize("name", ["events.parquet", "model/als.npz", "best_params.json"])
def test_what_cannot_be_read_is_told_by_name(night: Job, name: str) -> None:
    file = night.folder.path / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(DamagedFile, match="may hold the user") as caught:
        erase(night.folder, ELENA, NOW)
    assert name in caught.value.what
    assert str(ELENA) not in str(caught.value)


def test_a_run_at_work_is_left_alone(night: Job) -> None:
    before = contents(night.folder)
    with night.folder.held("evaluate"), pytest.raises(RunBusy, match="is being worked on"):
        erase(night.folder, ELENA, NOW)
    assert contents(night.folder) == before


def test_what_a_killed_stage_left_goes(night: Job) -> None:
    for name in (
        "scratch/events.parquet",
        ".check-x/view.duckdb",
        ".train.parquet.part",
        "model/.als.npz.part",
        "kept/recommend-0123456789abcdef/lists-00000.parquet",
    ):
        file = night.folder.path / name
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(str(ELENA), encoding="utf-8")
    erase(night.folder, ELENA, NOW)
    assert holders(night.folder, ELENA) == []
    assert not list(night.folder.path.rglob(".*"))


def test_pages_that_an_earlier_version_left_go_where_the_user_was(night: Job) -> None:
    page = night.folder.path / "data_docs" / "events" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("a row of somebody", encoding="utf-8")
    assert erase(night.folder, -1, NOW).n_files == 0
    assert page.exists()
    erase(night.folder, ELENA, NOW)
    assert not (night.folder.path / "data_docs").exists()


def test_the_page_of_validation_goes_and_is_made_again_without_the_user(night: Job) -> None:
    folder = night.folder
    row = {"user_id": str(ELENA), "order_id": "null"}
    failure = {"expectation": "a purchase has an order_id", "severity": "warning", "n_rows": 2}
    failed = [{**failure, "observed": "", "examples": [row, {**row, "user_id": "5"}]}]
    suite = {"suite": "events", "n_rows": 9, "n_expectations": 1, "failed": failed, "held": []}
    give(folder, validation={"success": True, "suites": [suite], "failed": []})
    page = validation.build(folder)
    assert str(ELENA) in page.read_text()
    erase(folder, -1, NOW)
    assert page.exists()
    erase(folder, ELENA, NOW)
    assert not page.exists()
    assert holders(folder, ELENA) == []
    report.build(folder, night.settings)
    assert str(ELENA) not in page.read_text()
    assert "<bdi>5</bdi>" in page.read_text()


def test_columns_of_another_release_are_kept(night: Job) -> None:
    """A folder outlives the release that wrote it; so does a dataset that this one does not know."""
    table = pa.table({"user_id": [1, ELENA], "colour": ["red", "blue"]})
    for name in ("users", "wishes"):
        pq.write_table(table, night.folder.path / f"{name}.parquet")
    erase(night.folder, ELENA, NOW)
    for name in ("users", "wishes"):
        assert pq.read_table(night.folder.path / f"{name}.parquet").to_pylist() == [
            {"user_id": 1, "colour": "red"}
        ]


def document() -> dict[str, Any]:
    row = {"user_id": "5", "item_id": "1"}
    return {
        "success": True,
        "suites": [
            {"failed": [{"n_rows": 2, "examples": [row, {"user_id": "1", "item_id": "5"}]}]},
            {"failed": [{"n_rows": 1, "examples": [{"who": "5"}]}]},
        ],
        "failed": [
            "events: one: 2 rows against it (for instance user_id 5, item_id 1)",
            "users: two: found 3",
        ],
    }


def test_a_document_of_the_run_is_cleaned_with_its_receipt(night: Job) -> None:
    give(night.folder, validation=document())
    erase(night.folder, 5, NOW)
    night.folder.check("filter_purchasers")
    assert night.folder.document("validation") == json.loads(
        json.dumps(example_rows.without(document(), "5"))
    )
