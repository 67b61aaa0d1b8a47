"""What the page says of a number by what was held out for it."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.report.held_out import beside_the_number, compared, how_good, unjudged
from pipeline.splits.parts import WORTH

WHY = {
    "what": "nobody can be measured: no user",
    "found": "9 buyers",
    "promised": "",
    "then": "wait",
    "ways": [],
}
TIME: dict[str, Any] = {"method": "time", "test_days": 14.0, "worth": "", "unmeasured": None}
RANDOM: dict[str, Any] = {"method": "random", "test_days": None, "worth": WORTH["random"], "unmeasured": WHY}
CAVEAT = "not what people buy next, and cannot be compared with one of a cut in time."


def test_a_cut_in_time_says_what_people_bought_next() -> None:
    assert how_good(TIME, "exclude", 0.04) == [
        "Tested on the past: of 100 items shown in the first three places, buyers bought 4.00 within 14 days"
        " of getting the list (only items new to them count)."
    ]
    assert compared(TIME, "14 buyers") == (
        "The last days were held out: no model learnt from them, and each list was compared with what 14"
        " buyers bought then."
    )
    assert beside_the_number(TIME) == beside_the_number({}) == "of 100 shown were bought"


def test_several_cuts_in_time_say_how_long_each_asks_about_and_why() -> None:
    split = {**TIME, "test_days": 2.0, "n_test_cuts": 3, "horizon": "judged by what buyers bought: so"}
    assert compared(split, "14 buyers") == (
        "The last days were held out, 3 times 2 days: at each of these cuts lists were made from what was"
        " known before it, and compared with what 14 buyers bought within 2 days of it. Judged by what buyers"
        " bought: so."
    )
    of_a_day = {**split, "test_days": 1.0}
    assert "buyers bought 4.00 within a day of getting the list" in how_good(of_a_day, "allow", 0.04)[0]
    assert "14 buyers bought within 1 day of it" in compared(of_a_day, "14 buyers")


def test_rows_at_random_say_what_they_are_worth_wherever_a_number_stands() -> None:
    first, worth, why = how_good(RANDOM, "allow", 0.25)
    assert first == (
        "Tested on rows held out at random: of 100 items shown in the first three places, 25.0 were among the"
        " held-out purchases of the same buyers."
    )
    assert worth.endswith(CAVEAT)
    assert why == "With cuts in time nobody can be measured: no user."
    assert len(how_good({**RANDOM, "unmeasured": None}, "allow", 0.25)) == 2, "asked for by the settings"
    assert compared(RANDOM, "14 buyers").endswith(CAVEAT)
    assert beside_the_number(RANDOM) == "of 100 shown were among the rows held out at random"


@pytest.mark.parametrize("method", ["time", "last_purchase", "random"])
def test_every_method_has_its_words(method: str) -> None:
    assert "1 buyer" in compared({**TIME, "method": method, "worth": WORTH[method]}, "1 buyer")


def test_nobody_measured_is_explained_with_what_to_do() -> None:
    assert unjudged({**TIME, "is_unjudged": True, "unmeasured": WHY}) == [
        "Why: no user; 9 buyers.",
        "To have the lists judged: wait.",
    ]
    assert unjudged(TIME) == unjudged({}) == []
