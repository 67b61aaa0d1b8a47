"""The routes: which one a path is of, and what a request to it asks."""

from __future__ import annotations

import pytest

from pipeline.reading import Answer, Shop
from pipeline.reading.parameters import Parameters
from pipeline.reading.paths import decoded
from pipeline.reading.queries import Queries
from pipeline.reading.refusals import NOT_SHOWN, Refusal
from pipeline.reading.routes import ROUTES

SHOP = Shop(12, "integer", "integer", 20, 1)


@pytest.mark.parametrize(
    ("path", "name", "parts"),
    [
        ("/users", "users", {}),
        ("/users/4%2F2/recommendations", "recommendations", {"user_id": "4/2"}),
        ("/users/4/2/recommendations", "recommendations", {"user_id": "4/2"}),
        ("/users/4/recommendations/5/explanation", "explanation", {"user_id": "4", "item_id": "5"}),
        ("/items/%2525/similar", "similar", {"item_id": "%25"}),
        ("/items/11/also-bought", "also_bought", {"item_id": "11"}),
        ("/popular", "popular", {}),
        ("/session/recommendations", "session", {}),
        ("/publication", "publication", {}),
        ("/topN=3for_user=42", "top_n", {"n": "3", "user_id": "42"}),
        ("/popular/", None, None),
        ("/users//recommendations", None, None),
        ("/items/a%0Ab/similar", "similar", {"item_id": "a\nb"}),
    ],
)
def test_a_path_is_of_one_route(path: str, name: str | None, parts: dict[str, str] | None) -> None:
    fitting = [(route.name, route.parts(decoded(path.encode()))) for route in ROUTES]
    assert [each for each in fitting if each[1] is not None] == ([] if name is None else [(name, parts)])


def test_a_question_says_what_was_found_or_why_not() -> None:
    route = next(route for route in ROUTES if route.name == "explanation")
    asked = Parameters(SHOP, {"user_id": "4", "item_id": "5"}, {})
    question = route.read(asked, Queries("serving", SHOP.ids))
    assert question.first().values == {"user_id": "4", "item_id": "5"}
    reply = question.reply(Answer(1, 20, "{}"), None)
    assert (reply.status, reply.body, reply.headers["Cache-Control"]) == (200, b"{}", "private, no-cache")
    assert question.reply(Answer(1, 20, "{}"), reply.headers["ETag"]).status == 304
    with pytest.raises(Refusal, match=NOT_SHOWN):
        question.reply(Answer(1, 20, None), None)


def test_more_rows_than_the_shop_gives_are_refused() -> None:
    route = next(route for route in ROUTES if route.name == "popular")
    question = route.read(Parameters(SHOP, {}, {"n": "21"}), Queries("serving", SHOP.ids))
    with pytest.raises(Refusal, match="from 1 to 20") as refused:
        question.reply(Answer(1, 20, "{}"), None)
    assert refused.value.status == 422
