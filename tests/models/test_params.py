"""The parameters of a run: read from settings, from an earlier publication, from `best_params`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline.config import Settings
from pipeline.models.params import HALF_LIVES, Params, Variety, live_as_of
from tests.shelf import day

AS_OF = day(100)


def test_a_publication_from_before_there_was_a_race_is_als(make_settings: Callable[..., Settings]) -> None:
    """It told neither model nor half-lives, and had one penalty for all."""
    settings = make_settings()
    document = Params.configured(settings).dump()
    old = {"als": dict(document["als"]), "weights": document["weights"]}
    del old["als"]["regularization_scale"]
    read = Params.published({"params": old}, settings)
    assert read is not None
    assert read.als.regularization_scale == 0.0
    assert (read.model, dict(read.half_lives)) == ("als", HALF_LIVES)


def test_only_what_a_search_sets_is_taken_from_a_publication(make_settings: Callable[..., Settings]) -> None:
    then = make_settings(weights={"view": 0.5, "purchase": 2.0, "half_life_days": 9.0})
    now = make_settings(weights={"view": 1.0, "purchase": 7.0, "half_life_days": 60.0})
    read = Params.published({"params": Params.configured(then).dump()}, now)
    assert read is not None
    assert (read.weights.view, read.weights.purchase, read.weights.half_life_days) == (0.5, 7.0, 9.0)


def test_written_and_read_they_are_the_same(make_settings: Callable[..., Settings]) -> None:
    params = Params.configured(make_settings()).but(model="blend", half_lives={"recently_popular": 7.0})
    assert Params.read(params.dump()) == params


def test_a_run_does_not_know_what_is_later_than_it() -> None:
    publication = {"version": 1, "as_of": AS_OF.isoformat()}
    assert live_as_of(publication, AS_OF) == publication
    assert live_as_of(publication, AS_OF - timedelta(seconds=1)) == {}
    assert live_as_of({}, AS_OF) == {}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"strength": 0.875, "has_near_duplicates": False}, Variety(0.875, has_near_duplicates=False)),
        ({"strength": 1}, Variety(1.0)),
        ({"strength": 1.0, "has_near_duplicates": True, "of_a_later_release": 3}, Variety(1.0)),
        *((wrong, Variety()) for wrong in (None, {}, 7, [], {"strength": "1"}, {"strength": float("nan")})),
        *(
            (wrong, Variety())
            for wrong in ({"strength": -1.0}, {"strength": 1e9}, {"has_near_duplicates": 0})
        ),
    ],
)
def test_variety_is_read_where_it_is_one_and_is_none_elsewhere(value: object, expected: Variety) -> None:
    """A publication of another release is still one whose parameters can be used."""
    assert Variety.read(value) == expected
