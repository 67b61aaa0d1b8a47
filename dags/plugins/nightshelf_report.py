"""An Airflow plugin: the API server serves the pages of a run to users who may see the run.

They are at /nightshelf/<dag id>/<run id>/report and .../validation, where the buttons of the tasks lead.
The pages lie in the run folders, so the API server must be able to read those.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from fastapi import FastAPI

PREFIX = "/nightshelf"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:;"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}
WRITTEN = {
    "report": "when its lists are published or refused, or when the data stops the night",
    "validation": "when its task validate ends, whether the data passes or not",
}
NOTHING = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Nothing to show</title><style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }}
p {{ overflow-wrap: anywhere; }}
</style></head><body><h1>Nothing to show</h1>{}</body></html>
"""


def pages() -> FastAPI:
    """The application that answers under PREFIX."""
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.core_api.security import requires_access_dag
    from fastapi import Depends, FastAPI
    from fastapi.responses import HTMLResponse

    from pipeline import config
    from pipeline.errors import SettingsError
    from pipeline.runs.pages import PAGES, page_of
    from pipeline.shops import find_shops, load_settings, shop_of_dag

    app = FastAPI(title="Nightshelf", docs_url=None, redoc_url=None, openapi_url=None)
    may_see = Depends(requires_access_dag("GET", DagAccessEntity.RUN))

    @app.get("/{dag_id}/{run_id}/{page}", dependencies=[may_see], response_model=None)
    def show(dag_id: str, run_id: str, page: str) -> Any:
        """A page of a run of the DAG `dag_id`; the runs of another shop are those of another DAG."""
        all_settings = load_settings(find_shops())
        shop = shop_of_dag(dag_id, all_settings)
        if shop is None or page not in PAGES:
            return nothing(f"The DAG {dag_id} has no page “{page}”.")
        settings = all_settings[shop]
        if isinstance(settings, SettingsError):
            return nothing(f"{shop.path.name} cannot be used: the DAG {dag_id} says why.")
        path = page_of(config.runs_folder(settings), run_id, page)
        if path is None:
            return nothing(
                f"The {page} of run {run_id} is written {WRITTEN[page]}.",
                "If that is over: the page went with a user who was forgotten, and python -m pipeline report"
                f" --run-id {run_id} makes it again; or the run was removed as old; or its folder is not on"
                " the machine of this API server.",
            )
        return HTMLResponse(path.read_bytes(), headers=HEADERS)

    def nothing(*sentences: str) -> HTMLResponse:
        text = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
        return HTMLResponse(NOTHING.format(text), 404, headers=HEADERS)

    return app


class NightshelfPlugin(AirflowPlugin):
    """Found by Airflow in `[core] plugins_folder`."""

    name = "nightshelf"

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Built on request: every part of Airflow loads the plugin, only the API server asks for this."""
        return [{"app": pages(), "url_prefix": PREFIX, "name": "Nightshelf"}]
