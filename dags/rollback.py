"""Two DAGs for the night shift: put an earlier publication live again, and end a hold."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from airflow.sdk import DAG, Param, task
from nightshelf_airflow import DEFAULT_ARGS, databases, log

from pipeline import config
from pipeline.versions import number, remembered

SETTINGS = config.load()

ROLLBACK = """
### Take a publication back

Puts a stored publication live again, in milliseconds; nothing is computed. Without a version it is the
one that was live before this one, so twice undoes itself. Recorded in `{schema}.live_history`.

**Hold** keeps later nights stored but not live, until the DAG `release` is triggered.

Without Airflow: `python -m pipeline rollback`, or in SQL, as a member of `{prefix}_operator`:
`SELECT * FROM {schema}.rollback();`
"""
RELEASE = """
### End a hold

The newest publication that the hold kept back goes live, and later nights do again. Without a hold
nothing happens. In SQL: `SELECT * FROM {schema}.release();`
"""
NAMES = {"schema": SETTINGS.serving.schema_name, "prefix": SETTINGS.serving.role_prefix}


def form() -> dict[str, Param]:
    """The version, with the stored ones proposed, and whether to hold."""
    return {
        "version": Param(
            None,
            type=["null", "string"],
            examples=remembered(SETTINGS),
            title="Version",
            description="the publication to put live; empty: the one that was live before this one",
        ),
        "hold": Param(
            False,
            type="boolean",
            title="Hold",
            description="keep later nights stored but not live, until the DAG release is triggered",
        ),
    }


def who(context: Mapping[str, Any]) -> str:
    """The person behind the run, for the record."""
    return f"{context['dag_run'].triggering_user_name or 'nobody by name'} in Airflow"


@task(
    task_id="rollback",
    retries=0,  # without a version a second try would undo the first
    doc_md="Moves the pointer to the version and records who asked for it.",
)
def put_back(**context: Any) -> dict[str, int | bool]:
    """Counts for XCom: the version before, the version live now, whether a hold is on."""
    from pipeline.serving import rollback
    from pipeline.versions import remember

    params, url = context["params"], databases(SETTINGS).serving()
    to = number(params["version"])
    moved = rollback(url, SETTINGS, to=to, hold=params["hold"], who=who(context), say=log.info)
    remember(url, SETTINGS, log.info)
    return vars(moved)


@task(task_id="release", doc_md="Ends the hold and puts the newest publication it kept back live.")
def end_hold(**context: Any) -> dict[str, int | bool]:
    """Counts for XCom: the version before, the version live now."""
    from pipeline.serving import release
    from pipeline.versions import remember

    url = databases(SETTINGS).serving()
    moved = release(url, SETTINGS, who=who(context), say=log.info)
    remember(url, SETTINGS, log.info)
    return vars(moved)


SHARED: dict[str, Any] = {
    "schedule": None,
    "max_active_runs": 1,
    "is_paused_upon_creation": False,
    "tags": ["nightshelf"],
    "default_args": DEFAULT_ARGS,
}

with DAG(
    dag_id="rollback",
    description="Puts an earlier publication live again",
    doc_md=ROLLBACK.format(**NAMES),
    params=form(),
    **SHARED,
):
    put_back()

with DAG(
    dag_id="release",
    description="Ends a hold: the newest publication it kept back goes live",
    doc_md=RELEASE.format(**NAMES),
    **SHARED,
):
    end_hold()
