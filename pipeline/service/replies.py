"""Answers and errors as HTTP says them: JSON, ETag, caching."""

from __future__ import annotations

from hashlib import blake2b

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

PRIVATE = "private, no-cache"
"""Of one user: kept by that user's client alone, and asked for again each time."""
SHARED = "no-cache"
"""Of everybody: kept anywhere, and asked for again each time: the next request sees a rollback."""
NEVER = "no-store"


class Refusal(Exception):
    """A request that gets no answer, with one sentence that says why."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


def answer(request: Request, body: str, caching: str) -> Response:
    """The answer, or 304 where the client has it.

    The ETag is a hash of the body. The body holds the version, and changes with whatever else the answer
    depends on: a block that begins or runs out, words that count days.
    """
    content = body.encode()
    headers = {"ETag": f'"{blake2b(content, digest_size=12).hexdigest()}"', "Cache-Control": caching}
    if is_known(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="application/json", headers=headers)


def refusal(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """One sentence, kept by nobody."""
    return JSONResponse({"detail": detail}, status, {"Cache-Control": NEVER, **(headers or {})})


def is_known(header: str | None, etag: str) -> bool:
    """Whether If-None-Match names `etag`, weak or strong."""
    if header is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return etag in tags or tags == ["*"]
