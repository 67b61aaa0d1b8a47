"""An example: a DAG of every shop that fetches the users from an HTTP API into a table for `users.sql`.

For a shop whose customers, or what is known of them, live in another system: a CRM, a loyalty programme.
Change DEFAULTS to what your API promises, and SCHEDULE to a time before the night. What one request, page
and transaction do is in `pipeline/fetching/`.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from airflow.sdk import DAG, Asset, CronTriggerTimetable, Param, task
from nightshelf_airflow import broken_settings
from nightshelf_airflow.advice import adapted_errors, say_for
from nightshelf_airflow.connections import url_of
from nightshelf_airflow.dag_arguments import shared_arguments

from pipeline import environment
from pipeline.config import Settings
from pipeline.shops import Shop, find_shops, load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger("nightshelf_airflow.fetch_users")

SCHEDULE: str | None = None
"""When the users are fetched, such as "0 23 * * *", in the time zone of schedule.timezone; None: when
somebody triggers it."""

DEFAULTS: dict[str, Any] = {
    "http_connection": "users_api",
    "endpoint": "/users",
    "records": "data",
    "id_field": "id",
    "fields": ["segment"],
    "paging": "cursor",
    "next_field": "next_cursor",
    "position_parameter": "cursor",
    "first_page": 1,
    "size_parameter": "limit",
    "page_size": 200,
    "requests_a_minute": 60,
    "table": "fetched_users",
    "database_connection": None,
    "may_be_fewer": False,
}
"""What the trigger form proposes, and what a scheduled run does."""

DOC = """
### Users from an HTTP API

Asks the API for one page of users after the other, and puts all of them into one table of the source
database, in one transaction: the night reads the users of before or those of now.

#### When it fails

Its log says what was found, what was promised and the next step. The table is as it was. Clear the task, and
it goes on with the first page that it has not kept. A new run begins with the first page.

#### Secrets

Login, headers and keys belong into the Airflow connection, not into this form: the form is kept in Airflow's
database, and everybody who sees the DAG sees it.
"""


def fetching(shop: Shop, settings: Settings) -> DAG:
    """The DAG `fetch_users` of one shop."""
    with DAG(
        dag_id=shop.named("fetch_users"),
        description="Fetches the users from an HTTP API into a table of the source database",
        doc_md=DOC,
        params=form(settings),
        schedule=_schedule(settings),
        start_date=datetime(2020, 1, 1, tzinfo=ZoneInfo(settings.schedule.timezone)),
        catchup=False,
        is_paused_upon_creation=True,
        **shared_arguments(shop, settings),
    ) as dag:

        @task(
            task_id="fetch_users",
            outlets=[Asset(shop.named("fetched_users"))],
            doc_md="Fetches page after page, then replaces the table.",
        )
        def run(**context: Any) -> dict[str, int]:
            """Counts for XCom: pages, users in the table before and now."""
            with adapted_errors(shop):
                return fetch(shop, settings, context)

        run()
    return dag


def _schedule(settings: Settings) -> CronTriggerTimetable | None:
    """SCHEDULE, unless NIGHTSHELF_SCHEDULE switches all schedules off."""
    if SCHEDULE is None or not environment.is_scheduled():
        return None
    return CronTriggerTimetable(SCHEDULE, timezone=settings.schedule.timezone)


def fetch(shop: Shop, settings: Settings, context: Mapping[str, Any]) -> dict[str, int]:
    """Fetch what the form of this run says. Raises NightshelfError."""
    from nightshelf_airflow.http_api import HttpApi

    from pipeline import jobs
    from pipeline.fetching.pace import Pace
    from pipeline.fetching.plan import plan_of
    from pipeline.fetching.users import fetch_users
    from pipeline.home import keep_private

    keep_private()
    params, dag_run, say = context["params"], context["dag_run"], say_for(shop, log)
    jobs.check_form(dag_run.conf or {}, form(settings))
    with HttpApi(params["http_connection"], params["endpoint"]) as api:
        fetched = fetch_users(
            url_of(shop, "source", params["database_connection"] or settings.source.connection),
            plan_of(params, api.address, settings.ids.user, api.secrets),
            Pace(api.get, params["requests_a_minute"], say),
            run=dag_run.run_id,
            now=datetime.now(UTC),
            say=say,
            silent_minutes=settings.source.silent_minutes,
        )
    return vars(fetched)


def form(settings: Settings) -> dict[str, Param]:
    """The fields of the trigger form."""
    text, optional, count = (
        {"type": "string", "minLength": 1},
        {"type": ["null", "string"]},
        {"type": "integer"},
    )
    api, pages, database = {"section": "API"}, {"section": "Pages"}, {"section": "Table"}
    fields: dict[str, tuple[str, str, dict[str, Any]]] = {
        "http_connection": (
            "HTTP connection",
            "Airflow connection of type http; it holds the secrets",
            text | api,
        ),
        "endpoint": ("Endpoint", "path behind the connection's host", text | api),
        "requests_a_minute": (
            "Requests a minute",
            "the most that are sent; what the API itself asks for, by Retry-After, is kept as well",
            {**count, "minimum": 1, "maximum": 6000, **api},
        ),
        "records": (
            "Records",
            "where the list of users stands in an answer, such as data.users; empty: the answer is the list",
            optional | api,
        ),
        "id_field": (
            "Id",
            f"field of a user that holds the id; by ids.user it has to be: {settings.ids.user}",
            text | api,
        ),
        "fields": (
            "Fields",
            "what else is kept, one a line: name, or name:kind with kind text, number, boolean or date; a.b"
            " for b inside a, which becomes the column a_b; name? where all users may lack it",
            {"type": "array", "items": {"type": "string"}, "maxItems": 100, **api},
        ),
        "paging": (
            "Paging",
            "how the API names the next page",
            {"type": "string", "enum": ["cursor", "next link", "page number"], **pages},
        ),
        "next_field": (
            "Next page",
            "where the cursor or link stands in an answer; empty: the link is in the header Link",
            optional | pages,
        ),
        "position_parameter": (
            "Parameter of the page",
            "of the query, that takes the cursor or the page number",
            text | pages,
        ),
        "first_page": ("First page", "its number", {**count, "minimum": 0, "maximum": 1, **pages}),
        "size_parameter": (
            "Parameter of the size",
            "of the query, that takes the page size; empty: none",
            optional | pages,
        ),
        "page_size": (
            "Page size",
            "users a page; at most one page is in memory",
            {**count, "minimum": 1, "maximum": 10_000, **pages},
        ),
        "table": (
            "Table",
            "that is replaced; it is made where there is none. A schema may stand before it",
            {**text, "maxLength": 104, **database},
        ),
        "database_connection": (
            "Database connection",
            f"a login that may create tables; empty: {settings.source.connection}, of the night",
            optional | database,
        ),
        "may_be_fewer": (
            "May be fewer",
            "replace the table although fewer than half of its users are left",
            {"type": "boolean", **database},
        ),
    }
    return {
        name: Param(DEFAULTS[name], title=title, description=description, **schema)
        for name, (title, description, schema) in fields.items()
    }


for shop, settings in broken_settings.with_schedule_checked(load_settings(find_shops())).items():
    if isinstance(settings, Settings):  # what is wrong with another one, its nightly DAG says
        fetching(shop, settings)
