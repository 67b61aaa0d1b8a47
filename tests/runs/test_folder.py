"""The run folder: whole files or none, receipts that tell the truth, damage named before it is used."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import ROOT
from pipeline.contract import stages
from pipeline.contract.datasets import DATASETS, DOCUMENTS
from pipeline.errors import (
    ContractBroken,
    DamagedFile,
    DataError,
    DiskFull,
    NightshelfError,
    RunBusy,
    RunError,
)
from pipeline.rollback_form import FILE
from pipeline.runs import parquet, receipts
from pipeline.runs.folder import RunFolder, latest
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from tests.shelf import day, events, give

POPULAR = pa.table(
    {
        "category": ["all", "all"],
        "rank": pa.array([1, 2], pa.int32()),
        "item_id": [5, 6],
        "score": [2.0, 1.0],
    }
)
SHOP = events((1, 5, 0), (1, 6, 60), (1, 7, 90), (2, 5, 1), (2, 6, 61), (2, 8, 91))


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


@pytest.mark.parametrize(
    "run_id",
    [
        *("../up", "a/b", "", ".", "..", ".hidden", "a b", "a\\b", "/etc"),
        *(
            "night\n",
            "\nnight",
            "ni\tght",
            "night\0",
            "night\x1b[2J",
            "n\u00efght",
            "\u202enight",
            "night\udcff",
        ),
        *("x" * 201, "x" * 300, "x" * 5000),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_a_run_id_that_is_no_folder_name_is_refused(
    run_folder: Callable[..., RunFolder], tmp_path: Path, run_id: str
) -> None:
    for attempt in (
        lambda: run_folder(run_id),
        lambda: RunFolder.open(tmp_path / "runs", run_id, {}),
        lambda: RunFolder.exists(tmp_path / "runs", run_id),
    ):
        with pytest.raises(RunError, match="cannot be a folder name") as refused:
            attempt()
        assert str(refused.value).isprintable() or "\n  promised" in str(refused.value)
        assert len(str(refused.value)) < 400
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("run_id", ["manual__2026-11-21T01:05:00+00:00_a~b", "x" * 200, "latest", "lock"])
def test_a_run_id_that_is_a_folder_name_is_taken(run_folder: Callable[..., RunFolder], run_id: str) -> None:
    assert run_folder(run_id).path.is_dir()


@pytest.mark.parametrize("inside", ["", "books/night/run.json", "postgresql.conf"])
def test_a_run_id_that_something_else_beside_the_runs_has_is_refused(
    run_folder: Callable[..., RunFolder], tmp_path: Path, inside: str
) -> None:
    """A file; a folder in which another shop's runs lie; any other folder."""
    path = tmp_path / "runs" / "taken" / inside
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(RunError, match="'taken' is the name of something else") as refused:
        run_folder("taken")
    assert refused.value.found.startswith("a folder that is no run" if inside else "a file")
    assert path.read_text() == "mine"


def test_a_run_never_takes_the_place_of_the_choices_of_a_form(run_folder: Callable[..., RunFolder]) -> None:
    with pytest.raises(RunError, match="is the name of something else"):
        run_folder(FILE.format("serving"))


def test_a_run_that_was_cut_off_at_its_first_file_can_begin_again(
    run_folder: Callable[..., RunFolder], tmp_path: Path
) -> None:
    (tmp_path / "runs" / "night").mkdir(parents=True)
    (tmp_path / "runs" / "night" / ".run.json.part").write_text("{")
    assert (run_folder().path / "run.json").is_file()


def test_a_run_keeps_the_as_of_it_began_with(run_folder: Callable[..., RunFolder], tmp_path: Path) -> None:
    first = run_folder(overrides={"window_days": 30})
    give(first, live={})
    opened = RunFolder.open(tmp_path / "runs", "night", first.ids)
    assert (opened.as_of, dict(opened.overrides)) == (first.as_of, {"window_days": 30})
    with pytest.raises(RunError, match="other settings"):
        run_folder(as_of=day(1), overrides={"window_days": 30})
    with pytest.raises(RunError, match="no run 'nothing'"):
        RunFolder.open(tmp_path / "runs", "nothing", first.ids)
    with pytest.raises(RunError, match="other settings") as caught:
        RunFolder.open(tmp_path / "runs", "night", {"user": "text", "item": "integer"})
    assert "--config" in caught.value.then


