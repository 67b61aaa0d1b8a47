"""A stage that was killed goes on from what it has finished, and writes what it would have written anyway."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pipeline.lists import personal
from pipeline.models.als import AlsModel
from pipeline.ranking import fitted
from pipeline.ranking.training_rows import draw_training_rows
from pipeline.runs import kept
from pipeline.runs.files import write_whole
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage

WRITTEN = {
    "tune": ("examples.parquet", "best_params.json"),
    "evaluate": ("metrics.parquet", "user_metrics.parquet", "latest_examples.parquet", "comparison.json"),
    "recommend": ("recommendations.parquet", "similar_items.parquet"),
}


class Killed(BaseException):
    """As a process that is killed: nothing catches it."""


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often ALS was fitted, training rows were drawn, and lists were made."""
    counts: Counter[str] = Counter()
    fit, lists = AlsModel.fit, personal.Audience.lists

    def counted_fit(self: AlsModel, *given: object) -> object:
        counts[self.name] += 1
        return fit(self, *given)  # type: ignore[arg-type]

    def counted_rows(*given: object) -> object:
        counts["rows"] += 1
        return draw_training_rows(*given)  # type: ignore[arg-type]

    def counted_lists(self: personal.Audience, *given: object) -> object:
        counts["lists"] += 1
        return lists(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(AlsModel, "fit", counted_fit)
    monkeypatch.setattr(fitted, "draw_training_rows", counted_rows)
    monkeypatch.setattr(personal.Audience, "lists", counted_lists)
    monkeypatch.setattr(personal, "BATCH_USERS", 8)
    monkeypatch.setattr(personal, "KEPT_BATCHES", 1)
    return counts


def written(job: Job, stage: str) -> dict[str, bytes]:
    return {name: (job.folder.path / name).read_bytes() for name in WRITTEN[stage]}


@pytest.mark.parametrize("stage", WRITTEN)
def test_what_was_finished_is_not_done_again_and_the_files_are_the_same(
    learnt: Job, work: Counter[str], monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """Killed after each file in turn that it keeps, with one more finished each time."""
    run_stage(stage, learnt)
    whole, expected = Counter(work), written(learnt, stage)
    work.clear()
    left: list[Path] = []

    def kill_after_one(target: Path, fill: object) -> None:
        write_whole(target, fill)  # type: ignore[arg-type]
        left.append(target)
        raise Killed

    monkeypatch.setattr(kept, "write_whole", kill_after_one)
    for _ in range(100):
        try:
            run_stage(stage, learnt)
        except Killed:
            assert not (learnt.folder.path / "receipts" / f"{stage}.json").exists()
        else:
            break
    assert len(left) == len(set(left)) >= 4, "each was kept once"
    assert written(learnt, stage) == expected
    assert work == whole, "nothing was worked out twice"
    assert not (learnt.folder.path / "kept").exists()
