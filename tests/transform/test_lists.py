"""What apps read beside the lists of each user: what is popular, what was bought, categories, names."""

from __future__ import annotations

from tests.shelf import day
from tests.transform.tables import rows_out

BOUGHT = [
    (0, 1, "purchase", 9.0, 0.0),  # a quantity counts once
    (1, 1, "purchase", 1.0, 7.0),
    (0, 0, "purchase", 1.0, 0.0),
    (0, 0, "purchase", 1.0, 7.0),
    (0, 2, "purchase", 1.0, 7.0),
    (0, 3, "purchase", 1.0, 0.0),
    (0, 4, "purchase", 1.0, 0.0),
    (0, 5, "view", 1.0, 0.0),
    (0, 6, "purchase", 1.0, 147.0),
    (0, 7, "purchase", 1.0, 140.0),
]
ITEM_ROWS = [(10 + row, row) for row in range(8)]
ITEMS = [
    (10, "Milk", "dairy"),
    (11, "Curd", "dairy", None, None, True),
    (12, "Plate", None),
    (13, "Tea", "tea", None, None, False),
    (15, "Cloth", "linen"),
    (16, "Cake", "cakes"),
    (17, "Sack", "bags"),
]


def test_items_as_of() -> None:
    """Milk is sold from day 10 on and curd until then; the plate is added later; of tea nothing is said."""
    items: list[tuple[object, ...]] = [
        (13, "Tea", None, 2.5, 0.5),
        (12, "Plate", None, None, None, None, day(10.5)),
        (11, "Curd", "dairy", None, None, True, day(1), day(10)),
        (10, "Milk", "dairy", None, None, True, day(10), day(11), day(9)),
        (14, "Salt", None, None, None, False, day(1), day(11)),
        (15, "Mug", None, None, None, None, day(1), day(11), day(12)),
    ]
    assert rows_out("items_as_of", {"as_of": day(10)}, items=items) == [
        (10, "Milk", "dairy", None, None, True, day(10), day(11), day(9)),
        (11, "Curd", "dairy", None, None, False, day(1), day(10), None),
        (12, "Plate", None, None, None, False, day(10.5), None, None),
        (13, "Tea", None, 2.5, 0.5, None, None, None, None),
        (14, "Salt", None, None, None, False, day(1), day(11), None),
        (15, "Mug", None, None, None, None, day(1), day(11), day(12)),
    ]


def test_popular_items() -> None:
    """Milk and curd as often: by id. Tea is not available, 14 in no catalogue, cloth only looked at.

    Of the sack, bought 20 half-lives ago, a millionth is left, of the cake, 21 ago, nothing. The plate is
    the fourth of three.
    """
    values = {"half_life_days": 7.0, "length": 1, "length_of_all": 3}
    assert rows_out("popular_items", values, event_rows=BOUGHT, item_rows=ITEM_ROWS, items=ITEMS) == [
        ("all", 1, 10, 1.5),
        ("all", 2, 11, 1.5),
        ("all", 3, 14, 1.0),
        ("bags", 1, 17, 1e-6),
        ("dairy", 1, 10, 1.5),
    ]


def test_popular_items_without_half_life() -> None:
    values = {"half_life_days": 0.0, "length": 2, "length_of_all": 9}
    assert rows_out("popular_items", values, event_rows=BOUGHT, item_rows=ITEM_ROWS, items=ITEMS) == [
        ("all", 1, 10, 2.0),
        ("all", 2, 11, 2.0),
        ("all", 3, 12, 1.0),
        ("all", 4, 14, 1.0),
        ("all", 5, 16, 1.0),
        ("all", 6, 17, 1.0),
        ("bags", 1, 17, 1.0),
        ("cakes", 1, 16, 1.0),
        ("dairy", 1, 10, 2.0),
        ("dairy", 2, 11, 2.0),
    ]


def test_user_purchases() -> None:
    """Each item once, by id; 9 is in no popular list; 2 only looked."""
    popular = [("all", 1, 6, 2.0), ("all", 2, 5, 1.0), ("dairy", 1, 6, 2.0)]
    events = [(3, 5, 0), (2, 5, 0, "view"), (1, 6, 0), (1, 9, 0), (1, 5, 1), (1, 5, 2)]
    assert rows_out("user_purchases", history=events, popular_items=popular) == [
        (1, 1, 5),
        (1, 2, 6),
        (3, 1, 5),
    ]


TEA, MILK, CAKE, PLATE, CLOTH = 1, 2, 3, 4, 5
CATALOGUE = [
    (TEA, "", "tea"),
    (MILK, "", "dairy"),
    (CAKE, "", "cakes"),
    (PLATE, "", None),
    (CLOTH, "", "linen"),
]
POPULAR = [("all", 1, TEA, 1.0), ("cakes", 1, CAKE, 1.0), ("dairy", 1, MILK, 1.0), ("tea", 1, TEA, 1.0)]
CUSTOMERS = [
    *[(10, TEA, 0), (10, MILK, 7), (10, CLOTH, 14)],  # linen has no popular list
    *[(11, TEA, 0), (11, MILK, 0), (11, CAKE, 7)],
    *[(12, TEA, 0), (12, TEA, 0), (12, MILK, 7)],  # twice tea, a half-life ago: as much as milk once
    *[(13, TEA, 0, "view"), (14, PLATE, 0)],
    *[(15, CAKE, 0), (15, MILK, 7), (15, PLATE, 147)],  # of milk a millionth is left, of cake none
]


def test_user_categories() -> None:
    """Two for each, ties by name. 13 bought nothing, 14 nothing that has a category."""
    values = {"half_life_days": 7.0, "length": 2}
    assert rows_out("user_categories", values, history=CUSTOMERS, items=CATALOGUE, popular_items=POPULAR) == [
        (10, 1, "dairy"),
        (10, 2, "tea"),
        (11, 1, "cakes"),
        (11, 2, "dairy"),
        (12, 1, "dairy"),
        (12, 2, "tea"),
        (15, 1, "dairy"),
        (15, 2, "cakes"),
    ]


def test_user_categories_without_half_life() -> None:
    values = {"half_life_days": 0.0, "length": 1}
    assert rows_out("user_categories", values, history=CUSTOMERS, items=CATALOGUE, popular_items=POPULAR) == [
        (10, 1, "dairy"),
        (11, 1, "cakes"),
        (12, 1, "tea"),
        (15, 1, "cakes"),
    ]


def test_item_names() -> None:
    """Neither name nor category: 2, 3, and 6, whose name is the character 0 alone. Nobody touched 9."""
    items = [
        (9, "Cloth", "linen"),
        (7, "Plate", None),
        (6, "\0", None),
        (5, "", "linen"),
        (4, "a\0b", "ca\0kes"),
        (3, None, None),
        (2, "", None),
        (1, "Assam", "tea"),
    ]
    touched = [(item, item - 1) for item in (5, 8, 7, 1, 2, 4, 3, 6)]
    rows = rows_out("item_names", items=items, item_rows=touched, untouched=[])
    named = [(1, "Assam", "tea"), (4, "ab", "cakes"), (5, None, "linen"), (7, "Plate", None)]
    assert rows == named
    shown = rows_out("item_names", items=items, item_rows=touched, untouched=[(9,), (1,), (10,)])
    assert shown == [*named, (9, "Cloth", "linen")]
