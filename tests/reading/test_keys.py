"""pipeline/reading/keys.py: names that no id or category of a shop can confuse."""

from __future__ import annotations

from pipeline.reading import keys
from pipeline.reading.keys import Keys


def test_keys_of_a_shop_begin_with_its_schema() -> None:
    shop = Keys("books")
    assert {shop.live, shop.blocked, shop.editions, shop.counter} == {
        "books:live", "books:blocked", "books:editions", "books:counter"
    }  # fmt: skip
    assert shop.of("17-3") + keys.user(42) == "books:17-3:user:42"


def test_odd_ids_and_categories_stay_apart() -> None:
    """What the shop writes stands at the end of a key, whatever is in it."""
    names = [
        *(keys.user("a:b"), keys.user("a"), keys.segment_of("a"), keys.segment(1), keys.item("a")),
        *(
            keys.popular("all"),
            keys.popular("all:"),
            keys.popular(""),
            keys.similar("a"),
            keys.also_bought("a"),
        ),
        *(keys.USERS, keys.ABOUT),
    ]
    assert len(set(names)) == len(names)
