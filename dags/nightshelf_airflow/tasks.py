"""What the tasks of the nightly DAG do: find the run, run a stage of it, return the stage's counts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from nightshelf_airflow.advice import adapted_errors, say_for
from nightshelf_airflow.connections import databases
from nightshelf_airflow.form import form
from pipeline import config
from pipeline.contract.stages import STAGES
from pipeline.errors import NightshelfError, RunError
from pipeline.home import keep_private
from pipeline.shops import NIGHTLY

if TYPE_CHECKING:
    from pipeline.config import Settings
    from pipeline.runs.folder import RunFolder
    from pipeline.runs.job import Counts, Job
    from pipeline.shops import Shop

log = logging.getLogger(__name__)


def run_stage(shop: Shop, settings: Settings, stage: str, context: Mapping[str, Any]) -> Counts:
    """Run `stage` for the DAG run of `context`; returns its counts, which become the task's XCom.

    Raises AirflowSkipException instead of publishing in a dry run, and instead of beginning a scheduled night
    that is older than what is live. A NightshelfError is raised without its traceback, and with a next step
    that can be taken in Airflow.
    """
    from pipeline import jobs

    with adapted_errors(shop):
        keep_private()
        if stage == STAGES[0].name:
            _skip_outdated_night(shop, settings, context)
        job = _job(shop, settings, stage, context)
        if stage == "publish" and context["params"]["dry_run"]:
            _write_report(job)
            log.info("publish: left out, this is a dry run; apps read what they read before")
            raise AirflowSkipException("dry run")
        counts = jobs.play(stage, job)
        if stage == "gate" and settings.approval.is_required:
            _write_report(job)  # the person who is asked next looks at it
        return counts


def _skip_outdated_night(shop: Shop, settings: Settings, context: Mapping[str, Any]) -> None:
    """Raise AirflowSkipException where the schedule begins a night that is older than the live lists.

    Its lists could only be stored, and every other run would wait for it. What a person, an asset or a
    backfill asks for is never skipped. Where the serving database cannot be asked the night goes on, and
    `extract` says what is wrong with it.
    """
    if context["dag_run"].run_type != "scheduled" or context["params"]["force"]:
        return
    from pipeline.serving import read_live

    as_of = _as_of(settings, context).astimezone(UTC)
    try:
        live = read_live(databases(shop, settings).serving(), settings, say=say_for(shop, log))
    except NightshelfError as error:
        log.info("extract: not known whether newer lists are live: %s", error.what)
        return
    if _is_newer(live, as_of):
        begun, shown = as_of.isoformat(), live["as_of"].astimezone(UTC).isoformat()
        raise AirflowSkipException(
            f"nothing to do: this night ends at {begun}, and the lists of version {live['version']}, which"
            f" are live, end at {shown}. To run it all the same, trigger the DAG {shop.named(NIGHTLY)} with"
            f" as_of {begun}, and with force to put its lists live"
        )


def _is_newer(live: Mapping[str, Any], as_of: datetime) -> bool:
    """Whether what is live, if anything is, ends after `as_of`."""
    return bool(live) and live["as_of"] > as_of


def _write_report(job: Job) -> None:
    from pipeline import report

    report.leave(job)


def _job(shop: Shop, settings: Settings, stage: str, context: Mapping[str, Any]) -> Job:
    """The job of `stage`. The run folder is named after the DAG run; the first stage creates it."""
    from pipeline import jobs

    params, dag_run = context["params"], context["dag_run"]
    overrides = as_of = None
    if stage == STAGES[0].name:
        filled_in = dag_run.conf or {}
        jobs.check_form(filled_in, form(settings))
        overrides = {name: params[name] for name in config.FORM if name in filled_in}
        as_of = _as_of(settings, context)
    return jobs.job_for(
        dag_run.run_id,
        as_of=as_of,
        overrides=overrides,
        config_path=shop.path,
        databases=databases(shop, settings),
        now=datetime.now(UTC),
        say=say_for(shop, log),
        force=params["force"],
    )


def _as_of(settings: Settings, context: Mapping[str, Any]) -> datetime:
    """The end of the window of the run: what its form says, else its logical date, else its trigger."""
    from pipeline import jobs

    if given := context["params"]["as_of"]:
        return jobs.moment(given, settings.source.timezone, "form")
    logical_date: datetime | None = context.get("logical_date")
    return logical_date or _trigger_time(settings, context["dag_run"])


def _trigger_time(settings: Settings, dag_run: Any) -> datetime:
    """`as_of` of a run without a date: when it was triggered, or, started by an asset, when it started.

    Airflow makes one run of all updates of an asset that came while the last run was busy, with the time
    of the first, and the window has to hold them all. A later attempt keeps the time of the first one.
    """
    if dag_run.run_type != "asset_triggered":
        triggered_at: datetime = dag_run.run_after
        return triggered_at
    with suppress(RunError):
        return _folder(settings, dag_run.run_id).as_of
    started_at: datetime = dag_run.start_date
    return started_at


def reason_not_to_go_live(settings: Settings, context: Mapping[str, Any]) -> str:
    """Why this run's lists will not go live, whether a person approves or not; empty where they would."""
    params, dag_run = context["params"], context["dag_run"]
    if params["dry_run"]:
        return "dry run"
    if params["force"]:
        return ""
    folder = _folder(settings, dag_run.run_id)
    if not folder.document("decision")["publish"]:
        return "the gate has refused"
    live = folder.document("live")
    if live and _is_newer({"as_of": datetime.fromisoformat(live["as_of"])}, folder.as_of):
        return f"version {live['version']}, which is live, is newer"
    return ""


def live_publication(settings: Settings, run_id: str) -> Mapping[str, Any]:
    """The publication that `publish` recorded of this run. Raises AirflowSkipException if it is not live."""
    publication = _folder(settings, run_id).document("publication")
    if not publication["is_live"]:
        raise AirflowSkipException(f"stored as version {publication['version']}, not live: its log says why")
    return publication


def fallback(settings: Settings, run_id: str) -> Mapping[str, Any]:
    """The document `fallback` of this run: whether a rule's lists replace the chosen model's, and why."""
    return _folder(settings, run_id).document("fallback")


def _folder(settings: Settings, run_id: str) -> RunFolder:
    from pipeline.runs.folder import RunFolder

    return RunFolder.open(config.runs_folder(settings), run_id, settings.ids.model_dump())


def remove_old_runs(shop: Shop, settings: Settings) -> Counts:
    """Remove the run folders nobody needs any more; returns how many were removed and kept."""
    from pipeline.retention import old_runs

    with adapted_errors(shop):
        serving = databases(shop, settings).serving()
        return old_runs.remove_old_runs(settings, serving, now=datetime.now(UTC), say=say_for(shop, log))
