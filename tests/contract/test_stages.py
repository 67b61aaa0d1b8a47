"""pipeline/contract/stages.py: the order of a night, and what has to run again."""

from __future__ import annotations

import pytest

from pipeline.contract.datasets import DATASETS, DOCUMENTS
from pipeline.contract.stages import BY_NAME, STAGES, after


def test_a_stage_reads_what_an_earlier_one_writes_and_writes_its_own() -> None:
    written: set[str] = set()
    for stage in STAGES:
        assert set(stage.reads) <= written, stage.name
        for name in stage.writes:
            writer = DATASETS[name].stage if name in DATASETS else DOCUMENTS[name]
            assert writer == stage.name
        assert not written & set(stage.writes), stage.name
        written |= set(stage.writes)
    assert written == DATASETS.keys() | DOCUMENTS.keys()


@pytest.mark.parametrize(
    ("name", "stale"),
    [
        ("publish", []),
        ("gate", ["publish"]),
        ("recommend", ["gate", "publish"]),
        ("train", ["evaluate", "recommend", "gate", "publish"]),
    ],
)
def test_all_that_depends_on_a_stage_runs_again(name: str, stale: list[str]) -> None:
    assert [stage.name for stage in after(name)] == stale


def test_everything_depends_on_extract() -> None:
    assert [stage.name for stage in after("extract")] == [name for name in BY_NAME if name != "extract"]
