"""Airflow's API server shows the pages of the runs to who may see the runs.

They are at /nightshelf/<dag id>/<run id>/report and .../validation; the buttons of the tasks lead there.
A page lies in its run folder; an API server on a machine without the run folders has none to show.
"""

from __future__ import annotations

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


def pages() -> FastAPI:
    """The application that answers under PREFIX."""
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.core_api.security import requires_access_dag
    from fastapi import Depends, FastAPI, HTTPException
    from fastapi.responses import HTMLResponse

    from pipeline import config
    from pipeline.page import PAGES, page_of
    from pipeline.shops import shop_of, shops

    app = FastAPI(title="Nightshelf", docs_url=None, redoc_url=None, openapi_url=None)
    may_see = Depends(requires_access_dag("GET", DagAccessEntity.RUN))

    @app.get("/{dag_id}/{run_id}/{page}", dependencies=[may_see], response_model=None)
    def show(dag_id: str, run_id: str, page: str) -> Any:
        """One page of one run of one shop."""
        shop = shop_of(dag_id, shops())
        if shop is None or page not in PAGES:
            raise HTTPException(404, f"{dag_id} has no page `{page}`")
        path = page_of(config.runs_folder(config.load(shop.path)), run_id, page)
        if path is None:
            raise HTTPException(404, f"run {run_id} has no {page} yet on the machine of this API server")
        return HTMLResponse(path.read_bytes(), headers=HEADERS)

    return app


class NightshelfPlugin(AirflowPlugin):
    """Found by Airflow in `[core] plugins_folder`."""

    name = "nightshelf"

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Built where it is asked for, in the API server: other parts of Airflow load plugins too."""
        return [{"app": pages(), "url_prefix": PREFIX, "name": "Nightshelf"}]
