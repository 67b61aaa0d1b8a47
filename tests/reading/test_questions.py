"""Every question against a real serving database: one row, of the shape that answers.py promises."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ConfigDict, TypeAdapter

from pipeline.reading import Answer, Questions, answers, shop
from tests.service.conftest import LISTS, USERS, new_shop
from tests.serving.nights import Shop

__all__ = ["new_shop"]


@pytest.fixture
def live(new_shop: Any) -> Shop:
    shop: Shop = new_shop()
    shop.publish(shop.night(1, USERS, **LISTS))
    return shop


def test_answers_have_the_promised_shapes(live: Shop) -> None:
    with live.connect("reader") as db:
        about = shop.about("serving")
        ids = shop.ids_of(db.execute(about.statement, about.values).fetchone())
        assert ids == live.settings.ids
        ask = Questions("serving", ids)
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


def test_what_is_not_shown_has_no_explanation(live: Shop) -> None:
    with live.connect("reader") as db:
        question = Questions("serving", live.settings.ids).explanation("1", "99")
        assert db.execute(question.statement, question.values).fetchall() == [(1, None)]
