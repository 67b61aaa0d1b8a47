"""Airflow's API server shows the pages of the runs, at /nightshelf/report/<run id>, to who may see the runs.

A page lies in its run folder; an API server on a machine without the run folders has none to show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from fastapi import FastAPI

DAG_ID = "recommendations"
PREFIX = "/nightshelf"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:;"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}


def reports() -> FastAPI:
    """The application that answers under PREFIX."""
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.core_api.security import requires_access_dag
    from fastapi import Depends, FastAPI, HTTPException
    from fastapi.responses import HTMLResponse

    from pipeline import config
    from pipeline.page import page_of

    app = FastAPI(title="Nightshelf reports", docs_url=None, redoc_url=None, openapi_url=None)
    may_see = Depends(requires_access_dag("GET", DagAccessEntity.RUN, param_dag_id=DAG_ID))

    @app.get("/report/{run_id}", dependencies=[may_see], response_model=None)
    def report(run_id: str) -> Any:
        """The page of one run."""
        page = page_of(config.runs_folder(config.load()), run_id)
        if page is None:
            raise HTTPException(404, f"run {run_id} has no report on the machine of this API server")
        return HTMLResponse(page.read_bytes(), headers=HEADERS)

    return app


class NightshelfPlugin(AirflowPlugin):
    """Found by Airflow in `[core] plugins_folder`."""

    name = "nightshelf"

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Built where it is asked for, in the API server: other parts of Airflow load plugins too."""
        return [{"app": reports(), "url_prefix": PREFIX, "name": "Nightshelf reports"}]
