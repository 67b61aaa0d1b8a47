"""An Airflow plugin: the API server serves the pages of a run to users who may see the run.

They are at /nightshelf/<dag id>/<run id>/report and .../validation, where the buttons of the tasks lead.
The pages lie in the run folders, so the API server must be able to read those. A browser that is not logged
in is led to Airflow's login and back; programs get Airflow's own refusals, as JSON.
"""

from __future__ import annotations

import shlex
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

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
    from fastapi import Depends, FastAPI, HTTPException
    from fastapi.exception_handlers import http_exception_handler
    from fastapi.responses import HTMLResponse, RedirectResponse, Response
    from starlette.exceptions import HTTPException as AnyHTTPException

    from pipeline import advice, config
    from pipeline.errors import SettingsError
    from pipeline.runs.pages import PAGES, page_of
    from pipeline.shops import find_shops, load_settings, shop_of_dag

    app = FastAPI(title="Nightshelf", docs_url=None, redoc_url=None, openapi_url=None)
    may_see = Depends(requires_access_dag("GET", DagAccessEntity.RUN))

    def can_be_dag(dag_id: str) -> None:
        """Airflow looks the id up in its database, which refuses some characters."""
        if not dag_id.isprintable():
            raise HTTPException(404)

    route = "/{dag_id}/{run_id:path}/{page}"  # path: an encoded slash in a run id is part of it

    @app.get(route, dependencies=[Depends(can_be_dag), may_see], response_model=None)
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
        content = read(path) if path else None
        if content is None:
            again = f"python -m pipeline report --run-id {shlex.quote(run_id)}"
            again = advice.in_commands(again, shop.path)
            return nothing(
                f"The {page} of run {run_id} is written {WRITTEN[page]}.",
                f"If that is over: the page went with a user who was forgotten, and {again} makes it again;"
                " or the night was skipped, because newer lists were live; or the run was removed as old; or"
                " this API server cannot read its folder.",
            )
        return HTMLResponse(content, headers=HEADERS)

    @app.exception_handler(AnyHTTPException)
    async def refuse(request: Request, error: AnyHTTPException) -> Response:
        """Lead a browser to the login; tell a person in words; leave the rest as Airflow has it."""
        if error.status_code in (404, 405):
            return nothing("There is no page at this address.")
        if is_program(request) or error.status_code not in (401, 403):
            return await http_exception_handler(request, error)
        if getattr(request.state, "user", None) is None:
            return RedirectResponse(login_address(request))
        return nothing("You may not see the runs of this DAG.", status=403)

    def nothing(*sentences: str, status: int = 404) -> HTMLResponse:
        text = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
        return HTMLResponse(NOTHING.format(text), status, headers=HEADERS)

    return app


def read(path: Path) -> bytes | None:
    """The content of a page; None where this process may not read it, or it was removed just now."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def is_program(request: Request) -> bool:
    """Whether nobody looks at the answer: it comes with a token, or does not ask for HTML."""
    return "authorization" in request.headers or "text/html" not in request.headers.get("accept", "")


def login_address(request: Request) -> str:
    """Airflow's login, which leads back to the page that was asked for."""
    from airflow.configuration import conf

    base = str(conf.get("api", "base_url", fallback="")).rstrip("/")
    place = "/".join(quote(str(part), safe="") for part in request.path_params.values())
    return f"{base}/api/v2/auth/login?{urlencode({'next': f'{base}{PREFIX}/{place}'})}"


class NightshelfPlugin(AirflowPlugin):
    """Found by Airflow in `[core] plugins_folder`."""

    name = "nightshelf"

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Built on request: every part of Airflow loads the plugin, only the API server asks for this."""
        return [{"app": pages(), "url_prefix": PREFIX, "name": "Nightshelf"}]
