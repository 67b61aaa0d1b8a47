"""pipeline/validation/odd_values.py, from the events of a run to what `validate` tells and refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.config import Settings
from pipeline.errors import ValidationFailed
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.validation.odd_values import look_through
from tests import shelf
from tests.validation import beside

MULTIPLY = {"rating_weight": "multiply"}
USUAL = [(user, 10 + user % 2, 1, "purchase", f"o{user}", 1.0, 2.0, 0.0, 4.0) for user in range(1, 7)]


@pytest.fixture
def shop(job: Callable[..., Job], make_settings: Callable[..., Settings]) -> Callable[..., Job]:
    """`shop(*rows, **weights)`: a run that comes to `validate`, with the rows of a usual shop and these."""

    def make(*rows: tuple[Any, ...], **weights: str) -> Job:
        new_job = job(as_of=shelf.day(10), settings=make_settings(weights=weights))
        shelf.give(new_job.folder, events=shelf.events(*USUAL, *rows), serving={"encoding": "UTF8"})
        return new_job

    return make


def told(job: Job) -> dict[str, int]:
    """What `validate` says is not so, and of how many rows."""
    run_stage("validate", job)
    failed = job.folder.document("validation")["suites"][0]["failed"]
    assert {failure["severity"] for failure in failed} <= {"warning"}
    return {failure["expectation"].split(" (")[0]: failure["n_rows"] for failure in failed}


def test_the_table_has_the_columns_that_the_suite_reads(shop: Callable[..., Job]) -> None:
    for rows in ((), [(1, 10, 1, "purchase", "o", 1.0, -2.0)]):
        [(name, file)] = look_through(shop(*rows)).items()
        table = pq.read_table(file)
        assert table.num_rows == len(rows)
        assert table.schema.names == beside.SCHEMAS[name].names
        assert table.schema.types == beside.SCHEMAS[name].types


def test_a_usual_shop_is_told_nothing(shop: Callable[..., Job]) -> None:
    assert told(shop()) == {}


@pytest.mark.parametrize(
    ("carried", "expectation"),
    [
        ([(1.0, -2.0)], "price is a finite number, 0 or more"),
        ([(1.0, 2.0, float("nan"))], "discount is a finite number, 0 or more"),
        ([(1.0, 2.0, 0.0, -1.0)], "rating is a finite number, 0 to 1000"),
        ([(1.0, 2_500.0)], "price is less than a thousand times the item's other prices"),
        ([(2.0, 4.0), (3.0, 6.0), (4.0, 8.0)], "price is that of one piece, not of the whole line"),
        (
            [(1.0, 1.0, 50.0), (1.0, 1.5, 25.0), (1.0, 1.8, 10.0)],
            "discount is an amount off one piece, not a percentage, a share, or more than the item costs",
        ),
    ],
)
def test_each_finding_is_told_and_stops_nothing(
    shop: Callable[..., Job], carried: list[tuple[float, ...]], expectation: str
) -> None:
    rows = [(7, 10, 2, "purchase", f"o{n}", *values) for n, values in enumerate(carried)]
    assert told(shop(*rows)) == {expectation: 1}


@pytest.mark.parametrize("rating", [-1.0, float("nan"), float("inf"), 1001.0])
def test_a_rating_that_cannot_weigh_stops_a_night_in_which_ratings_weigh(
    shop: Callable[..., Job], rating: float
) -> None:
    rated = (7, 10, 2, "purchase", "o", 1.0, 2.0, 0.0, rating)
    with pytest.raises(ValidationFailed, match="1 critical expectation failed") as refused:
        run_stage("validate", shop(rated, **MULTIPLY))
    assert "rating is a finite number, 0 to 1000, because weights.rating_weight" in refused.value.found
    assert f"item_id 10, n_events 1, rating {rating}" in refused.value.found
    assert told(shop(rated[:-1], **MULTIPLY)) == {}
