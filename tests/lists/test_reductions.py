"""pipeline/lists/reductions.py: a shop of a few purchases, its prices dated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.config import Filter, Settings
from pipeline.lists.reductions import REDUCED_DAYS, item_reductions, user_reductions
from pipeline.runs.folder import RunFolder
from pipeline.splits.history import opened
from tests.shelf import day, events

CUT = 20
SOLD = ("purchase", None, 1.0)
BEFORE: list[tuple[Any, ...]] = [
    (1, 5, CUT - REDUCED_DAYS - 1, *SOLD, 4.0, 0.0),
    (1, 5, CUT - 1, *SOLD, 3.0, 1.0),
    (2, 6, CUT - 1, *SOLD, 2.0, 0.0),
    (3, 5, CUT - 2),
]


def reductions(
    folder: RunFolder, settings: Settings, rows: list[tuple[Any, ...]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Of items and of users at CUT."""
    folder.write("purchaser_events", events(*sorted(rows, key=lambda row: (row[0], row[2], row[1]))))
    file = folder.file("purchaser_events")
    with opened([file], day(CUT), Filter(), settings.run, folder.scratch()) as history:
        return item_reductions(history, day(CUT)).to_pylist(), user_reductions(history).to_pylist()


def test_what_is_reduced_and_who_buys_it(
    run_folder: Callable[..., RunFolder], make_settings: Callable[..., Settings]
) -> None:
    of_items, of_users = reductions(run_folder(), make_settings(), BEFORE)
    assert of_items == [
        {"item_id": 5, "reduction": 0.25, "n_lines": 1, "full_price": 4.0},
        {"item_id": 6, "reduction": 0.0, "n_lines": 1, "full_price": 2.0},
    ]
    assert of_users == [
        {"user_id": 1, "reduced_share": 0.5, "n_lines": 2},
        {"user_id": 2, "reduced_share": 0.0, "n_lines": 1},
    ]


def test_a_price_from_the_cut_on_changes_nothing(
    run_folder: Callable[..., RunFolder], make_settings: Callable[..., Settings]
) -> None:
    later = [(1, 6, CUT, *SOLD, 1.0, 1.0), (2, 5, CUT + 1, *SOLD, 1.0, 3.0)]
    settings = make_settings()
    assert reductions(run_folder(), settings, BEFORE) == reductions(run_folder(), settings, [*BEFORE, *later])
