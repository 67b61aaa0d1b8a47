"""The nightly DAG of every shop: its tasks, their order, its schedule.

What a stage does is in `pipeline/stages/`; what its task adds, in `nightshelf_airflow/tasks.py`.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from airflow.sdk import DAG, TaskGroup, chain, task
from nightshelf_airflow import alerts, approval, assets, broken_settings, tasks
from nightshelf_airflow.dag_arguments import shared_arguments
from nightshelf_airflow.form import form
from nightshelf_airflow.links import LINKS

from pipeline import config
from pipeline.contract.stages import BY_NAME, STAGES
from pipeline.errors import SettingsError
from pipeline.shops import Shop, find_shops, load_settings

if TYPE_CHECKING:
    from pipeline.config import Settings

DOC = """
### The nightly restocking{of}

Reads the shop's events, learns from the people who bought, and puts per-user recommendations,
popular items and similar items live in Postgres in one transaction. Apps read the views of schema
`{schema}`; until `publish` has finished they read what they read before.

#### How was the night?

Press the task `publish`, then **Details**, **Report**: how good the lists are, beside simple rules, and why
they were published or refused. What each task counted is its return value, under **Storage**, **XCom**.

#### When a task fails

Its log says what was found, what was promised and the next step. Mend that, then clear the task:
the run goes on from there. The live publication is untouched.

#### Trigger

The form asks for another day (`as_of`), another window, repeat purchases, tuning, a dry run.
What it leaves alone comes from `{file}`. A backfill makes up for past days: metrics and reports, while
the lists that are live stay, unless its form says `force`.

#### When all is skipped

The schedule began a night that is older than the lists that are live: `extract` says so in its log.

#### Files of a run

`{runs}/<run id>`
"""

GROUPS = {
    "data": ("What the shop knows", ("extract", "validate", "filter_purchasers", "split")),
    "model": ("What can be learnt from it", ("tune", "train", "evaluate")),
    "shelves": ("What apps read", ("recommend", "gate", "publish")),
}
"""The boxes of the graph: a title and the stages in each."""


def nightly(shop: Shop, settings: Settings) -> DAG:
    """The DAG of one shop: remove_old_runs, then the stages in three boxes, one task after the other."""
    of_shop = f" of {shop.name}" if shop.name else ""
    with DAG(
        dag_id=shop.named("recommendations"),
        description=f"Restocks the recommendation shelves{of_shop}",
        doc_md=DOC.format(
            of=of_shop,
            schema=settings.serving.schema_name,
            file=shop.path.name,
            runs=config.runs_folder(settings),
        ),
        schedule=assets.schedule(settings),
        start_date=datetime(2020, 1, 1, tzinfo=ZoneInfo(settings.schedule.timezone)),
        catchup=False,
        params=form(settings),
        deadline=alerts.deadline(shop, settings),
        **shared_arguments(shop, settings),
    ) as dag:
        steps: list[Any] = [_remove_old_runs_task(shop, settings)]
        for group, (title, stages) in GROUPS.items():
            with TaskGroup(group, prefix_group_id=False, tooltip=title) as box:
                chain(*(step for stage in stages for step in _steps(shop, settings, stage)))
            steps.append(box)
        chain(*steps)
        dag.get_task(STAGES[0].name).trigger_rule = "all_done"  # also when old runs could not be removed
    return dag


def _remove_old_runs_task(shop: Shop, settings: Settings) -> Any:
    """Removes old run folders.

    It is the first task, because the state of a run is that of its last one; and it is no teardown,
    because Airflow calls a run successful that a person stopped while a teardown was left to run.
    """

    @task(
        task_id="remove_old_runs", doc_md=f"Remove run folders older than {settings.run.keep_runs_days} days."
    )
    def run() -> dict[str, int | float | str]:
        return tasks.remove_old_runs(shop, settings)

    return run()


def _steps(shop: Shop, settings: Settings, stage: str) -> list[Any]:
    """The task of a stage; before `publish` the task that asks for approval, where the shop requires it."""
    if stage != "publish":
        return [_stage_task(shop, settings, stage)]
    asking = [approval.approval_task(settings)] if settings.approval.is_required else []
    return [*asking, _publish_task(shop, settings)]


def _stage_task(shop: Shop, settings: Settings, stage: str) -> Any:
    """The task of a stage other than `publish`; it returns the stage's counts."""

    @task(task_id=stage, doc_md=BY_NAME[stage].summary, show_return_value_in_logs=False)
    def run(**context: Any) -> dict[str, int | float | str]:
        return tasks.run_stage(shop, settings, stage, context)

    return _with_buttons(run())


def _publish_task(shop: Shop, settings: Settings) -> Any:
    """The last stage. It updates the asset when its lists went live, and is skipped when they did not."""
    asset = assets.published(settings)

    @task(
        task_id="publish", doc_md=BY_NAME["publish"].summary, outlets=[asset], show_return_value_in_logs=False
    )
    def run(**context: Any) -> dict[str, int | float | str]:
        counts = tasks.run_stage(shop, settings, "publish", context)
        context["ti"].xcom_push(key="return_value", value=counts)  # a skipped task returns nothing
        publication = tasks.live_publication(settings, context["dag_run"].run_id)
        assets.announce(context["outlet_events"], asset, publication)
        alerts.model_lost(settings, context, tasks.fallback(settings, context["dag_run"].run_id))
        return counts

    return _with_buttons(run())


def _with_buttons(step: Any) -> Any:
    step.operator.operator_extra_links = LINKS.get(step.operator.task_id, ())
    return step


all_settings = load_settings(find_shops())
for shop, settings in broken_settings.with_schedule_checked(all_settings).items():
    if isinstance(settings, SettingsError):
        broken_settings.failing_dag(shop, settings, all_settings)
    else:
        nightly(shop, settings)
