"""Two DAGs of every shop for the night shift: put an earlier publication live again, and end a hold."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from airflow.sdk import DAG, Param, task
from airflow.sdk.exceptions import AirflowSkipException
from nightshelf_airflow import assets
from nightshelf_airflow.advice import adapted_errors, say_for, settings_file
from nightshelf_airflow.connections import databases
from nightshelf_airflow.dag_arguments import shared_arguments

from pipeline import advice
from pipeline.config import Settings
from pipeline.errors import NightshelfError, SettingsError
from pipeline.home import keep_private
from pipeline.rollback_form import save_choices, saved_choices, version_of
from pipeline.shops import Shop, find_shops, load_settings

if TYPE_CHECKING:
    from pipeline.serving import Moved

log = logging.getLogger("nightshelf_airflow.rollback")

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


def rollback_dag(shop: Shop, settings: Settings) -> DAG:
    """The DAG `rollback` of one shop."""
    with DAG(
        dag_id=shop.named("rollback"),
        description="Puts an earlier publication live again",
        doc_md=advice.in_commands(
            ROLLBACK.format(
                schema=settings.serving.schema_name,
                prefix=settings.serving.role_prefix,
                release=shop.named("release"),
            ),
            settings_file(shop),
        ),
        params=form(shop, settings),
        schedule=None,
        is_paused_upon_creation=False,
        **shared_arguments(shop, settings),
    ) as dag:
        asset = assets.published(settings)

        @task(
            task_id="rollback",
            retries=0,  # without a version a second try would undo the first
            outlets=[asset],
            doc_md="Moves the pointer to the version and records who asked for it.",
        )
        def run(**context: Any) -> dict[str, int | bool]:
            """Counts for XCom: the version before, the version live now, whether a hold is on."""
            from pipeline.serving import rollback

            params, url = context["params"], databases(shop, settings).serving()
            say, who = say_for(shop, log), _person(context)
            with adapted_errors(shop):
                version = version_of(params["version"])
                moved = rollback(url, settings, to=version, hold=params["hold"], who=who, say=say)
            return _announce(settings, url, context, asset, moved)

        run()
    return dag


def release_dag(shop: Shop, settings: Settings) -> DAG:
    """The DAG `release` of one shop."""
    with DAG(
        dag_id=shop.named("release"),
        description="Ends a hold: the newest publication it kept back goes live",
        doc_md=RELEASE.format(schema=settings.serving.schema_name),
        schedule=None,
        is_paused_upon_creation=False,
        **shared_arguments(shop, settings),
    ) as dag:
        asset = assets.published(settings)

        @task(
            task_id="release",
            outlets=[asset],
            doc_md="Ends the hold and puts the newest lists it kept back live.",
        )
        def run(**context: Any) -> dict[str, int | bool]:
            """Counts for XCom: the version before, the version live now, whether a hold is on."""
            from pipeline.serving import release

            url = databases(shop, settings).serving()
            with adapted_errors(shop):
                moved = release(url, settings, who=_person(context), say=say_for(shop, log))
            return _announce(settings, url, context, asset, moved)

        run()
    return dag


def form(shop: Shop, settings: Settings) -> dict[str, Param]:
    """The fields of the DAG `rollback`: the version, with the stored ones proposed, and whether to hold."""
    return {
        "version": Param(
            None,
            type=["null", "string", "integer"],
            examples=saved_choices(settings),
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


def _person(context: Mapping[str, Any]) -> str:
    """Who triggered the run, for `live_history`."""
    return f"{context['dag_run'].triggering_user_name or 'nobody by name'} in Airflow"


def _announce(
    settings: Settings, url: str, context: Mapping[str, Any], asset: Any, moved: Moved
) -> dict[str, int | bool]:
    """Save the form's choices and describe the live version in the asset's event; returns the counts.

    A NightshelfError is logged and not raised: the rollback before this call is done. Raises
    AirflowSkipException where the live version is the one of before, so that the asset is not updated.
    """
    from pipeline.serving import publications

    keep_private()
    save_choices(url, settings, log.info)
    if moved.from_version == moved.live_version:
        context["ti"].xcom_push(key="return_value", value=vars(moved))  # a skipped task returns nothing
        raise AirflowSkipException(f"version {moved.live_version} was live before and is")
    try:
        stored, _ = publications(url, settings)
        for publication in stored:
            if publication.state == "live":
                assets.announce(context["outlet_events"], asset, vars(publication))
    except NightshelfError as error:
        log.warning("the asset's event says nothing of the version: %s", error)
    return vars(moved)


all_settings = load_settings(find_shops())
readable = {shop: settings for shop, settings in all_settings.items() if isinstance(settings, Settings)}
if not readable:  # an import error is shown on every page of the UI; the nightly DAG fails, and alerts
    raise next(error for error in all_settings.values() if isinstance(error, SettingsError))
for shop, settings in readable.items():
    rollback_dag(shop, settings)
    release_dag(shop, settings)
