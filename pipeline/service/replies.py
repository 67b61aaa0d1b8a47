"""Replies of pipeline.reading as Starlette sends them."""

from __future__ import annotations

from starlette.responses import Response

from pipeline.reading import replies
from pipeline.reading.replies import Reply


def response(reply: Reply) -> Response:
    """The reply of a door."""
    return Response(reply.body, reply.status, dict(reply.headers))


def refusal(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """One sentence, kept by nobody."""
    return response(replies.refusal(status, detail, headers))
