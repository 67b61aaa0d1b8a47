"""Every question against a real serving database: one row, of the shape that answers.py promises."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ConfigDict, TypeAdapter

from pipeline.reading import Answer, Questions, answers
from pipeline.reading.shop import Shop, shop_question
from tests.service.conftest import LISTS, USERS, new_shop
from tests.serving.nights import Shop as ServedShop

__all__ = ["new_shop"]


@pytest.fixture
def live(new_shop: Any) -> ServedShop:
    shop: ServedShop = new_shop()
    shop.publish(shop.night(1, USERS, **LISTS))
    return shop


def test_answers_have_the_promised_shapes(live: ServedShop) -> None:
    with live.connect("reader") as db:
        about = shop_question(live.settings.serving)
        shop = Shop(*db.execute(about.statement, about.values).fetchone())
        assert (shop.ids, shop.max_n, shop.version) == (live.settings.ids, live.settings.serving.max_n, 1)
        ask = Questions("serving", shop.ids)
        for question, shape in (
            (ask.recommendations("1", 5), answers.Recommendations),
            (ask.recommendations("2", 5, explain=True), answers.Recommendations),
            (ask.explanation("1", "11"), answers.Explanation),
            (ask.similar("11", 5), answers.Similar),
            (ask.also_bought("11", 5), answers.AlsoBought),
            (ask.popular(5), answers.Popular),
            (ask.session(["11"], 5), answers.Session),
            (ask.users(5), answers.Users),
            (ask.publication(), answers.LivePublication),
        ):
            [row] = db.execute(question.statement, question.values).fetchall()
            answer = Answer(*row)
            assert answer.version == 1
            shape.__pydantic_config__ = ConfigDict(extra="forbid")
            TypeAdapter(shape).validate_json(answer.body or "")


def test_what_is_not_shown_has_no_explanation(live: ServedShop) -> None:
    with live.connect("reader") as db:
        question = Questions("serving", live.settings.ids).explanation("1", "99")
        assert db.execute(question.statement, question.values).fetchall() == [(1, 200, None)]
