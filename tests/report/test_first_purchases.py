"""pipeline/report/first_purchases.py: the words about people who have not bought yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline import config
from pipeline.report import build
from pipeline.report.first_purchases import lines
from pipeline.report.summary import ending
from pipeline.runs.folder import RunFolder
from tests.report.pages import FIRST_PURCHASES, fill, section

Make = Callable[..., RunFolder]
CHANCE = {**FIRST_PURCHASES, "is_published": False, "ci_low": -0.01}


def shown(folder: RunFolder, **changes: Any) -> str:
    """What a reader sees of the section, spaces that do not break as spaces."""
    document = {**FIRST_PURCHASES, **changes}
    page = build(fill(folder, first_purchases=document), config.load()).read_text(encoding="utf-8")
    return section(page, "first-purchases").replace("\N{NO-BREAK SPACE}", " ")


def test_a_page_says_what_people_get_who_have_not_bought_yet(run_folder: Make) -> None:
    text = shown(run_folder())
    assert "5,000 people had bought nothing and were known by what they look at. Later there were" in text
    assert "450 purchases by 400 people of them." in text
    assert "People were put into 8 or 16 segments by what they look at." in text
    assert "in a person's segment had 25.00 % of these purchases" in text
    assert "popular in the whole shop 5.00 %; the 95 % interval of the difference is +17.00 to +23.00" in text
    assert "are shown what is popular in their segment." in text


def test_a_page_says_that_chance_may_explain_it(run_folder: Make) -> None:
    assert "Chance may explain the difference, so that everybody is shown" in shown(run_folder(), **CHANCE)


def test_a_page_says_that_no_division_helped_and_that_few_decide_nothing(run_folder: Make) -> None:
    text = shown(run_folder(), n_segments=[1, 1], is_published=False)
    assert "No division into segments by what they look at served those better" in text
    text = shown(run_folder("attributes"), n_segments=[1], is_published=False, has_attributes=True)
    assert "by what they look at or by what the shop says of them served those better" in text
    text = shown(run_folder("few"), n_users=3, is_published=False)
    assert "too few to decide anything, so everybody is shown what the whole shop buys." in text
    assert "25.00 %" not in text.partition("<ul>")[2]


def test_a_page_says_what_is_known_of_people_and_what_is_taken_as_unchanging(run_folder: Make) -> None:
    text = shown(run_folder(), has_attributes=True, attributes=["country", "plan"])
    assert "16 segments by what they look at and by what the shop says of them." in text
    assert "Of what the shop says of its users, country, plan served them better." in text
    assert "Without a date (the column known_at) it is taken as having always been so." in text
    text = shown(run_folder("none"), has_attributes=True)
    assert "16 segments by what they look at." in text
    assert "What the shop says of its users served them no better, and was left out." in text
    assert "What the shop says" not in shown(run_folder("looks"))


def test_a_page_says_why_nothing_was_judged(run_folder: Make) -> None:
    assert "Not judged: nobody bought." in shown(run_folder(), why="nobody bought")


def test_where_nobody_only_looks_there_is_no_section(run_folder: Make) -> None:
    nobody = {**FIRST_PURCHASES, "n_people": 0}
    for name, parts in (
        ("nobody", {"first_purchases": nobody}),
        ("earlier", {"without": ("first_purchases",)}),
    ):
        page = build(fill(run_folder(name), **parts), config.load()).read_text(encoding="utf-8")
        assert 'id="first-purchases"' not in page
    assert lines(nobody) == []


def test_the_lines_of_a_terminal(run_folder: Make) -> None:
    [line] = lines(FIRST_PURCHASES)
    assert line == (
        "first purchases: 450 purchases by 400 people, Recall@10 0.2500 by segment, popular in the shop"
        " 0.0500 (+0.2000, +0.1700 to +0.2300); 8 or 16 segments: used"
    )
    assert lines(CHANCE)[0].endswith(": not used")
    assert lines({**FIRST_PURCHASES, "why": "nobody bought"}) == [
        "first purchases: not judged, nobody bought"
    ]
    assert line in ending(fill(run_folder()), config.load())
