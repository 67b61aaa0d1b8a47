"""Segments of people who only looked around: filling up, forgetting, upgrade and rollback."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.runs.files import write_json
from pipeline.runs.folder import RunFolder
from pipeline.serving import migrate, publication, rollback, schema
from pipeline.serving.forgotten import erase_stored, remember
from tests.serving.nights import Shop, without_details
from tests.serving.test_recommend import block

LISTED, BROWSER, OTHER, ALONE = 1, 7, 8, 9
NAMES = {
    15: ("Green tea", "tea"),
    16: ("Black tea", "tea"),
    17: ("Plate", "china"),
    21: ("Cup", "china"),
    22: ("Assam", "tea"),
}
LISTS: dict[str, Any] = {
    "popular": {"all": [11, 15, 16, 17], "tea": [16, 15], "china": [17]},
    "categories": {BROWSER: ["china"]},
    "segments": {LISTED: 1, BROWSER: 2, OTHER: 1},
    "in_segment": {1: [15, 11], 2: [21, 15, 22]},
    "names": NAMES,
}
TOLD = "popular with people like you"


@pytest.fixture
def live_shop(shop: Shop) -> Shop:
    """User 1 has a list and is in segment 1, 7 in segment 2; 9 is unknown."""
    shop.publish(shop.night(1, {LISTED: [11, 12]}, **LISTS))
    return shop


def picked(shop: Shop, call: str) -> list[tuple[Any, ...]]:
    """`rank, item_id, source` of a call."""
    return shop.read(f"SELECT rank, item_id, source FROM serving.recommend({call})")


def test_the_segment_comes_before_categories_and_the_shop(live_shop: Shop) -> None:
    """15 is in both lists, and shown once."""
    assert live_shop.read("SELECT * FROM serving.recommend(7, 10)") == [
        (1, 21, 1.0, "popular_in_segment", "popular_in_segment", None, 1),
        (2, 15, 0.5, "popular_in_segment", "popular_in_segment", None, 1),
        (3, 22, 1 / 3, "popular_in_segment", "popular_in_segment", None, 1),
        (4, 17, 1.0, "popular_in_category", "popular_in_category", None, 1),
        (5, 11, 1.0, "popular", "recently_popular", None, 1),
        (6, 16, 1 / 3, "popular", "recently_popular", None, 1),
    ]


def test_it_comes_after_the_own_list(live_shop: Shop) -> None:
    assert picked(live_shop, "1, 4") == [
        (1, 11, "personal"),
        (2, 12, "personal"),
        (3, 15, "popular_in_segment"),
        (4, 16, "popular"),
    ]


@pytest.mark.parametrize("n", range(1, 7))
def test_n_rows_of_them(live_shop: Shop, n: int) -> None:
    assert picked(live_shop, f"7, {n}") == picked(live_shop, "7, 10")[:n]


def test_who_has_no_segment_gets_what_they_got_before(live_shop: Shop) -> None:
    rows = [(1, 11, "popular"), (2, 15, "popular"), (3, 16, "popular"), (4, 17, "popular")]
    for user in (ALONE, "NULL"):
        assert picked(live_shop, f"{user}, 9") == rows


def test_blocked_items_leave_it_and_ranks_close_up(live_shop: Shop) -> None:
    block(live_shop, 21)
    assert picked(live_shop, "7, 3") == [
        (1, 15, "popular_in_segment"),
        (2, 22, "popular_in_segment"),
        (3, 17, "popular_in_category"),
    ]


def test_a_long_list_with_many_blocked_items_is_read_to_its_end(shop: Shop) -> None:
    """In pieces of 2, 2, 4, ... places."""
    shop.publish(shop.night(1, {}, popular={"all": [1]}, segments={7: 1}, in_segment={1: range(100, 120)}))
    for item in range(100, 118):
        block(shop, item)
    assert [row[1] for row in picked(shop, "7, 2")] == [118, 119]
    assert [row[1] for row in picked(shop, "7, 5")] == [118, 119, 1]


def test_what_the_user_bought_is_left_out_of_it(shop: Shop) -> None:
    shop.publish(shop.night(1, {}, **LISTS, purchases={BROWSER: [15]}))
    assert [row[1] for row in picked(shop, "7, 3")] == [21, 22, 17]


def test_within_a_category_its_items_come_before_what_is_popular_there(live_shop: Shop) -> None:
    block(live_shop, 22)
    assert live_shop.read("SELECT * FROM serving.recommend(7, 9, 'tea')") == [
        (1, 15, 0.5, "popular_in_segment", "popular_in_segment", None, 1),
        (2, 16, 1.0, "popular_in_category", "popular_in_its_category", None, 1),
    ]
    assert picked(live_shop, "7, 1, 'tea'") == [(1, 15, "popular_in_segment")]
    assert picked(live_shop, "7, 9, 'no such'") == []
    assert picked(live_shop, "9, 9, 'tea'") == [
        (1, 16, "popular_in_category"),
        (2, 15, "popular_in_category"),
    ]


def test_the_reason_in_words(live_shop: Shop) -> None:
    assert live_shop.read("SELECT serving.explain(7, 21)") == [(TOLD,)]
    assert live_shop.read("SELECT serving.reason_in_words(21, 'popular_in_segment', NULL)") == [(TOLD,)]


def test_the_views_show_the_live_publication(live_shop: Shop) -> None:
    live_shop.publish(live_shop.night(2, segments={OTHER: 3}, in_segment={3: [14, 13]}))
    lists, users = "SELECT * FROM serving.popular_in_segment", "SELECT * FROM serving.user_segments"
    assert live_shop.read(lists) == [(3, 1, 14, 1.0, 2), (3, 2, 13, 0.5, 2)]
    assert live_shop.read(users) == [(OTHER, 3, 2)]
    rollback(live_shop.url, live_shop.settings, say=live_shop.said.append)
    assert live_shop.read(f"{users} ORDER BY 1") == [(LISTED, 1, 1), (BROWSER, 2, 1), (OTHER, 1, 1)]
    assert [row[0] for row in live_shop.read(lists)] == [1, 1, 2, 2, 2]


def test_who_is_forgotten_has_no_segment_any_more(live_shop: Shop) -> None:
    segments = "SELECT version, user_id FROM serving_storage.user_segments ORDER BY 1, 2"
    erased = erase_stored(live_shop.url, live_shop.settings, BROWSER)
    assert erased.n_rows == 2, "the segment and the categories"
    assert live_shop.read(segments, "publisher") == [(1, LISTED), (1, OTHER)]
    assert picked(live_shop, "7, 1") == [(1, 11, "popular")]
    remember(live_shop.url, live_shop.settings, OTHER)
    live_shop.publish(live_shop.night(2, {LISTED: [11, 12]}, **LISTS))
    assert live_shop.read(segments, "publisher") == [(1, LISTED), (1, OTHER), (2, LISTED), (2, BROWSER)]


def test_versions_from_before_are_served_as_they_were_and_can_be_put_back(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = {name: lists for name, lists in LISTS.items() if "segment" not in name}
    with monkeypatch.context() as before:
        before.setattr(schema, "UPGRADES", schema.UPGRADES[: 11 - schema.BASE])
        before.setattr(schema, "VERSION", 11)
        before.setattr(publication, "KINDS", without_details())
        shop.publish(shop.night(1, {LISTED: [11, 12]}, **others))
    calls = ("1, 9", "7, 9", "7, 9, 'tea'", "NULL, 2")
    answers = [picked(shop, call) for call in calls]
    migrate(shop.url, shop.settings, say=shop.said.append)
    assert [picked(shop, call) for call in calls] == answers
    shop.publish(shop.night(2, {LISTED: [11, 12]}, **LISTS))
    assert picked(shop, "7, 1") == [(1, 21, "popular_in_segment")]
    rollback(shop.url, shop.settings, say=shop.said.append)
    assert [picked(shop, call) for call in calls] == answers


def of_an_earlier_release(folder: RunFolder) -> RunFolder:
    """The run as a release before segments would have made it."""
    receipt = folder.receipt("recommend")
    for name in ("user_segments", "popular_in_segment"):
        folder.file(name).unlink()
        del receipt["files"][folder.file(name).name]
    write_json(folder.path / "receipts" / "recommend.json", receipt)
    return folder


def test_a_run_of_an_earlier_release_is_published_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """By this release as by its own: the lists are the same, so it is the same publication."""
    folder = of_an_earlier_release(shop.night(1))
    first = shop.publish(folder)
    assert first.is_live
    assert picked(shop, "7, 1") == [(1, 11, "popular")]
    with monkeypatch.context() as before:
        before.setattr(publication, "KINDS", without_details())
        assert shop.publish(folder) == first
