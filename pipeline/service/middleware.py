"""What every request passes on its way in and out: path, host, token, size, headers, log line.

HEAD is answered as GET: the server leaves the body out.
"""

from __future__ import annotations

import asyncio
import time
from urllib.parse import unquote_to_bytes

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.reading import paths
from pipeline.reading.routes import NO_ROUTE
from pipeline.service import hosts
from pipeline.service.records import Records
from pipeline.service.replies import refusal
from pipeline.service.tokens import Tokens

BODY_SECONDS = 4.0
"""In which a body must have come: less than a stop of the service waits."""
MOST_BYTES = 512 * 1024
"""Of a request's body: a hundred ids of the longest kind have room."""
METHODS = ("GET", "HEAD", "POST")
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
TOO_SLOW = f"the body of a request must come in {BODY_SECONDS:.0f} seconds"
TOO_LARGE = f"a request may have at most {MOST_BYTES:,} bytes"


class Middleware:
    """Stands in front of the application.

    tokens:  one of them is needed, where there are any
    records: where each request is kept
    """

    def __init__(self, app: ASGIApp, tokens: Tokens, records: Records) -> None:
        self.app, self.tokens, self.records = app, tokens, records
        self._headers = [*HEADERS, (b"vary", b"Authorization, Cookie")] if tokens else HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the beginning and end of the process."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500
        inner = {**scope, "method": "GET" if scope["method"] == "HEAD" else scope["method"]}

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        try:
            await self._let_in(inner, receive, tell)
        finally:
            route = getattr(inner.get("route"), "path_format", NO_ROUTE)
            client = scope["client"][0] if scope.get("client") else ""
            method = scope["method"] if scope["method"] in METHODS else "other"
            self.records.keep(method, route, status, time.perf_counter() - begun, client)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            scope["path"] = paths.decoded(scope["raw_path"])
        except ValueError:
            return await refusal(422, "the path is not UTF-8")(scope, receive, send)
        try:
            unquote_to_bytes(scope["query_string"]).decode()
        except ValueError:
            return await refusal(422, "the query is not UTF-8")(scope, receive, send)
        is_open = self.tokens or scope["path"] in hosts.EVERYBODYS
        if not is_open and not hosts.is_at_home(headers, scope.get("server")):
            return await refusal(403, hosts.NOT_AT_HOME)(scope, receive, send)
        if not self.tokens.admit(scope["path"], headers):
            return await self.tokens.refuse(scope["path"], headers)(scope, receive, send)
        if scope["method"] == "GET":
            return await self.app(scope, receive, send)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST_BYTES:
            return await refusal(413, TOO_LARGE)(scope, receive, send)
        return await self.app(scope, _bounded(receive), send)


def _bounded(receive: Receive) -> Receive:
    """The parts of a body, as long as they are not more than MOST_BYTES together and come in BODY_SECONDS."""
    size, until = 0, asyncio.get_running_loop().time() + BODY_SECONDS

    async def part() -> Message:
        nonlocal size
        try:
            async with asyncio.timeout_at(until):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, TOO_SLOW) from None
        size += len(message.get("body", b""))
        if size > MOST_BYTES:
            raise HTTPException(413, TOO_LARGE)
        return message

    return part
