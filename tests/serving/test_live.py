"""What a night is told of the live publication."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.errors import ServingError, Unreachable
from pipeline.files import write_json
from pipeline.serving import About, migrate, publish, read_live
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
    assert live.pop("published_at")
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
        "ids": {"user": "integer", "item": "integer"},
        "last_search": {
            "searched_at": "2026-01-01T00:00:00+00:00",
            "n_trials": 5,
            "precision_at_3": 0.3,
            "repeat_purchases": "exclude",
        },
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


def test_other_id_types_stop_the_night_before_it_begins(new_shop: Callable[..., Shop], shop: Shop) -> None:
    shop.publish(shop.night(1))
    other = new_shop(url=shop.url, ids={"item": "uuid"}, role_prefix=shop.settings.serving.role_prefix)
    with pytest.raises(ServingError, match="ids of other types"):
        read_live(other.url, other.settings)


def test_a_server_that_does_not_answer(shop: Shop) -> None:
    with pytest.raises(Unreachable):
        read_live("postgresql://someone:hush@127.0.0.1:1/none", shop.settings)
