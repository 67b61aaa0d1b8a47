"""A DAG of each shop that has a Redis server: copies what is live to it, and follows blocked items."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, task
from airflow.sdk.exceptions import AirflowSkipException
from nightshelf_airflow import assets
from nightshelf_airflow.advice import adapted_errors, say_for, settings_file
from nightshelf_airflow.connections import databases, redis_url
from nightshelf_airflow.dag_arguments import shared_arguments

from pipeline import advice, environment
from pipeline.config import Settings
from pipeline.shops import Shop, find_shops, load_settings

log = logging.getLogger("nightshelf_airflow.export")

ABOUT = """
### Lists in Redis

Copies what is live in `{schema}` to the Redis server of the connection `{connection}`: when other lists go
live, and every {minutes} minutes, so that a rollback in SQL and blocked items are followed too. What is there
already is not copied again. Apps read the lists of before until all new ones are written.

Without Airflow: `python -m pipeline export redis`.
"""


def export_dag(shop: Shop, settings: Settings) -> DAG:
    """The DAG `export_redis` of one shop."""
    wanted = settings.redis
    with DAG(
        dag_id=shop.named("export_redis"),
        description="Copies what is live to Redis",
        doc_md=advice.in_commands(
            ABOUT.format(
                schema=settings.serving.schema_name,
                connection=wanted.connection,
                minutes=wanted.check_minutes,
            ),
            settings_file(shop),
        ),
        schedule=_schedule(settings),
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        is_paused_upon_creation=False,
        **shared_arguments(shop, settings),
    ) as dag:

        @task(
            task_id="export",
            doc_md="Compares Redis with what is live, copies that where it is another, pointer last.",
        )
        def run() -> dict[str, int]:
            """Counts for XCom: the version that Redis holds, keys written, blocked items."""
            from pipeline.errors import NothingPublished
            from pipeline.export.redis import export

            with adapted_errors(shop):
                try:
                    done = export(databases(shop, settings).serving(), redis_url(shop, settings), settings)
                except NothingPublished as error:  # before the first night there is no fault in that
                    raise AirflowSkipException(error.what) from None
            say_for(shop, log)(done.in_words())
            return vars(done)

        run()
    return dag


def _schedule(settings: Settings) -> AssetOrTimeSchedule | None:
    """When other lists go live, and every few minutes."""
    if not environment.is_scheduled():
        return None
    clock = CronTriggerTimetable(f"*/{settings.redis.check_minutes} * * * *", timezone="UTC")
    return AssetOrTimeSchedule(timetable=clock, assets=[assets.published(settings)])


for shop, settings in load_settings(find_shops()).items():
    if isinstance(settings, Settings) and settings.redis.connection:
        export_dag(shop, settings)
