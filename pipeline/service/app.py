"""Puts the service together."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp

from pipeline.config import Settings
from pipeline.reading.refusals import UNSTORABLE, Refusal, Unavailable, Unstorable
from pipeline.service import operations, pages, routes
from pipeline.service.lists import Lists
from pipeline.service.middleware import Middleware
from pipeline.service.records import Records
from pipeline.service.replies import refusal
from pipeline.service.tokens import OPEN, Tokens

log = logging.getLogger(__name__)

NOT_FOUND = "there is no such route; /docs has them all"


def make_app(database: Lists, settings: Settings, tokens: tuple[str, ...] = ()) -> ASGIApp:
    """The service of one shop.

    database: where its lists are read
    tokens:   one of them opens it; none: it is open
    """
    records, admitted = Records(), Tokens(tokens)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await database.open()
        try:
            yield
        finally:
            await database.close()

    app = FastAPI(
        title="Nightshelf",
        description="What a shop recommends: the lists of the live publication.",
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.database, app.state.records, app.state.tokens = database, records, admitted
    _tell_errors(app, str(settings.service.retry_after_seconds))
    for router in (routes.router, operations.router, pages.router):
        app.include_router(router)
    if admitted:
        _name_tokens(app)
    return Middleware(app, admitted, records)


def _name_tokens(app: FastAPI) -> None:
    """Let the OpenAPI document say that a token is needed, and where not."""
    document = app.openapi()
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}]
    for path in OPEN:
        for about in document["paths"].get(path, {}).values():
            about["security"] = []


def _tell_errors(app: FastAPI, retry_after: str) -> None:
    """One sentence for each error, and a trace for none."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, error: Refusal) -> Response:
        return refusal(error.status, error.detail)

    @app.exception_handler(Unavailable)
    async def away(_: Request, error: Unavailable) -> Response:
        return refusal(503, str(error), {"Retry-After": retry_after})

    @app.exception_handler(Unstorable)
    async def unstorable(_: Request, error: Unstorable) -> Response:
        return refusal(422, UNSTORABLE)

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, error: ClientDisconnect) -> Response:
        return refusal(400, "the request ended before its body did")

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> Response:
        detail, headers = str(error.detail), dict(error.headers or {})
        if error.status_code == 404:
            detail = NOT_FOUND
        if error.status_code == 405:
            methods = headers.get("Allow", "").replace("GET", "GET, HEAD")
            detail, headers = f"this route takes {methods} and nothing else", {"Allow": methods}
        return refusal(error.status_code, detail, headers)

    @app.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> Response:
        return refusal(500, "something is wrong in the service; its log says what")
