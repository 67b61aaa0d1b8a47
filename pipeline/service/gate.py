"""What every request passes on its way in and out."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.service import paths


class Gate:
    """The application within: paths decoded but for ids, HEAD answered as GET."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http":
            method = "GET" if scope["method"] == "HEAD" else scope["method"]
            scope = {**scope, "path": paths.decoded(scope["raw_path"]), "method": method}
        await self.app(scope, receive, send)
