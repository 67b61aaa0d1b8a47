"""The questions that apps ask: lists of users, of items, of the shop, of a basket."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from pipeline.reading import Question, Questions, WrongId, answers, read_id
from pipeline.reading.questions import MOST_ITEMS
from pipeline.service import paths, replies
from pipeline.service.door import Door
from pipeline.service.replies import PRIVATE, SHARED, Refusal

N = Annotated[int, Query(ge=1, le=10_000, description="How many items")]
Category = Annotated[str | None, Query(description="Only items of this category of the shop's")]
Explain = Annotated[bool, Query(description="With each item why it is there, in words")]
router = APIRouter()
assert paths.Id.regex, "the paths below need its convertor"


class Basket(BaseModel):
    """The items of a basket or of a visit."""

    item_ids: list[Any] = Field(max_length=MOST_ITEMS)
    n: int = Field(10, ge=1, le=10_000)
    explain: bool = False


@router.get("/users", response_model=answers.Users)
async def users(request: Request, n: N = 10) -> Response:
    """Some users that have a list."""
    questions = await _door(request).questions()
    return await _answer(request, questions.users(n), PRIVATE)


@router.get("/users/{user_id:id}/recommendations", response_model=answers.Recommendations)
async def recommendations(
    request: Request, user_id: str, n: N = 10, category: Category = None, explain: Explain = False
) -> Response:
    """The list of a user; whoever is not known gets what is popular."""
    door, questions = await _shop(request)
    user = _id(user_id, door.ids.user, "user_id")
    return await _answer(request, questions.recommendations(user, n, category, explain=explain), PRIVATE)


@router.get(
    "/users/{user_id:id}/recommendations/{item_id:id}/explanation", response_model=answers.Explanation
)
async def explanation(request: Request, user_id: str, item_id: str) -> Response:
    """Why an item is in a user's list; 404 where it is not."""
    door, questions = await _shop(request)
    user, item = _id(user_id, door.ids.user, "user_id"), _id(item_id, door.ids.item, "item_id")
    return await _answer(request, questions.explanation(user, item), PRIVATE)


@router.get("/items/{item_id:id}/similar", response_model=answers.Similar)
async def similar(request: Request, item_id: str, n: N = 10) -> Response:
    """What the same people like."""
    door, questions = await _shop(request)
    return await _answer(request, questions.similar(_id(item_id, door.ids.item, "item_id"), n), SHARED)


@router.get("/items/{item_id:id}/also-bought", response_model=answers.AlsoBought)
async def also_bought(request: Request, item_id: str, n: N = 10) -> Response:
    """What the buyers of an item also bought."""
    door, questions = await _shop(request)
    return await _answer(request, questions.also_bought(_id(item_id, door.ids.item, "item_id"), n), SHARED)


@router.get("/popular", response_model=answers.Popular)
async def popular(request: Request, category: Category = None, n: N = 10) -> Response:
    """The best sellers of the shop, or of one category."""
    _, questions = await _shop(request)
    return await _answer(request, questions.popular(n, category), SHARED)


@router.post("/session/recommendations", response_model=answers.Session)
async def session(request: Request, basket: Basket) -> Response:
    """What goes with the items of a basket or of a visit, for visitors without an account."""
    door, questions = await _shop(request)
    items = [_id(item, door.ids.item, "each of item_ids") for item in basket.item_ids]
    return await _answer(request, questions.session(items, basket.n, explain=basket.explain), "no-store")


@router.get("/publication", response_model=answers.LivePublication)
async def publication(request: Request) -> Response:
    """What is live, since when, and how good it was."""
    _, questions = await _shop(request)
    return await _answer(request, questions.publication(), SHARED)


@router.get("/topN={n}for_user={user_id:id}", response_model=answers.Recommendations)
async def top_n(request: Request, n: int, user_id: str) -> Response:
    """The list of a user, under the address that an earlier system had."""
    return await recommendations(request, user_id, n)


def _door(request: Request) -> Door:
    door: Door = request.app.state.door
    return door


async def _shop(request: Request) -> tuple[Door, Questions]:
    door = _door(request)
    return door, await door.questions()


def _id(value: object, kind: Any, what: str) -> str:
    try:
        return read_id(value, kind, what)
    except WrongId as error:
        raise Refusal(422, str(error)) from None


async def _answer(request: Request, question: Question, caching: str) -> Response:
    answer = await _door(request).ask(question)
    if answer.body is None:
        raise Refusal(404, "this item is not in the list of this user")
    return replies.answer(request, answer.body, caching)
