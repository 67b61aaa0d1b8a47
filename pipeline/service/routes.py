"""The lists that apps ask for: of users, of items, of the shop, of a basket."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pipeline.reading import answers
from pipeline.service import paths, replies
from pipeline.service.lists import Lists, Questions
from pipeline.service.parameters import DEFAULT_N, Parameters, too_many
from pipeline.service.replies import NEVER, PRIVATE, SHARED, Refusal

NOT_SHOWN = "this item is not in the list of this user"
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


paths.register()
router = APIRouter(route_class=Route, tags=["lists"])


def get(
    path: str, shape: Any, *names: str, errors: dict[int | str, dict[str, Any]] = ERRORS
) -> Callable[[Endpoint], Endpoint]:
    """A GET route: its path, the shape of its answer, its parameters, its errors."""
    parameters = [{"name": name, **PARAMETERS[name]} for name in names]
    for parameter in parameters:
        if f"{{{parameter['name']}:" in path:
            parameter |= {"in": "path", "required": True}
    return router.get(path, response_model=shape, responses=errors, openapi_extra={"parameters": parameters})


@get("/users", answers.Users, "n")
async def users(request: Request) -> Response:
    """Some users that have a list."""
    parameters, queries = await _shop(request)
    return await _answer(parameters, parameters.n(), queries.users, PRIVATE)


@get("/users/{user_id:id}/recommendations", answers.Recommendations, "user_id", "n", "category", "explain")
async def recommendations(request: Request) -> Response:
    """The list of a user; whoever is not known gets what is popular."""
    parameters, queries = await _shop(request)
    user, category, explain = parameters.id("user_id"), parameters.category(), parameters.explain()
    return await _answer(
        parameters,
        parameters.n(),
        lambda n: queries.recommendations(user, n, category, explain=explain),
        PRIVATE,
    )


@get(
    "/users/{user_id:id}/recommendations/{item_id:id}/explanation",
    answers.Explanation,
    "user_id",
    "item_id",
    errors={**ERRORS, 404: {"description": NOT_SHOWN, **ERROR}},
)
async def explanation(request: Request) -> Response:
    """Why an item is in a user's list, in words; 404 where it is not."""
    parameters, queries = await _shop(request)
    user, item = parameters.id("user_id"), parameters.id("item_id")
    return await _answer(parameters, None, lambda _: queries.explanation(user, item), PRIVATE)


@get("/items/{item_id:id}/similar", answers.Similar, "item_id", "n")
async def similar(request: Request) -> Response:
    """What the same people like."""
    parameters, queries = await _shop(request)
    item = parameters.id("item_id")
    return await _answer(parameters, parameters.n(), lambda n: queries.similar(item, n), SHARED)


@get("/items/{item_id:id}/also-bought", answers.AlsoBought, "item_id", "n")
async def also_bought(request: Request) -> Response:
    """What the buyers of an item also bought."""
    parameters, queries = await _shop(request)
    item = parameters.id("item_id")
    return await _answer(parameters, parameters.n(), lambda n: queries.also_bought(item, n), SHARED)


@get("/popular", answers.Popular, "category", "segment", "n")
async def popular(request: Request) -> Response:
    """The best sellers of the shop or of one category, or what is popular in one segment."""
    parameters, queries = await _shop(request)
    category, segment = parameters.category(), parameters.segment()

    def query(n: int) -> Any:
        return queries.popular(n, category) if segment is None else queries.popular_in_segment(n, segment)

    return await _answer(parameters, parameters.n(), query, SHARED)


@router.post(
    "/session/recommendations",
    response_model=answers.Session,
    responses={
        **ERRORS,
        408: {"description": "the body took too long to come", **ERROR},
        413: {"description": "the body is too large", **ERROR},
    },
    openapi_extra={"requestBody": BASKET},
)
async def session(request: Request) -> Response:
    """What goes with the items of a basket or of a visit, for visitors without an account."""
    parameters, queries = await _shop(request)
    items, n, explain = await parameters.basket()
    return await _answer(parameters, n, lambda n: queries.session(items, n, explain=explain), NEVER)


@get("/publication", answers.LivePublication)
async def publication(request: Request) -> Response:
    """What is live, since when, and how good it was."""
    parameters, queries = await _shop(request)
    return await _answer(parameters, None, lambda _: queries.publication(), SHARED)


@get("/topN={n:count}for_user={user_id:id}", answers.Recommendations, "n", "user_id")
async def top_n(request: Request) -> Response:
    """The list of a user, at the address that apps of an earlier system know."""
    return await recommendations(request)


async def _shop(request: Request) -> tuple[Parameters, Questions]:
    database: Lists = request.app.state.database
    return Parameters(request, await database.shop()), await database.queries()


async def _answer(
    parameters: Parameters, n: int | None, query: Callable[[int], Any], caching: str
) -> Response:
    """The answer to a query for `n` rows; None: as many as is usual, or as the shop gives at most."""
    database: Lists = parameters.request.app.state.database
    answer = await database.answer(query(n or DEFAULT_N))
    if n is not None and n > answer.max_n:
        raise too_many(answer.max_n)
    if answer.body is None:
        raise Refusal(404, NOT_SHOWN)
    return replies.answer(parameters.request, answer.body, caching)
