"""What `evaluate` leaves of a night that nobody can be measured in: every file, no row, and why."""

from __future__ import annotations

import json
from collections.abc import Callable

import pyarrow.parquet as pq

from pipeline.contract.datasets import DATASETS
from pipeline.evaluation.unjudged import EMPTY, leave_unjudged
from pipeline.models.params import Params
from pipeline.runs.job import Job
from tests.shelf import day, give


def test_every_dataset_is_there_in_its_columns_and_without_rows(job: Callable[..., Job]) -> None:
    night = job(as_of=day(100))
    params = Params.configured(night.settings).but(model="recently_popular").dump()
    give(night.folder, best_params={**params, "chosen": "the simplest", "race": []}, live={})
    assert leave_unjudged(night) == {"n_measured_users": 0}
    for name in EMPTY:
        table = pq.read_table(night.folder.file(name))
        assert (table.num_rows, table.column_names) == (0, list(DATASETS[name].columns))
    comparison, fallback = (
        json.loads(night.folder.file(name).read_text(encoding="utf-8")) for name in ("comparison", "fallback")
    )
    assert (comparison["published"], comparison["precision_at_3"]) == ("recently_popular", None)
    assert comparison["against"] == []
    assert comparison["skipped"] == [{"against": "best_rule", "why": "nobody can be measured"}]
    assert (fallback["model"], fallback["chosen"], fallback["reason"]) == (None, "recently_popular", None)
