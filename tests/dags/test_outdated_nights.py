"""A scheduled night that is older than what is live is skipped; whatever else is asked for is not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from airflow.utils.types import DagRunType

from pipeline import config
from pipeline.config import ROOT
from pipeline.errors import Unreachable
from pipeline.runs.folder import RunFolder
from pipeline.serving import release, rollback
from pipeline.shops import Shop
from tests.serving.nights import Shop as Shelves
from tests.serving.nights import fill

MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
HOUR = timedelta(hours=1)
Extract = Callable[..., dict[str, Any]]


@pytest.fixture
def shelves(shop: str, run_folder: Callable[..., RunFolder]) -> Shelves:
    """The serving database of a small shop; the source is behind the Airflow connection."""
    return Shelves(shop, config.load(), run_folder)


@pytest.fixture
def extract(monkeypatch: pytest.MonkeyPatch) -> Extract:
    """`extract(MIDNIGHT, "manual")`: the task `extract` of a run of that type, with its logical date."""
    monkeypatch.syspath_prepend(ROOT / "dags")
    from nightshelf_airflow import tasks

    def run(as_of: datetime, run_type: str = "scheduled", **form: object) -> dict[str, Any]:
        dag_run = SimpleNamespace(
            run_id=f"{run_type}__{as_of:%Y%m%dT%H%M%S}",
            run_type=DagRunType(run_type),
            conf=form,
            run_after=as_of,
            start_date=as_of,
        )
        params = {"as_of": None, "force": False, "dry_run": False, **form}
        context = {"dag_run": dag_run, "params": params, "logical_date": as_of}
        return tasks.run_stage(Shop("", config.path()), config.load(), "extract", context)

    return run


def publish(shelves: Shelves, as_of: datetime, run_id: str = "by_hand", **options: Any) -> None:
    folder = shelves.new_folder(run_id, as_of=as_of, settings=shelves.settings)
    shelves.publish(fill(folder), **options)


def test_only_what_the_clock_began_is_skipped_and_says_why(shelves: Shelves, extract: Extract) -> None:
    publish(shelves, MIDNIGHT + HOUR)
    with pytest.raises(AirflowSkipException) as skipped:
        extract(MIDNIGHT)
    assert str(skipped.value) == (
        f"nothing to do: this night ends at {MIDNIGHT.isoformat()}, and the lists of version 1, which are"
        f" live, end at {(MIDNIGHT + HOUR).isoformat()}. To run it all the same, trigger the DAG"
        f" recommendations with as_of {MIDNIGHT.isoformat()}, and with force to put its lists live"
    )
    assert not (config.runs_folder(config.load()) / f"scheduled__{MIDNIGHT:%Y%m%dT%H%M%S}").exists()
    for run_type in {str(kind) for kind in DagRunType} - {"scheduled"}:
        assert extract(MIDNIGHT, run_type)["n_events"], run_type


@pytest.mark.parametrize("ahead", [timedelta(0), -HOUR])
def test_a_night_that_is_as_new_or_newer_goes_on(
    shelves: Shelves, extract: Extract, ahead: timedelta
) -> None:
    publish(shelves, MIDNIGHT + ahead)
    assert extract(MIDNIGHT)["n_events"]


def test_force_is_asked_for_by_a_person(shelves: Shelves, extract: Extract) -> None:
    publish(shelves, MIDNIGHT + HOUR)
    assert extract(MIDNIGHT, force=True)["n_events"]


def test_what_counts_is_what_is_live_not_what_was_published(shelves: Shelves, extract: Extract) -> None:
    settings, who = shelves.settings, "anna"
    publish(shelves, MIDNIGHT - HOUR, "older")
    publish(shelves, MIDNIGHT + HOUR, "newer")
    rollback(shelves.url, settings, to=None, hold=True, who=who, say=str)
    assert extract(MIDNIGHT)["n_events"], "newer lists are stored, and held back"
    release(shelves.url, settings, who=who, say=str)
    rollback(shelves.url, settings, to=2, hold=False, who=who, say=str)
    with pytest.raises(AirflowSkipException):
        extract(MIDNIGHT)


def test_nothing_is_skipped_where_nothing_is_live(shelves: Shelves, extract: Extract) -> None:
    assert extract(MIDNIGHT)["n_events"]


def test_a_serving_database_that_does_not_answer_is_an_error_of_the_stage(
    shelves: Shelves, extract: Extract, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SERVING", "postgresql://reader:word@127.0.0.1:1/serving")
    caplog.set_level(logging.INFO)
    with pytest.raises(Unreachable):
        extract(MIDNIGHT)
    assert "not known whether newer lists are live" in caplog.text
    assert "word" not in caplog.text


def test_a_schema_of_another_version_is_an_error_of_the_stage(shelves: Shelves, extract: Extract) -> None:
    publish(shelves, MIDNIGHT + HOUR)
    with shelves.connect("publisher") as db:
        db.execute("UPDATE serving_storage.schema_info SET schema_version = 6")
    with pytest.raises(Exception, match="earlier development version"):
        extract(MIDNIGHT)
