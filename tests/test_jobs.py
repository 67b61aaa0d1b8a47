"""The job behind both doors: new runs, runs gone on with, forms, and the words for a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline import config, jobs
from pipeline.config import Settings
from pipeline.errors import DataError, RunError, SettingsError
from pipeline.runs.files import write_json
from pipeline.runs.job import Databases, Job
from tests.shelf import give

AS_OF = datetime(2026, 11, 20, 6, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)


def form_of(settings: Settings) -> dict[str, object]:
    return {name: config.form_value(settings, name) for name in config.FORM}


@pytest.fixture
def job_for(said: list[str]) -> Callable[..., Job]:
    databases = Databases(source=lambda: "sqlite:///shop", serving=lambda: "postgresql://apps")

    def make(run_id: str = "night", **more: object) -> Job:
        return jobs.job_for(run_id, databases=databases, now=NOW, say=said.append, **more)  # type: ignore[arg-type]

    return make


def test_a_new_run_is_a_folder_that_remembers(job_for: Callable[..., Job], tmp_path: Path) -> None:
    job = job_for(as_of=AS_OF, overrides={"window_days": 30})
    assert job.folder.path == tmp_path / "home" / "runs" / "night"
    assert job.settings.run.window_days == 30
    again = job_for()
    assert again.folder.as_of == AS_OF
    assert again.folder.overrides == {**form_of(config.load()), "window_days": 30}
    assert again.settings.run.window_days == 30


def test_there_is_no_going_on_with_a_run_that_is_not_there(job_for: Callable[..., Job]) -> None:
    with pytest.raises(RunError, match="no run 'other'"):
        job_for("other")


def test_a_run_keeps_what_it_began_with(job_for: Callable[..., Job]) -> None:
    give(job_for(as_of=AS_OF, overrides={"tune": "never"}).folder, live={})
    with pytest.raises(RunError, match="exists with other settings"):
        job_for(overrides={"tune": "always"})
    with pytest.raises(RunError, match="exists with other settings"):
        job_for(as_of=NOW, overrides={"tune": "never"})
    assert job_for(overrides={"tune": "never"}).folder.run_id == "night"


def test_out_of_range_values_leave_no_folder(job_for: Callable[..., Job], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="window_days"):
        job_for(as_of=AS_OF, overrides={"window_days": 0})
    assert not (tmp_path / "home" / "runs").exists()


def test_a_run_keeps_its_mode_when_config_toml_changes_under_it(
    job_for: Callable[..., Job], tmp_path: Path
) -> None:
    """Lists of one mode must not be published under the number of the other."""
    path = tmp_path / "config.toml"
    path.write_text('[run]\nrepeat_purchases = "exclude"\n', encoding="utf-8")
    first = job_for(as_of=AS_OF, config_path=path)
    give(first.folder, live={})
    path.write_text('[run]\nrepeat_purchases = "allow"\nwindow_days = 30\n', encoding="utf-8")
    for again in (job_for(config_path=path), job_for(as_of=AS_OF, config_path=path)):
        assert again.settings.run.repeat_purchases == "exclude"
        assert again.settings.run.window_days == 365
    with pytest.raises(RunError, match="exists with other settings") as caught:
        job_for(config_path=path, overrides={"repeat_purchases": "allow"})
    assert caught.value.found == "repeat_purchases = exclude"


def test_a_run_keeps_its_fields_when_its_first_stage_fails_at_a_second_attempt(
    job_for: Callable[..., Job], tmp_path: Path
) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[run]\nwindow_days = 30\n", encoding="utf-8")
    first = job_for(as_of=AS_OF, config_path=path)
    give(first.folder, live={})
    for receipt in (first.folder.path / "receipts").iterdir():  # as a stage that begins anew does
        receipt.unlink()
    path.write_text("[run]\nwindow_days = 60\n", encoding="utf-8")
    assert job_for(as_of=AS_OF, config_path=path).settings.run.window_days == 30


def test_a_run_is_never_gone_on_with_for_another_shop(job_for: Callable[..., Job], tmp_path: Path) -> None:
    """As its real receipt tells it: the settings of the shop it was extracted for."""
    first = job_for(as_of=AS_OF)
    params = first.settings.model_dump(mode="json", by_alias=True)
    write_json(
        first.folder.path / "receipts" / "extract.json", {"stage": "extract", "files": {}, "params": params}
    )
    assert job_for().settings.serving.schema_name == "serving"
    path = tmp_path / "config.two.toml"
    path.write_text('[serving]\nschema = "two"\n', encoding="utf-8")
    with pytest.raises(RunError, match="exists with other settings") as caught:
        job_for(config_path=path)
    assert (caught.value.found, caught.value.promised) == ("serving schema serving", "serving schema two")


def test_a_run_in_which_nothing_has_finished_begins_anew(job_for: Callable[..., Job]) -> None:
    """So that a window that was empty can be widened and the failed task cleared."""
    job_for(as_of=AS_OF, overrides={"window_days": 3})
    assert job_for(as_of=AS_OF, overrides={"window_days": 300}).settings.run.window_days == 300


def test_a_run_of_the_future_is_refused(job_for: Callable[..., Job]) -> None:
    with pytest.raises(SettingsError, match="lies in the future"):
        job_for(as_of=NOW + timedelta(hours=1))
    assert job_for(as_of=NOW + timedelta(minutes=1)).folder.as_of == NOW + timedelta(minutes=1)


def test_a_field_nobody_reads_is_refused_by_name() -> None:
    jobs.check_form({"trials": 5}, {"trials": None})
    with pytest.raises(SettingsError, match="windowdays"):
        jobs.check_form({"windowdays": 5}, {"trials": None})


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("2026-11-20", "UTC", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T06:00", "Europe/Berlin", datetime(2026, 11, 20, 5, tzinfo=UTC)),
        ("2026-11-20T06:00:00.500Z", "Europe/Berlin", datetime(2026, 11, 20, 6, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-20T06:00+01:00", "UTC", datetime(2026, 11, 20, 5, tzinfo=UTC)),
    ],
)
def test_a_time_without_zone_is_the_shop_s(text: str, zone: str, moment: datetime) -> None:
    assert jobs.moment(text, zone, "run") == moment


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("soon", "UTC"),
        ("", "UTC"),
        ("2026-11-31", "UTC"),
        ("10000-01-01", "UTC"),
        ("0001-01-01T00:00+23:00", "UTC"),
        ("9999-12-31T23:59-23:00", "UTC"),
        ("0001-01-01", "Asia/Tokyo"),
        ("9999-12-31T23:59", "America/New_York"),
        ("2026-11-20\0", "UTC"),
        ("9" * 5000, "UTC"),
    ],
    ids=lambda value: value[:30].strip("\0") or "nothing",
)
def test_what_is_no_time_is_refused(text: str, zone: str) -> None:
    with pytest.raises(SettingsError, match="is no time") as refused:
        jobs.moment(text, zone, "run")
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("year", [1, 9, 1850, 1989])
def test_a_time_before_every_shop_is_refused_before_a_folder_is_made(
    job_for: Callable[..., Job], tmp_path: Path, year: int
) -> None:
    with pytest.raises(SettingsError, match="lies before every shop") as refused:
        job_for(as_of=datetime(year, 1, 1, tzinfo=UTC))
    assert refused.value.promised == "a time from 1990-01-01 on"
    assert not list(tmp_path.rglob("run.json"))


def test_a_last_event_at_the_end_of_time_is_refused() -> None:
    with pytest.raises(DataError, match="no window can end after it"):
        jobs.just_after(datetime.max.replace(tzinfo=UTC))


def test_run_ids_of_the_command_line_are_folder_names() -> None:
    assert jobs.cli_run_id(AS_OF) == "cli__20261120T060000Z"
    assert jobs.cli_run_id(AS_OF.replace(microsecond=5)) == "cli__20261120T060000.000005Z"
    assert jobs.just_after(AS_OF.replace(microsecond=999_999)) == AS_OF + timedelta(seconds=1)
