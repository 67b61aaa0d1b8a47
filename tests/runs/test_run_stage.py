"""pipeline/runs/run_stage.py: a stage gets what it declares, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pyarrow as pa
import pytest

from pipeline.contract.datasets import DATASETS, Dataset
from pipeline.contract.stages import BY_NAME
from pipeline.errors import ContractBroken, RunError
from pipeline.runs import run_stage as module
from pipeline.runs.job import Counts, Job
from pipeline.runs.run_stage import run_stage
from tests import tastes
from tests.shelf import events, give


@pytest.mark.parametrize("read", ["document", "dataset", "table", "rows", "has", "optional"])
def test_a_stage_that_reads_what_it_has_not_declared_is_refused(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    """`split` declares `purchaser_events`: when another dataset changed, it would not run again."""
    name = "live" if read == "document" else "events"

    def run(job: Job) -> Counts:
        getattr(job.folder, read)(name)
        return {}

    night = job()
    give(night.folder, purchaser_events=events((1, 5, 0)), events=events((1, 5, 0)), live={})
    getattr(night.folder, read)(name)
    monkeypatch.setattr(module.importlib, "import_module", lambda _: SimpleNamespace(run=run))
    with pytest.raises(ContractBroken) as caught:
        run_stage("split", night)
    assert caught.value.what == f"split uses `{name}`, which it has not declared"
    assert "contract/stages.py" in caught.value.then
    assert not night.folder.receipt("split")


def test_a_stage_may_use_all_that_it_declares(job: Callable[..., Job]) -> None:
    folder = job().folder
    for stage in BY_NAME.values():
        for name in (*stage.reads, *stage.writes):
            assert folder.for_stage(stage.name).file(name) == folder.file(name)


def test_a_run_that_another_version_began_is_refused_before_the_stage_starts(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its events have no prices, discounts and ratings; those of a later version might have a column more."""
    night, whole = job(), events((1, 5, 0))
    six = Dataset("purchaser_events", "filter_purchasers", dict(list(DATASETS["events"].columns.items())[:6]))
    more = replace(six, columns={**DATASETS["events"].columns, "colour": pa.string()})
    monkeypatch.setattr(module.importlib, "import_module", lambda _: SimpleNamespace(run=lambda job: {}))
    for dataset, rows, found in (
        (six, whole.select(list(six.columns)), "no price, discount, rating"),
        (more, whole.append_column("colour", pa.array(["red"])), "quantity, price, discount, rating, colour"),
    ):
        with monkeypatch.context() as other_version:
            nullable = replace(dataset, nullable=frozenset(dataset.columns))
            other_version.setitem(DATASETS, "purchaser_events", nullable)
            give(night.folder, purchaser_events=rows)
        with pytest.raises(RunError, match="another version of this program wrote `purchaser_events`") as no:
            run_stage("split", night)
        assert found in no.value.found
        assert no.value.then == "start a new run: python -m pipeline run"
    give(night.folder, purchaser_events=whole)
    run_stage("split", night)


def test_a_stage_writes_all_that_it_declares(learnt: Job) -> None:
    for name in tastes.LEARNING:
        files = set(learnt.folder.receipt(name)["files"])
        assert {learnt.folder.file(part).name for part in BY_NAME[name].writes} <= files, name
