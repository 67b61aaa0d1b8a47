"""A stage as a task: which run and which window it is about, and what the task returns."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from nightshelf_airflow.advice import advise
from nightshelf_airflow.connections import databases
from nightshelf_airflow.form import form
from pipeline import config
from pipeline.contract.stages import STAGES
from pipeline.errors import NightshelfError, RunError

if TYPE_CHECKING:
    from pipeline.config import Settings
    from pipeline.runs.folder import RunFolder
    from pipeline.runs.job import Counts, Job
    from pipeline.shops import Shop

log = logging.getLogger(__name__)


def run_stage(shop: Shop, settings: Settings, stage: str, context: Mapping[str, Any]) -> Counts:
    """Run `stage` for this DAG run; returns its counts (XCom). An error is told once, without its trace."""
    from pipeline import jobs

    try:
        job = _job(shop, settings, stage, context)
        if stage == "publish" and context["params"]["dry_run"]:
            from pipeline import report

            report.leave(job)
            log.info("publish: left out, this is a dry run; apps read what they read before")
            raise AirflowSkipException("dry run")
        counts = jobs.play(stage, job)
        if stage == "gate" and settings.approval.is_required:
            from pipeline import report

            report.leave(job)  # who is asked next looks at it
        return counts
    except NightshelfError as error:
        advise(error, shop)
        raise error.with_traceback(None) from None


def _job(shop: Shop, settings: Settings, stage: str, context: Mapping[str, Any]) -> Job:
    """What `stage` is given. The run folder has the DAG run's id."""
    from pipeline import jobs

    params, dag_run = context["params"], context["dag_run"]
    overrides = as_of = None
    if stage == STAGES[0].name:
        asked = dag_run.conf or {}
        jobs.check_form(asked, form(settings))
        overrides = {name: params[name] for name in config.FORM if name in asked}
        told = params["as_of"]
        as_of = jobs.moment(told, settings.source.timezone) if told else None
        as_of = as_of or context.get("logical_date") or _window_end(settings, dag_run)
    return jobs.job_for(
        dag_run.run_id,
        as_of=as_of,
        overrides=overrides,
        config_path=shop.path,
        databases=databases(shop, settings),
        now=datetime.now(UTC),
        say=log.info,
        force=params["force"],
    )


def _window_end(settings: Settings, dag_run: Any) -> datetime:
    """Where the window of a run without a date ends: when it was triggered.

    One that an asset began ends when the run started. Airflow makes one run of all updates that came
    while the night before ran, with the time of the first, and its window has to hold them all.
    """
    ends: datetime = dag_run.run_after
    if dag_run.run_type == "asset_triggered":
        ends = dag_run.start_date
        with suppress(RunError):  # a later attempt
            ends = _folder(settings, dag_run.run_id).as_of
    return ends


def stays_as_it_is(settings: Settings, context: Mapping[str, Any]) -> str:
    """Why this run puts nothing live, whatever a person says; empty where a yes would."""
    params, dag_run = context["params"], context["dag_run"]
    if params["dry_run"]:
        return "dry run"
    if params["force"]:
        return ""
    folder = _folder(settings, dag_run.run_id)
    if not folder.document("decision")["publish"]:
        return "the gate has refused"
    live = folder.document("live")
    if live and datetime.fromisoformat(live["as_of"]) > folder.as_of:
        return f"version {live['version']}, which is live, is newer"
    return ""


def _folder(settings: Settings, run_id: str) -> RunFolder:
    from pipeline.runs.folder import RunFolder

    return RunFolder.open(config.runs_folder(settings), run_id, settings.ids.model_dump())


def published(settings: Settings, run_id: str) -> Mapping[str, Any]:
    """What `publish` has recorded of this run. Raises AirflowSkipException when it did not go live."""
    told = _folder(settings, run_id).document("publication")
    if not told["is_live"]:
        raise AirflowSkipException(f"stored as version {told['version']}, not live: its log says why")
    return told


def remove_old_runs(shop: Shop, settings: Settings) -> Counts:
    """Remove the run folders nobody needs any more; returns how many went and stayed."""
    from pipeline.retention import old_runs

    serving = databases(shop, settings).serving()
    return old_runs.remove_old_runs(settings, serving, now=datetime.now(UTC), say=log.info)
