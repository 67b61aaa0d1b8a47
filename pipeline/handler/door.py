"""From a call to its reply."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.config import Settings
from pipeline.handler.database import Database
from pipeline.handler.events import Call
from pipeline.reading import replies
from pipeline.reading.parameters import Parameters
from pipeline.reading.refusals import EMPTY, UNSTORABLE, Refusal, Unavailable, Unstorable
from pipeline.reading.replies import Reply
from pipeline.reading.routes import NO_ROUTE, PART, ROUTES, Route

NOT_FOUND = "there is no such route"
HEALTH, READY = "health", "ready"
NAMES = {route.name: route for route in ROUTES}


class Door:
    """Answers the calls about one shop. why: of the last call that got no answer, for a log"""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database, self._retry_after = database, str(settings.service.retry_after_seconds)
        self.why = ""

    def reply(self, call: Call) -> tuple[str, Reply]:
        """The name of the route, and the reply. Raises NightshelfError where the function is not set up."""
        name, self.why = NO_ROUTE, ""
        try:
            if call.path.removeprefix("/") in (HEALTH, READY):
                name = call.path.removeprefix("/")
                return name, self._state(name, call)
            route, parts = _found(call)
            name = route.name
            return name, self._ask(route, parts, call)
        except Refusal as refused:
            return name, replies.refusal(refused.status, refused.detail)
        except Unavailable as away:
            self.why = str(away)
            return name, replies.refusal(503, str(away), {"Retry-After": self._retry_after})
        except Unstorable:
            return name, replies.refusal(422, UNSTORABLE)

    def _ask(self, route: Route, parts: Mapping[str, str], call: Call) -> Reply:
        if refused := _other_method(call, route.method):
            return refused
        database = self._database
        asked = Parameters(database.shop(), parts, call.query, call.body)
        question = route.read(asked, database.queries())
        return question.reply(database.answer(question.first()), call.headers.get("if-none-match"))

    def _state(self, name: str, call: Call) -> Reply:
        """Whether the function lives, or whether it can answer."""
        if refused := _other_method(call, "GET"):
            return refused
        if name == HEALTH:
            return replies.with_json(200, {"status": "ok"})
        version = self._database.look().version
        if version is None:
            raise Unavailable(EMPTY)
        return replies.with_json(200, {"status": "ready", "version": version})


def _other_method(call: Call, method: str) -> Reply | None:
    """The refusal of a method that a route does not take. HEAD is taken for GET."""
    if call.method == method or (call.method, method) == ("HEAD", "GET"):
        return None
    takes = "GET, HEAD" if method == "GET" else method
    return replies.refusal(405, f"this route takes {takes} and nothing else", {"Allow": takes})


def _found(call: Call) -> tuple[Route, Mapping[str, str]]:
    """The route of a call and the parts of its path. Raises Refusal."""
    if call.parts is not None:
        return _named(call, call.parts)
    for route in ROUTES:
        parts = route.parts(call.path)
        if parts is not None:
            return route, parts
    raise Refusal(404, NOT_FOUND)


def _named(call: Call, given: Mapping[str, str]) -> tuple[Route, Mapping[str, str]]:
    """The route of a direct call. Raises Refusal, also for what the route does not take."""
    route = NAMES.get(call.path)
    if route is None:
        raise Refusal(404, f"there is no such route; there are {', '.join([*NAMES, HEALTH, READY])}")
    parts = {part[1] for part in PART.finditer(route.path)} - {"n"}
    lacking, unknown = sorted(parts - given.keys()), sorted({*given, *call.query} - set(route.names))
    if lacking:
        raise Refusal(422, f"{call.path} needs {' and '.join(lacking)}")
    if unknown:
        raise Refusal(422, f"{call.path} does not take {' and '.join(unknown)}")
    return route, given
