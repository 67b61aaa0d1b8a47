"""pipeline/report/cold_items.py: the words about new items, for a page and for a terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline import config
from pipeline.report import build
from pipeline.report.cold_items import lines
from pipeline.report.summary import ending
from pipeline.runs.folder import RunFolder
from tests.report.pages import COLD, COLD_ITEMS, fill, section
from tests.tastes import ITEMS

Make = Callable[..., RunFolder]
NOTHING = {**COLD_ITEMS, "why": "nobody bought one", "all": None, "never_bought": None, "new_items": None}


def shown(folder: RunFolder, **parts: Any) -> str:
    """What a reader sees of the section, spaces that do not break as spaces."""
    page = build(fill(folder, items=ITEMS, **parts), config.load()).read_text(encoding="utf-8")
    return section(page, "new-items").replace("\N{NO-BREAK SPACE}", " ")


def test_a_page_says_how_much_of_what_was_new_could_be_foreseen(run_folder: Make) -> None:
    text = shown(run_folder())
    assert "Nobody had bought 1,200 items of the shop when lists were judged, or the first did less" in text
    assert "900 of them were never bought." in text
    assert "Later there were 400 purchases by 300 buyers of new items." in text
    assert "the first ten new items had 6.00 % of these purchases (95 % interval 4.00 % to 8.00 %)" in text
    assert "of the buyer's categories had 2.00 %." in text
    assert "would have 0.50 %; the ranking has 12 times as many." in text
    assert "Of items that nobody had ever bought, ranked among themselves, the first ten had 6.00 %" in text
    assert "Besides there were 7 purchases of items that the shop's table did not have by then" in text
    assert "taken as having always been as they are today" in text


def test_a_page_says_what_the_places_of_new_items_cost(run_folder: Make) -> None:
    text = shown(run_folder())
    assert "Of 100 lists 80 had a new item in one of its places among the first 20; 2 such items" in text
    assert "With them the first 20 have 21.00 % of what was bought, without them 21.40 %" in text
    assert "is \N{MINUS SIGN}0.90 to +0.10 of 100 purchases" in text
    without = shown(run_folder("other"), cold_items={**COLD_ITEMS, "new_items": None})
    assert "No list had a place for a new item: nothing was new enough, or there are no places." in without


def test_few_purchases_decide_nothing(run_folder: Make) -> None:
    few = {**COLD, "n_buyers": 3, "n_purchases": 4}
    text = shown(run_folder(), cold_items={**COLD_ITEMS, "all": few, "never_bought": None})
    assert "4 purchases by 3 buyers of new items. These are too few to decide anything." in text
    assert "had 6.00 %" not in text
    [line, _] = lines({**COLD_ITEMS, "all": few, "never_bought": None})
    assert line == "new items: 4 purchases by 3 buyers, too few to decide anything"


def test_a_page_says_why_nothing_was_judged(run_folder: Make) -> None:
    assert "Not judged: nobody bought one." in shown(run_folder(), cold_items=NOTHING)


def test_a_shop_without_items_and_a_run_of_an_earlier_version_have_no_section(run_folder: Make) -> None:
    for name, parts in (("without", {}), ("earlier", {"without": ("cold_items",), "items": ITEMS})):
        page = build(fill(run_folder(name), **parts), config.load()).read_text(encoding="utf-8")
        assert 'id="new-items"' not in page


def test_the_lines_of_a_terminal(run_folder: Make) -> None:
    assert lines(COLD_ITEMS) == [
        "new items: 400 purchases by 300 buyers, Recall@10 0.0600 (0.0400 to 0.0800),"
        " popular in their categories 0.0200, random in their categories 0.0050",
        "  never bought before: 400 purchases by 300 buyers, Recall@10 0.0600 (0.0400 to 0.0800),"
        " random in their categories 0.0050",
        "  their places (1 from rank 11): Recall@20 0.2100, without 0.2140 (-0.0040, -0.0090 to +0.0010)",
    ]
    assert lines(NOTHING) == ["new items: not judged, nobody bought one"]
    assert "new items: 400 purchases" in ending(fill(run_folder()), config.load())
