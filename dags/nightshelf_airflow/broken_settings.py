"""The DAG of a shop whose settings cannot be read: it fails with the reason, and somebody is alerted.

Other shops run. Where no shop can be read, `dags/rollback.py` has an import error as well, which Airflow's UI
shows on every page.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk import DAG, task

from nightshelf_airflow import alerts
from pipeline import environment
from pipeline.alerts import SETTINGS
from pipeline.errors import SettingsError

if TYPE_CHECKING:
    from pipeline.shops import Shop, ShopSettings


def failing_dag(shop: Shop, error: SettingsError, all_settings: ShopSettings) -> DAG:
    """A daily DAG under the id of the shop's nightly DAG, with one task, `settings`, that raises `error`.

    It alerts through the channels of `alerts.reachable`.
    """

    @task(task_id=SETTINGS, retries=0, doc_md="Tells what is wrong with the shop's settings.")
    def settings() -> None:
        raise error

    channels = alerts.reachable(shop, all_settings)
    with DAG(
        dag_id=re.sub(r"[^A-Za-z0-9_.-]", "_", shop.named("recommendations")),
        description=f"No night can run: {error.what}",
        doc_md=f"### No night can run\n\n```text\n{error}\n```\n",
        schedule="@daily" if _is_scheduled() else None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        default_args={"owner": "nightshelf", "on_failure_callback": alerts.on_task_failure(channels)},
        on_failure_callback=alerts.on_run_failure(channels),
        tags=["nightshelf", "broken settings"],
    ) as dag:
        settings()
    return dag


def with_schedule_checked(all_settings: ShopSettings) -> ShopSettings:
    """`all_settings`; where NIGHTSHELF_SCHEDULE is wrong, that error for every shop."""
    try:
        environment.is_scheduled()
    except SettingsError as error:
        return dict.fromkeys(all_settings, error)
    return all_settings


def _is_scheduled() -> bool:
    try:
        return environment.is_scheduled()
    except SettingsError:
        return True  # so that the failure is seen
