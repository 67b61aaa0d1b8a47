"""The DAG of a shop whose settings cannot be read: it fails with the reason, and the other shops run."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk import DAG, task

if TYPE_CHECKING:
    from nightshelf_airflow.alerts import Callback
    from pipeline.errors import SettingsError
    from pipeline.shops import Shop


def failing_dag(shop: Shop, error: SettingsError, on_task_failure: Callback | None) -> DAG:
    """A daily DAG under the id of the shop's nightly DAG, with one task, `settings`, that raises `error`.

    on_task_failure: alerts through the channels of a shop that can be read
    """

    @task(task_id="settings", retries=0, doc_md="Tells what is wrong with the shop's settings.")
    def settings() -> None:
        raise error

    with DAG(
        dag_id=re.sub(r"[^A-Za-z0-9_.-]", "_", shop.named("recommendations")),
        description=f"{shop.path.name} cannot be read",
        doc_md=f"### {shop.path.name} cannot be read\n\n```text\n{error}\n```\n",
        schedule="@daily",
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        default_args={"owner": "nightshelf", "on_failure_callback": on_task_failure},
        tags=["nightshelf", "broken settings"],
    ) as dag:
        settings()
    return dag
