"""What people open in a browser: the page at `/` and the files beside it, the form, the list of routes."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from pipeline.reading.refusals import Refusal
from pipeline.reading.replies import SHARED, etag, is_known
from pipeline.service import tokens
from pipeline.service.routes_page import routes_page

FOLDER = Path(__file__).parent / "page"
TYPES = {".js": "text/javascript", ".webmanifest": "application/manifest+json", ".woff2": "font/woff2"}
router = APIRouter(include_in_schema=False)


@router.get("/")
async def page(request: Request) -> Response:
    """The page itself."""
    return _file(request, "index.html")


@router.get("/page/{name}")
async def part(request: Request, name: str) -> Response:
    """A file of the page."""
    return _file(request, name)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The routes, for people."""
    return HTMLResponse(routes_page(request.app.openapi()), headers={"Cache-Control": SHARED})


@router.get("/login")
async def form(request: Request) -> Response:
    """The form that asks for a token."""
    _need_tokens(request)
    return tokens.form(200)


@router.post("/login")
async def log_in(request: Request) -> Response:
    """A cookie for a right token."""
    admitted = _need_tokens(request)
    return admitted.log_in(await request.body(), is_https=request.url.scheme == "https")


@router.post("/logout")
async def log_out(request: Request) -> Response:
    """No cookie any more."""
    _need_tokens(request)
    return tokens.log_out()


def _need_tokens(request: Request) -> tokens.Tokens:
    known: tokens.Tokens = request.app.state.tokens
    if not known:
        raise Refusal(404, "no token is asked for here")
    return known


def _file(request: Request, name: str) -> Response:
    """Read anew at each request: the files are small, and seldom asked for."""
    path = next((path for path in FOLDER.iterdir() if path.name == name), None)
    if path is None:
        raise Refusal(404, "there is no such page")
    content = path.read_bytes()
    headers = {"ETag": etag(content), "Cache-Control": SHARED}
    if is_known(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    kind = TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(content, media_type=kind, headers=headers)
