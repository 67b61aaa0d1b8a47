"""pipeline/runs/kept.py: worked out once, until an input, a setting or the program is another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.models.top_n import LISTS, TopN
from pipeline.runs import kept as kept_module
from pipeline.runs.files import write_json
from pipeline.runs.folder import RunFolder
from pipeline.runs.kept import NOT_KEPT, TABLE, Form, Kept, kept_by, remove


@pytest.fixture
def folder(run_folder: Callable[..., RunFolder]) -> RunFolder:
    folder: RunFolder = run_folder()
    write_json(folder.path / "receipts" / "split.json", {"files": {"train.parquet": {"sha256": "one"}}})
    return folder


def numbers(kept: Kept, *values: int) -> list[int]:
    """What `once` gives where the work would give `values`."""
    table: pa.Table = kept.once("numbers", TABLE, lambda: pa.table({"number": list(values)}))
    return list(table["number"].to_pylist())


def test_what_was_worked_out_is_read_by_the_next_attempt(folder: RunFolder) -> None:
    assert numbers(kept_by(folder, "tune", {}), 1) == [1]
    again = kept_by(folder, "tune", {})
    assert again.has("numbers", TABLE)
    assert not again.has("others", TABLE)
    assert numbers(again, 2) == [1]
    assert numbers(again.within("live"), 3) == [3], "a folder of its own"
    assert numbers(kept_by(folder, "tune", {}).within("live"), 4) == [3]


def test_other_inputs_settings_or_programs_begin_anew_and_leave_nothing(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert numbers(kept_by(folder, "tune", {}), 1) == [1]
    assert numbers(kept_by(folder, "tune", {"seed": 1}), 2) == [2]
    write_json(folder.path / "receipts" / "split.json", {"files": {"train.parquet": {"sha256": "two"}}})
    assert numbers(kept_by(folder, "tune", {"seed": 1}), 3) == [3]
    monkeypatch.setattr(kept_module, "_program", lambda: "another")
    assert numbers(kept_by(folder, "tune", {"seed": 1}), 4) == [4]
    assert numbers(kept_by(folder, "evaluate", {"seed": 1}), 5) == [5]
    assert len(list((folder.path / "kept").iterdir())) == 1, "of the last stage and its inputs alone"
    remove(folder)
    assert not (folder.path / "kept").exists()


def test_the_program_is_known_by_what_its_files_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kept_module, "ROOT", tmp_path)
    (tmp_path / "pipeline" / "models").mkdir(parents=True)
    file = tmp_path / "pipeline" / "models" / "als.py"
    seen = set()
    for text in ("one", "two", "one"):
        file.write_text(text, encoding="utf-8")
        kept_module._program.cache_clear()
        seen.add(kept_module._program())
    kept_module._program.cache_clear()
    assert len(seen) == 2


@pytest.mark.parametrize("n_bytes", [0, 20])
@pytest.mark.parametrize("form", [TABLE, LISTS], ids=["parquet", "npz"])
def test_a_file_that_was_cut_off_is_worked_out_anew(folder: RunFolder, form: Form[Any], n_bytes: int) -> None:
    def work() -> Any:
        return pa.table({"number": [1]}) if form is TABLE else {"als": TopN.empty(2, 3)}

    kept = kept_by(folder, "tune", {})
    kept.once("work", form, work)
    [path] = (folder.path / "kept").rglob("work.*")
    whole = path.read_bytes()
    path.write_bytes(whole[:n_bytes])
    kept.once("work", form, work)
    assert path.read_bytes() == whole


def test_work_that_depends_on_more_is_kept_apart(folder: RunFolder) -> None:
    kept = kept_by(folder, "tune", {})
    assert numbers(kept.of({"factors": 8}), 1) == [1]
    assert numbers(kept.of({"factors": 9}), 2) == [2]
    assert numbers(kept.of({"factors": 8}), 3) == [1]


def test_an_error_of_the_work_leaves_nothing(folder: RunFolder) -> None:
    def fail() -> pa.Table:
        raise ValueError("no")

    kept = kept_by(folder, "tune", {})
    with pytest.raises(ValueError, match="no"):
        kept.once("numbers", TABLE, fail)
    assert numbers(kept, 1) == [1]


def test_without_a_folder_nothing_is_kept() -> None:
    assert numbers(NOT_KEPT, 1) == [1]
    assert numbers(NOT_KEPT.within("live"), 2) == [2]
    assert not NOT_KEPT.has("numbers", TABLE)
