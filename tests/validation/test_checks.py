from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import engine
from pipeline.config import ROOT
from pipeline.errors import DiskFull, SettingsError
from pipeline.validation.checks import Result, check, load_suite, table
from tests import shelf
from tests.validation import beside

SUITE = ROOT / "expectations" / "events.json"
AS_OF = datetime(2026, 1, 6, tzinfo=UTC)
PARAMETERS = {"as_of": AS_OF, "window_start": AS_OF - timedelta(days=5)}


def written(folder: Path, *rows: tuple[Any, ...]) -> Path:
    pq.write_table(shelf.events(*rows), folder / "events.parquet")
    return folder / "events.parquet"


def checked(file: Path, parameters: Mapping[str, datetime], *more: Any, **settings: Any) -> Result:
    """`check` of the suite of events, with nothing to say about the ids."""
    with tempfile.TemporaryDirectory() as folder, engine.connect() as db:
        engine.view(db, "events", file)
        duplicates = engine.rows(db, "duplicates").read_all().to_pylist()
        tables = beside.tables(Path(folder), {"duplicates": duplicates})
        return check(load_suite(SUITE), file, parameters, *more, **settings, beside=tables)


def own_suite(folder: Path, **entry: Any) -> Path:
    content = json.loads(SUITE.read_text(encoding="utf-8"))
    content["expectations"] = [content["expectations"][0], {"severity": "critical", **entry}]
    (folder / "events.json").write_text(json.dumps(content), encoding="utf-8")
    return folder / "events.json"


def test_a_failure_says_how_bad_how_many_and_which_rows(tmp_path: Path) -> None:
    file = written(tmp_path, (1, 10, 1, "view"), (2, 20, 1, "refund"), (3, 30, 2, "refund"))
    result = checked(file, PARAMETERS)
    assert not result.is_success
    (failure,) = result.failed
    assert (failure.severity, failure.n_rows) == ("critical", 2)
    assert [example["user_id"] for example in failure.examples] == ["2", "3"]
    assert str(failure) == (
        "event_type is view, cart or purchase: 2 rows against it (for instance user_id 2, item_id 20, "
        "event_type refund, occurred_at 2026-01-02T12:00:00+00:00, order_id null, quantity 1.0)"
    )


def test_warnings_are_told_and_stop_nothing(tmp_path: Path) -> None:
    returned = (1, 10, 1, "purchase", None, -1.0)
    result = checked(written(tmp_path, returned, *[(2, 20, 1, "view")] * 3), PARAMETERS)
    assert result.is_success
    assert [(failure.severity, failure.n_rows) for failure in result.failed] == [("warning", 1)] * 3
    text = table(result)
    assert text.startswith("events: 4 rows, 21 of 24 expectations hold\n")
    assert "warning" in text
    assert "1 row against it  quantity is above 0" in text
    assert "quantity 1.0, times 3" in text


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    """Great Expectations reaches DuckDB through a URL, in which `?` and `%` mean something."""
    folder = tmp_path / """it's "so" 100%20 #1? [x]* $HOME"""
    folder.mkdir()
    result = checked(written(folder, (1, 10, 1, "view"), (2, 20, 1, "refund")), PARAMETERS)
    assert [failure.n_rows for failure in result.failed if failure.severity == "critical"] == [1]
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_the_same_file_gives_the_same_result(tmp_path: Path) -> None:
    file = written(tmp_path, *[(n % 7, 1, 9, "view") for n in range(5_000)])
    first, second = (checked(file, PARAMETERS) for _ in range(2))
    assert json.dumps(first.to_json()) == json.dumps(second.to_json())
    assert list(tmp_path.iterdir()) == [file]


def test_times_are_compared_as_moments(tmp_path: Path) -> None:
    file = written(tmp_path, (1, 10, 4.499, "view"))
    east = timezone(timedelta(hours=9))
    given = {"as_of": AS_OF.astimezone(east), "window_start": PARAMETERS["window_start"]}
    assert checked(file, given).is_success
    assert not checked(written(tmp_path, (1, 10, 4.5, "view")), given).is_success


def test_a_parameter_that_is_missing_is_no_pass(tmp_path: Path) -> None:
    file = written(tmp_path, (1, 10, 1, "view"))
    with pytest.raises(SettingsError, match="asks for the parameter window_start"):
        checked(file, {"as_of": AS_OF})


@pytest.mark.parametrize(
    ("kind", "kwargs", "reason"),
    [
        ("unexpected_rows_expectation", {"unexpected_rows_query": "SELECT colour FROM {batch}"}, "colour"),
        ("expect_column_values_to_match_regex", {"column": "event_type", "regex": "view"}, ""),
    ],
)
def test_an_expectation_that_cannot_be_evaluated_is_no_pass(
    tmp_path: Path, kind: str, kwargs: dict[str, Any], reason: str
) -> None:
    path = own_suite(tmp_path, type=kind, description="a view", kwargs=kwargs)
    with pytest.raises(SettingsError, match="`a view` cannot be evaluated") as refused:
        check(load_suite(path), written(tmp_path, (1, 10, 1, "view")), PARAMETERS)
    assert reason in refused.value.found


def test_a_check_without_room_is_no_pass(tmp_path: Path) -> None:
    rows = [(n, n % 997, n % 5, "view", f"order {n}") for n in range(200_000)]
    with pytest.raises(DiskFull, match="no room to check `events`"):
        checked(written(tmp_path, *rows), PARAMETERS, memory_gb=0.004)


def test_ids_that_are_text_are_checked_too(tmp_path: Path) -> None:
    events = shelf.events((1, 10, 1, "view"))
    ids = {name: pa.array(["00123"]) for name in ("user_id", "item_id")}
    for name, values in ids.items():
        events = events.set_column(events.schema.get_field_index(name), name, values)
    pq.write_table(events, tmp_path / "events.parquet")
    assert checked(tmp_path / "events.parquet", PARAMETERS).failed == ()
