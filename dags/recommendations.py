"""The nightly DAG of every shop: order, schedule, retries. What a stage does is in `pipeline/stages/`."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from airflow.sdk import DAG, TaskGroup, chain, task
from nightshelf_airflow import alerts, approval, assets, broken, night
from nightshelf_airflow.channels import has_channel
from nightshelf_airflow.failures import RETRIES
from nightshelf_airflow.form import form
from nightshelf_airflow.links import LINKS

from pipeline import config
from pipeline.contract.stages import BY_NAME, STAGES
from pipeline.errors import SettingsError
from pipeline.shops import Shop, settled, shops

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
    """The DAG of one shop."""
    fields = form(settings)
    with DAG(
        dag_id=shop.named("recommendations"),
        description=f"Restocks the recommendation shelves{_of(shop)}",
        doc_md=DOC.format(
            of=_of(shop),
            schema=settings.serving.schema_name,
            file=shop.path.name,
            runs=config.runs_folder(settings),
        ),
        schedule=assets.schedule(settings),
        start_date=datetime(2020, 1, 1, tzinfo=ZoneInfo(settings.schedule.timezone)),
        catchup=False,
        max_active_runs=1,
        params=fields,
        tags=["nightshelf", *([shop.name] if shop.name else [])],
        default_args={"owner": "nightshelf", **RETRIES, **alerts.on_failure(settings)},
        on_failure_callback=alerts.when_lost(settings),
        deadline=alerts.when_late(shop, settings),
    ) as dag:
        groups: list[Any] = [_tidy(shop, settings)]
        for group, (title, names) in GROUPS.items():
            with TaskGroup(group, prefix_group_id=False, tooltip=title) as box:
                chain(*(part for name in names for part in _parts(shop, settings, name)))
            groups.append(box)
        chain(*groups)
        dag.get_task(STAGES[0].name).trigger_rule = "all_done"  # old runs that stay cost no night
    return dag


def _of(shop: Shop) -> str:
    return f" of {shop.name}" if shop.name else ""


def _parts(shop: Shop, settings: Settings, name: str) -> list[Any]:
    """The task of a stage; before `publish` the question whether to, where the shop wants to be asked."""
    asked = [approval.question(settings)] if name == "publish" and settings.approval.is_required else []
    return [*asked, _publish(shop, settings) if name == "publish" else _stage(shop, settings, name)]


def _stage(shop: Shop, settings: Settings, name: str) -> Any:
    """The task of one stage; it returns the stage's counts."""

    @task(task_id=name, doc_md=BY_NAME[name].summary, show_return_value_in_logs=False)
    def run(**context: Any) -> dict[str, int | float | str]:
        return night.run_stage(shop, settings, name, context)

    return _linked(run())


def _publish(shop: Shop, settings: Settings) -> Any:
    """The last stage: what goes live is announced; what does not is no update for anyone."""
    asset = assets.published(settings)

    @task(
        task_id="publish", doc_md=BY_NAME["publish"].summary, outlets=[asset], show_return_value_in_logs=False
    )
    def run(**context: Any) -> dict[str, int | float | str]:
        counts = night.run_stage(shop, settings, "publish", context)
        context["ti"].xcom_push(key="return_value", value=counts)
        assets.announce(context["outlet_events"], asset, night.published(settings, context["dag_run"].run_id))
        return counts

    return _linked(run())


def _linked(made: Any) -> Any:
    made.operator.operator_extra_links = LINKS.get(made.operator.task_id, ())
    return made


def _tidy(shop: Shop, settings: Settings) -> Any:
    """Old run folders make room for tonight's.

    First, because the state of a run is that of its last task; and no teardown, because with one left to
    run Airflow calls a night that a person stopped a success.
    """

    @task(
        task_id="remove_old_runs", doc_md=f"Remove run folders older than {settings.run.keep_runs_days} days."
    )
    def run() -> dict[str, int | float | str]:
        return night.remove_old_runs(shop, settings)

    return run()


found = settled(shops())
readable = {shop: each for shop, each in found.items() if not isinstance(each, SettingsError)}
if not readable:
    raise next(each for each in found.values() if isinstance(each, SettingsError))
teller = next(filter(has_channel, readable.values()), next(iter(readable.values())))
for shop, settings in found.items():
    if isinstance(settings, SettingsError):
        broken.dag(shop, settings, alerts.on_failure(teller))
    else:
        nightly(shop, settings)
