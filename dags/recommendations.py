"""The nightly DAG: order, schedule, form and retries. What a stage does is in `pipeline/stages/`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from airflow.sdk import DAG, CronTriggerTimetable, Param, chain, task
from airflow.sdk.exceptions import AirflowSkipException
from nightshelf_airflow import DEFAULT_ARGS, ReportLink, databases, log

from pipeline import config, errors
from pipeline.stages import STAGES, Stage

if TYPE_CHECKING:
    from pipeline.run import Job

SETTINGS = config.load()

DOC = """
### The nightly restocking

Reads the shop's events, learns from the people who bought, and puts per-user recommendations,
popular items and similar items live in Postgres in one transaction. Apps read the views of schema
`{schema}`; until the last task has finished they read what they read before.

#### When a task fails

Its log says what was found, what was promised and the next step. Mend that, then clear the task:
the run goes on from there. The live publication is untouched.

#### Trigger

The form asks for another day (`as_of`), another window, repeat purchases, tuning, a dry run.
What it leaves alone comes from `config.toml`.

#### The report

The button **Report** under Details of the task `publish`: how good the lists are, and why they were
published or refused.

#### Files of a run

`{runs}/<run id>`
"""


def form() -> dict[str, Param]:
    """The fields of the form; ranges and texts are those of config.toml's schema."""
    fields = {
        "as_of": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="As of",
            description="end of the window; empty: the logical date, else the time of the trigger",
        )
    }
    for name in config.FORM:
        fields[name] = Param(config.form_value(SETTINGS, name), **config.form_schema(name))
    fields["dry_run"] = Param(
        False, type="boolean", title="Dry run", description="everything but publish: apps see no change"
    )
    fields["force"] = Param(
        False, type="boolean", title="Force", description="publish although the gate refuses; recorded"
    )
    return fields


def timetable() -> CronTriggerTimetable | None:
    """When the night begins; None: by hand only."""
    cron = SETTINGS.schedule.cron if config.is_scheduled() else ""
    return CronTriggerTimetable(cron, timezone=SETTINGS.schedule.timezone) if cron else None


def job_of(stage: str, context: Mapping[str, Any]) -> Job:
    """What `stage` is given in this DAG run. The run folder has the DAG run's id."""
    from pipeline import night

    params, dag_run = context["params"], context["dag_run"]
    overrides = as_of = None
    if stage == STAGES[0].name:
        night.check_form(dag_run.conf or {}, FORM)
        overrides = {name: params[name] for name in config.FORM if name in (dag_run.conf or {})}
        told = params["as_of"]
        as_of = night.moment(told, SETTINGS.source.timezone) if told else None
        as_of = as_of or context.get("logical_date") or dag_run.run_after
    return night.job_for(
        dag_run.run_id,
        as_of=as_of,
        overrides=overrides,
        databases=databases(SETTINGS),
        now=datetime.now(UTC),
        say=log.info,
        force=params["force"],
    )


def run_one(stage: str, context: Mapping[str, Any]) -> dict[str, int | float | str]:
    """Run `stage` for this DAG run; returns its counts."""
    from pipeline.run import run_stage

    job = job_of(stage, context)
    if stage == "publish" and context["params"]["dry_run"]:
        from pipeline import report

        report.leave(job)
        raise AirflowSkipException("dry run: apps read what they read before")
    return run_stage(stage, job)


def stage_task(stage: Stage) -> Any:
    """The task of one stage; what it returns (XCom) are the stage's counts."""

    @task(task_id=stage.name, doc_md=stage.summary)
    def run(**context: Any) -> dict[str, int | float | str]:
        try:
            return run_one(stage.name, context)
        except errors.NightshelfError as error:
            raise error.with_traceback(None) from None

    return run()


FORM = form()

with DAG(
    dag_id="recommendations",
    description="Restocks the shop's recommendation shelves",
    doc_md=DOC.format(schema=SETTINGS.serving.schema_name, runs=config.runs_folder(SETTINGS)),
    schedule=timetable(),
    start_date=datetime(2026, 1, 1, tzinfo=ZoneInfo(SETTINGS.schedule.timezone)),
    catchup=False,
    max_active_runs=1,
    params=FORM,
    tags=["nightshelf"],
    default_args=DEFAULT_ARGS,
) as dag:
    chain(*(stage_task(stage) for stage in STAGES))
    dag.get_task(STAGES[-1].name).operator_extra_links = (ReportLink(),)