def test_a_run_of_which_nothing_is_there_yet_takes_on_other_ids(
    run_folder: Callable[..., RunFolder], tmp_path: Path
) -> None:
    """`extract` refused the ids, and said to mend [ids] and run it again."""
    run_folder()
    ids = {"user": "text", "item": "integer"}
    for _ in range(2):
        assert RunFolder.open(tmp_path / "runs", "night", ids).ids == ids
    give(RunFolder.open(tmp_path / "runs", "night", ids), live={})
    with pytest.raises(RunError, match="other settings"):
        RunFolder.open(tmp_path / "runs", "night", {"user": "integer", "item": "integer"})


HOLD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from pipeline.runs.folder import RunFolder
with RunFolder.open(Path(sys.argv[1]), "night", {"user": "integer", "item": "integer"}).held("train"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_processes_never_work_on_one_run(job: Callable[..., Job], tmp_path: Path) -> None:
    """A retry beside a task that is not dead yet, or a terminal beside Airflow; a dead one holds nothing."""
    night = job(as_of=day(100))
    give(night.folder, purchaser_events=SHOP)
    command = [sys.executable, "-c", HOLD, str(tmp_path / "runs")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(RunBusy, match="is being worked on") as caught:
            run_stage("split", night)
        assert f"train, process {other.pid}" in caught.value.found
        other.kill()
    run_stage("split", night)


def test_the_latest_run_comes_first(run_folder: Callable[..., RunFolder], tmp_path: Path) -> None:
    one, two = run_folder("one"), run_folder("two")
    give(two, live={})
    give(one, live={})
    assert [path.name for path in latest(tmp_path / "runs")] == ["one", "two"]


def test_a_stage_does_not_start_before_the_one_it_needs(job: Callable[..., Job]) -> None:
    with pytest.raises(RunError, match="split cannot start: filter_purchasers has not finished") as caught:
        run_stage("split", job())
    assert caught.value.then == "python -m pipeline run filter_purchasers --run-id night"


def test_a_receipt_tells_rows_seconds_memory_settings_and_versions(job: Callable[..., Job]) -> None:
    night = job(as_of=day(100))
    give(night.folder, purchaser_events=SHOP)
    run_stage("split", night)
    receipt = night.folder.receipt("split")
    assert receipt["files"]["train.parquet"]["rows"] == 4
    assert receipt["seconds"] > 0
    assert receipt["peak_memory_mb"] > 10
    assert receipt["params"]["split"]["test_days"] == 14
    assert receipt["versions"]["implicit"] == "0.7.3"
    assert receipt["as_of"] == day(100).isoformat()
    assert receipt["counts"] == {
        "rows_in": 6,
        "rows_out": 6,
        "n_train": 4,
        "n_validation_set": 0,
        "n_test": 2,
        "n_measured_users": 2,
    }


def test_a_stage_ends_with_its_rows_seconds_memory_and_counts_in_one_line(
    job: Callable[..., Job], said: list[str]
) -> None:
    night = job(as_of=day(100))
    give(night.folder, purchaser_events=SHOP)
    counts = run_stage("split", night)
    assert re.fullmatch(
        r"split: 6 rows in, 6 out, \d+\.\d s, [\d,]+ MB; 4 train, 0 validation set, 2 test, 2 measured users",
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


def test_why_the_data_stopped_a_run_is_written_down_until_it_goes_on(job: Callable[..., Job]) -> None:
    night = job(as_of=day(100))
    give(night.folder, purchaser_events=events((1, 5, 90), (2, 6, 91)))
    with pytest.raises(DataError):
        run_stage("split", night)
    reason = receipts.why_stopped(night.folder)
    assert reason["stage"] == "split"
    assert reason["what"].startswith("nobody can be measured")
    assert reason["then"].startswith("run again when more people have bought twice")
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


def test_a_stage_cut_off_in_the_middle_leaves_no_receipt(job: Callable[..., Job]) -> None:
    night = job(as_of=day(100))
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


def test_errors_say_what_was_found_what_was_promised_and_what_to_do_and_survive_a_pickle() -> None:
    import pickle

    error = DiskFull("no room", found="0 bytes", promised="some", then="make room")
    assert str(error).splitlines() == [
        "no room",
        "  found:    0 bytes",
        "  promised: some",
        "  next:     make room",
    ]
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is DiskFull
    assert str(back) == str(error)
    assert back.can_retry
    assert issubclass(DiskFull, NightshelfError)
