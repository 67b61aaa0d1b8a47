"""A small shop of two tastes, and nights on it that have come as far as a stage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import config
from pipeline.config import Settings
from pipeline.models.catalog import raced
from pipeline.runs.folder import RunFolder
from pipeline.runs.job import Databases, Job
from pipeline.runs.run_stage import run_stage
from pipeline.splits import folds
from pipeline.splits.folds import Fold
from tests.shelf import day, events, give

AS_OF = day(100)
TUNE = {"trials": 3, "factors": (2, 8), "iterations": (2, 5)}
ITEMS = pa.table(
    {
        "item_id": pa.array(range(20)),
        "name": pa.array([f"item {n}" for n in range(20)]),
        "category": pa.array(["even" if n % 2 == 0 else "odd" for n in range(20)]),
        "price": pa.nulls(20, pa.float64()),
        "discount": pa.nulls(20, pa.float64()),
        "available": pa.array([None if n == 1 else n != 4 for n in range(20)]),
    }
)
RACED = raced(config.load())
"""Every model but the neural network, which races where it is named."""
LEARNING = ("split", "tune", "train", "evaluate", "recommend")


def shop() -> pa.Table:
    """40 users, 20 items: even users buy even items, odd users odd ones, a purchase every few days."""
    rng = np.random.default_rng(5)
    return events(
        *(
            (user, 2 * int(rng.integers(0, 10)) + user % 2, float(at) + 0.01 * user)
            for user in range(40)
            for at in np.sort(rng.uniform(0, 99, 14))
        )
    )


def settings_of(**sections: dict[str, Any]) -> Settings:
    """config.toml with a small search on one thread, which is quicker on so little, a test of one cut, and
    sections changed."""
    values = config.load().model_dump(by_alias=True)
    values["run"] |= {"threads": 1}
    own = {"tune": TUNE, "recommend": {"list_length": 5}, "split": {"test_days": 14}}
    for section, changes in {**own, **sections}.items():
        values[section] = {**values[section], **changes}
    return Settings.model_validate(values)


def job_at(path: Path, say: Callable[[str], None] = str, **sections: dict[str, Any]) -> Job:
    """The job of the run in the folder `path`, which is made where there is none."""
    settings = settings_of(**sections)
    folder = RunFolder.create(path, "night", AS_OF, settings.ids.model_dump(), {})
    return Job(folder, settings, Databases(source=str, serving=str), AS_OF, say)


def night_at(path: Path, *stages: str, **sections: dict[str, Any]) -> Job:
    """A new run in the folder `path` with the events of `shop`, in which `stages` have run."""
    job = job_at(path, **sections)
    give(job.folder, purchaser_events=shop(), items=ITEMS, live={}, validation={"suites": []})
    for stage in stages:
        run_stage(stage, job)
    return job


def roll(job: Job, n_cuts: int) -> list[Fold]:
    """The night as if `split` had rolled its test over `n_cuts`, at each of which somebody is measured."""
    split = job.folder.document("split")
    days = split["test_days"] * split["n_test_cuts"]
    rolled = {"test_days": days / n_cuts, "n_test_cuts": n_cuts}
    measured_at = {**split["measured_at"], "test": [split["n_measured"]] * n_cuts}
    give(job.folder, split={**split, **rolled, "measured_at": measured_at})
    return folds.tests(job.folder)
