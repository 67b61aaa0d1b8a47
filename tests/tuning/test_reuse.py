"""Whether tonight searches: by the setting, and by the age, the mode and the worth of the last search."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from pipeline.config import Settings
from pipeline.models.params import Params
from pipeline.tuning.reuse import Decision, due_by_precision, due_by_record, due_by_split, unseen_by_search
from tests.shelf import day

AS_OF = day(100)
PRECISION = 0.3


def live(settings: Settings, **changes: Any) -> dict[str, Any]:
    """A live publication whose search was yesterday's."""
    searched_at = (AS_OF - timedelta(days=1)).isoformat()
    search = {"searched_at": searched_at, "repeat_purchases": "exclude", "precision_at_3": PRECISION}
    return {"version": 3, "params": {**Params.configured(settings).dump(), **search, **changes}}


def due(
    record: dict[str, Any], settings: Settings, as_of: datetime, validated: Callable[[Params], float]
) -> Decision:
    """As `choose_parameters` decides: `validated` is asked only where the record cannot tell."""
    decision = due_by_record(record, settings, as_of)
    params = Params.published(record, settings)
    if decision is not None or params is None:
        assert decision is not None
        return decision
    return due_by_precision(record, settings, validated(params), 14.0)


def never(params: Params) -> float:
    raise AssertionError("nothing needs to be validated to know this")


@pytest.mark.parametrize(
    ("searched_days_ago", "is_due"), [(0, False), (6.9, False), (7, True), (400, True), (None, True)]
)
def test_a_search_is_due_when_the_last_is_old_or_there_was_none(
    make_settings: Callable[..., Settings], searched_days_ago: float | None, is_due: bool
) -> None:
    settings = make_settings()
    at = None if searched_days_ago is None else (AS_OF - timedelta(days=searched_days_ago)).isoformat()
    is_searched, why = due(live(settings, searched_at=at), settings, AS_OF, lambda params: PRECISION)
    assert is_searched is is_due
    assert why.startswith("searched: " if is_due else "reused: ")


@pytest.mark.parametrize(
    ("then", "now", "is_due"),
    [(14.0, 14.0, True), (None, 14.0, True), (3.0, 14.0, False), (14.0, 3.0, False), (3.0, None, True)],
)
def test_a_number_of_another_horizon_says_nothing_of_tonights(
    make_settings: Callable[..., Settings], then: float | None, now: float | None, is_due: bool
) -> None:
    """A tenth of what was reached: less than any drop that is borne, where the two can be compared."""
    settings = make_settings()
    decision = due_by_precision(live(settings, test_days=then), settings, PRECISION / 10, now)
    assert decision.is_due is is_due
    assert ("3 days were asked about" in decision.why or "14 days were" in decision.why) is not is_due


def test_a_search_of_the_other_mode_does_not_count(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    is_searched, why = due(live(settings, repeat_purchases="allow"), settings, AS_OF, never)
    assert is_searched
    assert "for repeat_purchases = allow" in why


@pytest.mark.parametrize(
    ("now", "is_due"), [(0.3, False), (0.24, False), (0.2399, True), (0.0, True), (0.9, False)]
)
def test_a_search_is_due_when_validation_has_dropped_by_a_fifth(
    make_settings: Callable[..., Settings], now: float, is_due: bool
) -> None:
    settings = make_settings(tune={"max_drop": 0.2})
    is_searched, why = due(live(settings), settings, AS_OF, lambda params: now)
    assert is_searched is is_due
    assert f"{now:.4f}" in why
    assert "0.3000" in why


@pytest.mark.parametrize(("mode", "is_due"), [("always", True), ("never", False)])
def test_the_setting_decides_where_it_says_so(
    make_settings: Callable[..., Settings], mode: str, is_due: bool
) -> None:
    settings = make_settings(tune={"mode": mode})
    for record in ({}, live(settings)):
        assert due(record, settings, AS_OF, never) == (is_due, f"tune = {mode}")


@pytest.mark.parametrize(
    "params",
    [
        {},
        None,
        {"als": {"factors": 0}},
        {"als": {"factors": 8, "surprise": 1}},
        {"weights": {}},
        {"weights": {"view": "much", "cart": 1, "half_life_days": 3}},
    ],
)
def test_parameters_that_cannot_be_read_are_unknown_and_a_search_is_due(
    make_settings: Callable[..., Settings], params: dict[str, Any] | None
) -> None:
    settings = make_settings()
    record = live(settings)
    broken = {"version": 3, "params": {**record["params"], **params} if params else params}
    assert Params.published(broken, settings) is None
    assert due(broken, settings, AS_OF, never)[0]


@pytest.mark.parametrize(("days_into_the_test", "is_kept"), [(-1, True), (0, True), (1, False), (14, False)])
def test_parameters_tuned_on_days_that_are_now_the_test_are_not_used(
    make_settings: Callable[..., Settings], days_into_the_test: int, is_kept: bool
) -> None:
    test_from = day(80)
    until = (test_from + timedelta(days=days_into_the_test)).isoformat()
    record = live(make_settings(), tuned_until=until)
    kept = unseen_by_search(record, test_from)
    assert (Params.published(kept, make_settings()) is not None) is is_kept
    assert kept["version"] == record["version"]
    is_searched, _ = due(kept, make_settings(), AS_OF, lambda params: PRECISION)
    assert is_searched is not is_kept
    assert unseen_by_search({}, test_from) == {}


def test_a_number_of_another_kind_of_split_is_compared_with_nothing(
    make_settings: Callable[..., Settings],
) -> None:
    """What rows at random gave says nothing of what a cut in time gives."""
    decision = due_by_split(live(make_settings(), split_method="random"), "time")
    assert decision is not None
    assert decision.is_due
    assert decision.why == "searched: the last search was measured by split.method = random, tonight's time"
    assert due_by_split(live(make_settings(), split_method="time"), "time") is None
    assert due_by_split(live(make_settings()), "random") is None, "an earlier release did not say"
    assert due_by_split({}, "random") is None
