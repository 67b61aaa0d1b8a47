"""What the gate knows of a shop, counted apart from the stages that made the lists."""

from __future__ import annotations

import pytest

from tests.shelf import day
from tests.transform.tables import rows_out


def test_known_items() -> None:
    """5 from the events alone; the catalogue says no for 6, nothing for 7, yes for 8. No id is no item."""
    items = [(8, "", "", None, None, True), (7,), (6, "", "", None, None, False), (None,)]
    events = [(1, 6, 0, "view"), (1, 5, 0), (2, 5, 0), (2, None, 0)]
    assert rows_out("known_items", events=events, items=items) == [
        (5, True),
        (6, False),
        (7, True),
        (8, True),
    ]


@pytest.mark.parametrize(("is_exclude", "rows"), [(True, [(1, 5), (2, 6)]), (False, [])])
def test_left_out(is_exclude: bool, rows: list[tuple[int, int]]) -> None:
    """Each once, however often bought; what was only looked at stays in."""
    events = [(2, 6, 0), (1, 5, 0), (1, 5, 1), (1, 6, 0, "view"), (2, 5, 0, "cart")]
    assert sorted(rows_out("left_out", {"is_exclude": is_exclude}, history=events)) == rows


def test_shelf_items() -> None:
    """6 is not available, nobody touched 8."""
    known_items = [(5, True), (6, False), (7, True), (8, True)]
    rows = rows_out("shelf_items", item_rows=[(5, 0), (6, 1), (7, 2)], known_items=known_items)
    assert sorted(rows) == [(5,), (7,)]


def test_shown_items() -> None:
    """5 is left out for both; 6 for user 1, and for 3, who takes no part; 9 is not on the shelf."""
    shelf, left_out = [(5,), (6,), (7,)], [(1, 5), (2, 5), (1, 6), (3, 6), (1, 9)]
    users = [(1, 0), (2, 1)]
    assert rows_out("shown_items", shelf_items=shelf, left_out=left_out, user_rows=users) == [(2,)]
    assert rows_out("shown_items", shelf_items=shelf, left_out=[], user_rows=users) == [(3,)]
    assert rows_out("shown_items", shelf_items=shelf, left_out=[], user_rows=[]) == [(0,)]


def test_buyers() -> None:
    """1 bought the whole shelf; 2 as many items, but one that is not on it; 9 takes no part. By id."""
    users = [(6, 5), (2, 1), (5, 4), (1, 0), (3, 2), (4, 3)]
    left_out = [(1, 5), (1, 6), (2, 5), (2, 8), (9, 5)]
    rows = rows_out("buyers", user_rows=users, shelf_items=[(5,), (6,)], left_out=left_out)
    assert rows == [(2,), (3,), (4,), (5,), (6,)]
    assert rows_out("buyers", user_rows=users, shelf_items=[], left_out=left_out) == []


def test_list_counts() -> None:
    lists = [(1, 1, 5, 0.9), (1, 2, 6, 0.8), (2, 1, 5, 0.7)]
    assert rows_out("list_counts", recommendations=lists) == [(2, 2)]
    assert rows_out("list_counts", recommendations=[]) == [(0, 0)]


def test_newest_event() -> None:
    """Of any kind; one exactly at as_of is not before it."""
    events = [(1, 5, 0), (1, 5, 3, "view"), (1, 5, 4)]
    assert rows_out("newest_event", {"as_of": day(4)}, events=events) == [(day(3),)]
    assert rows_out("newest_event", {"as_of": day(0)}, events=events) == [(None,)]
