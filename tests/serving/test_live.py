"""What a night reads of the live publication."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.config import Settings
from pipeline.contract.datasets import DATASETS
from pipeline.errors import ServingError, Unreachable
from pipeline.runs.files import write_json
from pipeline.serving import About, migrate, publish, read_live, read_segments, refuse, rollback
from pipeline.serving import live as live_module
from tests.serving.nights import Shop, as_of


def test_a_first_night_is_told_nothing(shop: Shop) -> None:
    assert read_live(shop.url, shop.settings) == {}
    migrate(shop.url, shop.settings, say=shop.said.append)
    assert read_live(shop.url, shop.settings) == {}


def test_reading_makes_nothing(shop: Shop) -> None:
    read_live(shop.url, shop.settings)
    assert shop.read("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'serving%'", "") == []


def test_what_is_live(shop: Shop, tmp_path) -> None:
    params = {"als": {"factors": 8}, "searched_at": "2026-01-01T00:00:00+00:00", "n_trials": 5}
    about = About(0.25, {**params, "precision_at_3": 0.3, "repeat_purchases": "exclude"}, {"publish": True})
    publish(shop.url, shop.settings, shop.night(1), about, say=shop.said.append)
    live = read_live(shop.url, shop.settings)
    published_at = live.pop("published_at")
    assert published_at
    assert live == {
        "version": 1,
        "run_id": "night-1",
        "as_of": as_of(1),
        "repeat_purchases": "exclude",
        "precision_at_3": 0.25,
        "n_users": 2,
        "n_items": 4,
        "n_recommendations": 5,
        "params": about.params,
        "fallback": None,
        "ids": {"user": "integer", "item": "integer"},
        "last_search": {
            "searched_at": "2026-01-01T00:00:00+00:00",
            "n_trials": 5,
            "precision_at_3": 0.3,
            "repeat_purchases": "exclude",
        },
        "recent": [
            {
                "version": 1,
                "as_of": as_of(1),
                "published_at": published_at,
                "precision_at_3": 0.25,
                "n_users": 2,
                "n_items": 4,
                "measured_in": None,
                "model": None,
            }
        ],
        "n_refused_for_shrink": 0,
    }
    write_json(tmp_path / "live.json", live)


def test_parameters_that_nobody_searched_for_are_no_search(shop: Shop) -> None:
    shop.publish(shop.night(1))
    assert read_live(shop.url, shop.settings)["last_search"] is None


def test_the_live_one_is_not_the_last_recorded(shop: Shop) -> None:
    shop.publish(shop.night(5))
    shop.publish(shop.night(4))
    assert read_live(shop.url, shop.settings)["run_id"] == "night-5"


def test_the_mode_is_that_of_the_live_publication(
    shop: Shop, make_settings: Callable[..., object], new_shop: Callable[..., Shop]
) -> None:
    shop.publish(shop.night(1))
    serving = shop.settings.serving.model_dump(by_alias=True)
    allow = make_settings(run={"repeat_purchases": "allow"}, serving=serving)
    assert read_live(shop.url, allow)["repeat_purchases"] == "exclude"


def test_the_newest_publications_of_the_mode_up_to_a_time(
    shop: Shop, make_settings: Callable[..., Settings]
) -> None:
    for day in (*range(1, 10), 12):
        shop.publish(shop.night(day, {1: [11, 12][: day % 2 + 1]}))
    live = read_live(shop.url, shop.settings, as_of=as_of(9))
    assert [row["as_of"] for row in live["recent"]] == [as_of(day) for day in range(9, 2, -1)]
    assert [row["version"] for row in live["recent"]] == list(range(9, 2, -1))
    assert [row["n_items"] for row in live["recent"]] == [2, 1, 2, 1, 2, 1, 2]
    assert {row["n_users"] for row in live["recent"]} == {1}
    assert live["version"] == 10, "what is live is told whenever it is from"
    allow = make_settings(
        run={"repeat_purchases": "allow"}, serving=shop.settings.serving.model_dump(by_alias=True)
    )
    assert read_live(shop.url, allow)["recent"] == []


def record(shop: Shop, day: int, decision: str = "") -> None:
    """A publication of that day, or a refusal, with what the gate said: `shrink`, `shrink, age`, `!shrink`.

    With `!` it was published all the same.
    """
    kinds = [kind for kind in decision.lstrip("!").split(", ") if kind]
    about = About(0.25, {}, {"refused_for": kinds, "reasons": [f"for {kind}" for kind in kinds]})
    night = shop.night(day, {1: [10 + day]})
    if kinds and not decision.startswith("!"):
        refuse(shop.url, shop.settings, night, about, say=shop.said.append)
    else:
        publish(shop.url, shop.settings, night, about, say=shop.said.append)


@pytest.mark.parametrize(
    ("nights", "n_refused"),
    [
        (["", "shrink", "shrink"], 2),
        (["", "shrink", "shrink", "shrink", ""], 0),
        (["", "shrink", "shrink, age", "shrink"], 1),
        (["", "shrink", "age"], 0),
        (["", "shrink", "", "shrink"], 1),
        (["", "shrink", "!shrink"], 0),
    ],
)
def test_refusals_in_a_row_for_shrinking_alone(shop: Shop, nights: list[str], n_refused: int) -> None:
    for day, decision in enumerate(nights, start=1):
        record(shop, day, decision)
    assert read_live(shop.url, shop.settings)["n_refused_for_shrink"] == n_refused


def test_refusals_after_a_night_are_not_known_to_it_and_a_run_counts_once(shop: Shop) -> None:
    record(shop, 1)
    for day in (2, 3):
        record(shop, day, "shrink")
    again = About(0.25, {}, {"refused_for": ["shrink"]})
    refuse(shop.url, shop.settings, shop.night(3, {1: [99]}), again, say=shop.said.append)
    assert read_live(shop.url, shop.settings)["n_refused_for_shrink"] == 2
    assert read_live(shop.url, shop.settings, as_of=as_of(2))["n_refused_for_shrink"] == 1


@pytest.mark.parametrize("key", ["refused_for", "let_pass"])
def test_what_was_let_pass_though_it_had_shrunk_begins_anew(shop: Shop, key: str) -> None:
    for day in (1, 2):
        record(shop, day)
    about = About(0.25, {}, {key: ["shrink"], "forced": key == "refused_for"})
    publish(shop.url, shop.settings, shop.night(3), about, say=shop.said.append)
    record(shop, 4)
    assert [row["version"] for row in read_live(shop.url, shop.settings)["recent"]] == [4, 3]


def test_other_id_types_stop_the_night_before_it_begins(new_shop: Callable[..., Shop], shop: Shop) -> None:
    shop.publish(shop.night(1))
    other = new_shop(url=shop.url, ids={"item": "uuid"}, role_prefix=shop.settings.serving.role_prefix)
    with pytest.raises(ServingError, match="ids of other types"):
        read_live(other.url, other.settings)


def test_a_server_that_does_not_answer(shop: Shop) -> None:
    with pytest.raises(Unreachable):
        read_live("postgresql://someone:hush@127.0.0.1:1/none", shop.settings)


def segments(shop: Shop, day: int) -> list[tuple[object, ...]]:
    """`user_id, segment` as a night that ends at a day of January reads them, by user."""
    live = read_live(shop.url, shop.settings, as_of=as_of(day))
    batches = list(read_segments(shop.url, shop.settings, live, as_of(day)))
    for batch in batches:
        assert batch.schema == DATASETS["live_segments"].schema(shop.settings.ids.model_dump())
    return sorted(tuple(row.values()) for batch in batches for row in batch.to_pylist())


LISTS = {"segments": {9: 2, 7: 1, 8: 2}, "in_segment": {1: [11], 2: [12]}}


@pytest.mark.parametrize("fetched", [1, 2, 3, 50_000])
def test_the_segments_of_the_live_publication(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, fetched: int
) -> None:
    monkeypatch.setattr(live_module, "FETCHED", fetched)
    assert segments(shop, 1) == [], "there is no schema"
    shop.publish(shop.night(1, **LISTS))
    assert segments(shop, 2) == segments(shop, 1) == [(7, 1), (8, 2), (9, 2)]
    shop.publish(shop.night(2, segments={7: 3}, in_segment={3: [11]}))
    assert segments(shop, 3) == [(7, 3)]
    rollback(shop.url, shop.settings, say=shop.said.append)
    assert segments(shop, 3) == [(7, 1), (8, 2), (9, 2)]


def test_a_run_of_an_earlier_time_sees_no_segments_of_a_later_one(shop: Shop) -> None:
    shop.publish(shop.night(5, **LISTS))
    assert segments(shop, 4) == []
    assert len(segments(shop, 5)) == 3


@pytest.mark.parametrize(
    ("kind", "users"),
    [
        ("text", ["a\tb", "é", "00123"]),
        ("uuid", [f"{n:08x}-0000-0000-0000-00000000000a" for n in (1, 2, 171)]),
    ],
)
def test_segments_have_the_ids_of_the_shop(
    new_shop: Callable[..., Shop], kind: str, users: list[str]
) -> None:
    shop = new_shop(ids={"user": kind})
    shop.publish(shop.night(1, {users[0]: [11]}, segments=dict.fromkeys(users, 1), in_segment={1: [11]}))
    assert segments(shop, 1) == [(user, 1) for user in sorted(users)]
