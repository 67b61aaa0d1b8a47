"""The DAG of a shop whose settings cannot be read: it fails with the reason, and the other shops run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, task

if TYPE_CHECKING:
    from pipeline.errors import SettingsError
    from pipeline.shops import Shop


def dag(shop: Shop, error: SettingsError, alerts: Mapping[str, Any]) -> DAG:
    """A daily DAG under the shop's own id with one task, `settings`, that raises `error`.

    alerts: default arguments that tell of it, those of a shop that can be read
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
        default_args={"owner": "nightshelf", **alerts},
        tags=["nightshelf", "broken settings"],
    ) as made:
        settings()
    return made
