"""Puts the service together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from pipeline.config import Settings
from pipeline.service import operations, pages, replies, routes
from pipeline.service.door import Away, Door
from pipeline.service.gate import Gate


def make_app(url: str, settings: Settings, tokens: tuple[str, ...] = ()) -> ASGIApp:
    """The service of one shop.

    url:    of a login that is a member of the reader's role
    tokens: one of them opens it; none: it is open
    """
    door = Door(url, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await door.pool.open(wait=False)
        try:
            yield
        finally:
            await door.pool.close(timeout=2)

    app = FastAPI(title="Nightshelf", version="1", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.door = door

    @app.exception_handler(replies.Refusal)
    async def refused(_: Request, error: replies.Refusal) -> Response:
        return replies.refusal(error.status, error.detail)

    @app.exception_handler(Away)
    async def away(_: Request, error: Away) -> Response:
        return replies.refusal(503, str(error), {"Retry-After": str(settings.service.retry_after_seconds)})

    @app.exception_handler(RequestValidationError)
    async def wrong(_: Request, error: RequestValidationError) -> Response:
        fault = error.errors()[0]
        return replies.refusal(422, f"{fault['loc'][-1]}: {fault['msg'].lower()}")

    @app.exception_handler(HTTPException)
    async def unknown(_: Request, error: HTTPException) -> Response:
        return replies.refusal(error.status_code, str(error.detail), dict(error.headers or {}))

    for router in (routes.router, operations.router, pages.router):
        app.include_router(router)
    return Gate(app)
