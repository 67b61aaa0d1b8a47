"""What docs/scale.md says of nights of several sizes is what benchmarks/scale.json has of them."""

from __future__ import annotations

import pytest

from benchmarks import scale
from pipeline.config import ROOT
from pipeline.contract.stages import STAGES
from tests.docs import pages

PAGE = ROOT / "docs" / "scale.md"
NIGHTS = scale.recorded()


def test_the_table_is_that_of_the_record() -> None:
    assert len(NIGHTS) >= 3
    assert scale.table(NIGHTS) in pages.text(PAGE)


@pytest.mark.parametrize("picture", scale.PICTURES.values())
def test_a_picture_names_every_stage_and_size(picture: str) -> None:
    drawn = pages.text(PAGE.with_name(picture))
    assert f"]({picture})" in pages.text(PAGE)
    for name in (*(stage.name for stage in STAGES), *NIGHTS):
        assert f">{name}</text>" in drawn


@pytest.mark.parametrize("stage", [stage.name for stage in STAGES])
def test_in_the_record_the_time_of_no_stage_grows_much_faster_than_the_events(stage: str) -> None:
    assert scale.slope(NIGHTS, stage, "seconds") <= 1.1


def test_the_slope_is_that_of_the_larger_nights_on_logarithmic_axes() -> None:
    nights = {str(size): {"tune": {"seconds": 2.0 * size**1.5}} for size in (3, 10, 30)}
    small = {"1": {"tune": {"seconds": 1_000.0}}}
    assert scale.slope({**small, **nights}, "tune", "seconds") == pytest.approx(1.5)
