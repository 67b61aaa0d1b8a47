"""The routes of pipeline.reading, with what the OpenAPI document says of them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pipeline.reading import routes
from pipeline.reading.parameters import Parameters
from pipeline.reading.refusals import NOT_SHOWN
from pipeline.reading.routes import DEFAULT_N, PART
from pipeline.service import convertors
from pipeline.service.lists import Lists
from pipeline.service.replies import response

ID = {"oneOf": [{"type": "integer"}, {"type": "string"}]}
PARAMETERS: dict[str, dict[str, Any]] = {
    "user_id": {"in": "path", "required": True, "schema": ID, "description": "`/` is written `%2F`"},
    "item_id": {"in": "path", "required": True, "schema": ID, "description": "`/` is written `%2F`"},
    "n": {
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "default": DEFAULT_N},
        "description": "how many, at most the shop's serving.max_n",
    },
    "category": {
        "in": "query",
        "schema": {"type": "string"},
        "description": "only items of this category; left out: the whole shop",
    },
    "segment": {
        "in": "query",
        "schema": {"type": "integer", "minimum": 1},
        "description": "what is popular in this segment of people without purchases; not with a category",
    },
    "explain": {
        "in": "query",
        "schema": {"type": "boolean", "default": False},
        "description": "with each item why it is there, in words",
    },
}
ERROR = {"content": {"application/json": {"schema": {"properties": {"detail": {"type": "string"}}}}}}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"description": why, **ERROR}
    for status, why in {
        401: "tokens are set, and the request has none of them",
        403: "no tokens are set, and Host is neither localhost nor an IP address",
        422: "an id, n or another value that cannot be",
        503: "the database gives no answer now, or nothing is published; Retry-After says when to ask again",
    }.items()
}
MORE_ERRORS: dict[str, dict[int | str, dict[str, Any]]] = {
    "explanation": {404: {"description": NOT_SHOWN, **ERROR}},
    "session": {
        408: {"description": "the body took too long to come", **ERROR},
        413: {"description": "the body is too large", **ERROR},
    },
}
"""What a route may say besides."""
BASKET = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["item_ids"],
                "properties": {
                    "item_ids": {"type": "array", "items": ID, "maxItems": 100},
                    "n": PARAMETERS["n"]["schema"],
                    "explain": PARAMETERS["explain"]["schema"],
                },
            }
        }
    },
}
Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class Route(APIRoute):
    """A route whose function takes the request itself, and reads from it what it needs (parameters.py).

    What FastAPI would do before and after each call costs more than the rest of a request; here it writes the
    OpenAPI document.
    """

    def __init__(self, path: str, endpoint: Endpoint, **options: Any) -> None:
        super().__init__(path, endpoint, **options)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            reply = await endpoint(Request(scope, receive))
            await reply(scope, receive, send)

        self.app = app


convertors.register()
router = APIRouter(route_class=Route, tags=["lists"])


def _endpoint(route: routes.Route) -> Endpoint:
    """What answers requests to a route."""

    async def answer(request: Request) -> Response:
        database: Lists = request.app.state.database
        shop, queries = await database.shop(), await database.queries()
        body = await request.body() if route.method == "POST" else b""
        question = route.read(Parameters(shop, request.path_params, request.query_params, body), queries)
        found = await database.answer(question.first())
        return response(question.reply(found, request.headers.get("if-none-match")))

    answer.__doc__, answer.__name__ = route.read.__doc__, route.name
    return answer


def _document(route: routes.Route) -> dict[str, Any]:
    """What the OpenAPI document says of the parameters of a route."""
    if route.method == "POST":
        return {"requestBody": BASKET}
    of_path = {part[1] for part in PART.finditer(route.path)}
    parameters = [{"name": name, **PARAMETERS[name]} for name in route.names]
    for parameter in parameters:
        if parameter["name"] in of_path:
            parameter |= {"in": "path", "required": True}
    return {"parameters": parameters}


for route in routes.ROUTES:
    router.add_api_route(
        route.path,
        _endpoint(route),
        methods=[route.method],
        response_model=route.shape,
        responses={**ERRORS, **MORE_ERRORS.get(route.name, {})},
        openapi_extra=_document(route),
    )
