"""Answers and refusals as HTTP says them: JSON, ETag, caching."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import NamedTuple

PRIVATE = "private, no-cache"
"""Of one user: kept by that user's client alone, and asked for again each time."""
SHARED = "no-cache"
"""Of everybody: kept anywhere, and asked for again each time: the next request sees a rollback."""
NEVER = "no-store"
JSON = "application/json"


class Reply(NamedTuple):
    """What a client gets. body: empty where the client has it already (304)"""

    status: int
    headers: Mapping[str, str]
    body: bytes


def answer(body: str, caching: str, if_none_match: str | None) -> Reply:
    """The answer, or 304 where the client has it.

    if_none_match: the header of that name

    The ETag is a hash of the body. The body holds the version, and changes with whatever else the answer
    depends on: a block that begins or runs out, words that count days.
    """
    content = body.encode()
    headers = {"ETag": etag(content), "Cache-Control": caching}
    if is_known(if_none_match, headers["ETag"]):
        return Reply(304, headers, b"")
    return Reply(200, {**headers, "Content-Type": JSON}, content)


def refusal(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Reply:
    """One sentence, kept by nobody."""
    return with_json(status, {"detail": detail}, headers)


def with_json(status: int, body: object, headers: Mapping[str, str] | None = None) -> Reply:
    """JSON that nobody keeps."""
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    return Reply(status, {"Cache-Control": NEVER, "Content-Type": JSON, **(headers or {})}, content)


def etag(content: bytes) -> str:
    """The ETag of a body."""
    return f'"{blake2b(content, digest_size=12).hexdigest()}"'


def is_known(header: str | None, tag: str) -> bool:
    """Whether If-None-Match names `tag`, weak or strong."""
    if header is None:
        return False
    tags = [each.strip().removeprefix("W/") for each in header.split(",")]
    return tag in tags or tags == ["*"]
