"""Two DAGs of every shop for the night shift: put an earlier publication live again, and end a hold."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from airflow.sdk import DAG, Param, task
from airflow.sdk.exceptions import AirflowSkipException
from nightshelf_airflow import alerts, assets
from nightshelf_airflow.connections import databases
from nightshelf_airflow.failures import RETRIES
from nightshelf_airflow.night import log

from pipeline.errors import NightshelfError, SettingsError
from pipeline.shops import Shop, settled, shops
from pipeline.versions import number, remembered

if TYPE_CHECKING:
    from pipeline.config import Settings
    from pipeline.serving import Moved

ROLLBACK = """
### Take a publication back

Puts a stored publication live again, in milliseconds; nothing is computed. Without a version it is the
one that was live before this one, so twice undoes itself. Recorded in `{schema}.live_history`.

**Hold** keeps later nights stored but not live, until the DAG `{release}` is triggered.

Without Airflow: `python -m pipeline rollback`, or in SQL, as a member of `{prefix}_operator`:
`SELECT * FROM {schema}.rollback();`
"""
RELEASE = """
### End a hold

The newest publication that the hold kept back goes live, and later nights do again. Without a hold
nothing happens. In SQL: `SELECT * FROM {schema}.release();`
"""


def form(shop: Shop, settings: Settings) -> dict[str, Param]:
    """The version, with the stored ones proposed, and whether to hold."""
    return {
        "version": Param(
            None,
            type=["null", "string", "integer"],
            examples=remembered(settings),
            title="Version",
            description="the publication to put live, by its number; empty: what was live before",
        ),
        "hold": Param(
            False,
            type="boolean",
            title="Hold",
            description="keep later nights stored but not live, until the DAG "
            f"{shop.named('release')} is triggered",
        ),
    }


def night_shift(shop: Shop, settings: Settings) -> None:
    """Both DAGs of one shop."""
    asset = assets.published(settings)

    @task(
        task_id="rollback",
        retries=0,  # without a version a second try would undo the first
        outlets=[asset],
        doc_md="Moves the pointer to the version and records who asked for it.",
    )
    def put_back(**context: Any) -> dict[str, int | bool]:
        """Counts for XCom: the version before, the version live now, whether a hold is on."""
        from pipeline.serving import rollback

        params, url = context["params"], databases(shop, settings).serving()
        to = number(params["version"])
        moved = rollback(url, settings, to=to, hold=params["hold"], who=who(context), say=log.info)
        return afterwards(settings, url, context, asset, moved)

    @task(
        task_id="release",
        outlets=[asset],
        doc_md="Ends the hold and puts the newest lists it kept back live.",
    )
    def end_hold(**context: Any) -> dict[str, int | bool]:
        """Counts for XCom: the version before, the version live now."""
        from pipeline.serving import release

        url = databases(shop, settings).serving()
        moved = release(url, settings, who=who(context), say=log.info)
        return afterwards(settings, url, context, asset, moved)

    names = {
        "schema": settings.serving.schema_name,
        "prefix": settings.serving.role_prefix,
        "release": shop.named("release"),
    }
    shared: dict[str, Any] = {
        "schedule": None,
        "max_active_runs": 1,
        "is_paused_upon_creation": False,
        "tags": ["nightshelf", *([shop.name] if shop.name else [])],
        "default_args": {"owner": "nightshelf", **RETRIES, **alerts.on_failure(settings)},
        "on_failure_callback": alerts.when_lost(settings),
    }
    with DAG(
        dag_id=shop.named("rollback"),
        description="Puts an earlier publication live again",
        doc_md=ROLLBACK.format(**names),
        params=form(shop, settings),
        **shared,
    ):
        put_back()
    with DAG(
        dag_id=shop.named("release"),
        description="Ends a hold: the newest publication it kept back goes live",
        doc_md=RELEASE.format(**names),
        **shared,
    ):
        end_hold()


def who(context: Mapping[str, Any]) -> str:
    """The person behind the run, for the record."""
    return f"{context['dag_run'].triggering_user_name or 'nobody by name'} in Airflow"


def afterwards(
    settings: Settings, url: str, context: Mapping[str, Any], asset: Any, moved: Moved
) -> dict[str, int | bool]:
    """Announce what is live now, and propose what is stored; what was done stands if this fails.

    Raises AirflowSkipException where other lists did not go live: that is no update for anyone.
    """
    from pipeline.serving import publications
    from pipeline.versions import remember

    remember(url, settings, log.info)
    if moved.from_version == moved.live_version:
        context["ti"].xcom_push(key="return_value", value=vars(moved))
        raise AirflowSkipException(f"version {moved.live_version} was live before and is")
    try:
        stored, _ = publications(url, settings)
        for live in (row for row in stored if row.state == "live"):
            assets.announce(context["outlet_events"], asset, vars(live))
    except NightshelfError as error:
        log.warning("the asset's event says nothing of the version: %s", error)
    return vars(moved)


for each, told in settled(shops()).items():
    if not isinstance(told, SettingsError):
        night_shift(each, told)
