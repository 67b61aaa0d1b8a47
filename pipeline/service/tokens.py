"""Who is let in: bearer tokens for apps, and for people a cookie that a right token buys."""

from __future__ import annotations

import hmac
import time
from hashlib import sha256
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, RedirectResponse, Response

from pipeline.config import ROOT
from pipeline.reading.replies import NEVER
from pipeline.service.replies import refusal

OPEN = ("/health", "/ready", "/login", "/page/page.css")
"""Paths that need no token; the form takes the looks of the page."""
COOKIE = "nightshelf"
COOKIE_SECONDS = 12 * 3600
FORM = ROOT / "pipeline" / "service" / "login.html"
WRONG = "This token does not fit."
NEEDED = "a token is needed: Authorization: Bearer ..."
OTHER = "this token is none of the service's"


class Tokens:
    """The tokens that open the service; none: it is open."""

    def __init__(self, tokens: tuple[str, ...]) -> None:
        self._tokens = [token.encode() for token in tokens]

    def __bool__(self) -> bool:
        return bool(self._tokens)

    def admit(self, path: str, headers: Headers) -> bool:
        """Whether a request with these headers may have what is at `path`."""
        if not self._tokens or path in OPEN:
            return True
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._is_one(token.strip()):
            return True
        return self._is_sealed(_cookie(headers.get("cookie", "")))

    def refuse(self, path: str, headers: Headers) -> Response:
        """401: a form for whoever opens the page, one sentence for everybody else."""
        if path == "/" and "text/html" in headers.get("accept", ""):
            return form(401)
        detail = OTHER if "authorization" in headers else NEEDED
        return refusal(401, detail, {"WWW-Authenticate": "Bearer"})

    def log_in(self, body: bytes, *, is_https: bool) -> Response:
        """The answer to the form: the page, and a cookie for 12 hours; or the form again."""
        given = parse_qs(body.decode("ascii", "replace")).get("token", [""])[0].strip()
        if not self._is_one(given):
            return form(401, WRONG)
        reply = RedirectResponse("/", 303, {"Cache-Control": NEVER})
        until = str(int(time.time()) + COOKIE_SECONDS)
        reply.set_cookie(
            COOKIE,
            f"{until}.{_seal(given.encode(), until)}",
            max_age=COOKIE_SECONDS,
            httponly=True,
            samesite="strict",
            secure=is_https,
        )
        return reply

    def _is_one(self, given: str) -> bool:
        """Compared with every token, each in constant time."""
        return sum(hmac.compare_digest(given.encode(), token) for token in self._tokens) > 0

    def _is_sealed(self, cookie: str) -> bool:
        """Whether the cookie was made with a token that is still one, and has not run out."""
        until, _, seal = cookie.partition(".")
        fits = sum(hmac.compare_digest(seal.encode(), _seal(t, until).encode()) for t in self._tokens) > 0
        return fits and until.isdigit() and int(until) > time.time()


def log_out() -> Response:
    """To the page, without the cookie."""
    reply = RedirectResponse("/", 303, {"Cache-Control": NEVER})
    reply.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return reply


def form(status: int, complaint: str = "") -> Response:
    """The form that asks for a token."""
    html = FORM.read_text(encoding="utf-8").replace("{complaint}", complaint)
    return HTMLResponse(html, status, {"Cache-Control": NEVER})


def _seal(token: bytes, until: str) -> str:
    return hmac.new(token, f"nightshelf page until {until}".encode(), sha256).hexdigest()


def _cookie(header: str) -> str:
    """The value of our cookie; those of other services on this host may look as they like."""
    return cookie_parser(header).get(COOKIE, "")
