"""Events that occur more than once are found, in however many ranges of users the shop's events lie."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import user_ranges
from pipeline.config import Settings
from pipeline.runs.job import Job
from pipeline.validation.duplicates import TABLE, find
from tests import shelf

ROWS = [*[(user, 10, user % 3, "view") for user in range(30)], (1, 10, 1, "view"), (29, 10, 2, "view")]
WITHOUT_A_USER = [(None, 10, 1, "view")] * 2


@pytest.mark.parametrize("events_a_gb", [user_ranges.EVENTS_A_GB, 7])
def test_they_are_found_once_each(
    events_a_gb: int,
    job: Callable[..., Job],
    make_settings: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(user_ranges, "EVENTS_A_GB", events_a_gb)
    night = job(settings=make_settings(run={"memory_limit_gb": 1.0}))
    events = shelf.events(*ROWS).sort_by([("user_id", "ascending")])
    shelf.give(night.folder, events=pa.concat_tables([events, shelf.events(*WITHOUT_A_USER)]))
    found = pq.read_table(find(night)[TABLE])
    counted = zip(found["user_id"].to_pylist(), found["times"].to_pylist(), strict=True)
    assert sorted(counted, key=str) == [(1, 2), (29, 2), (None, 2)]


def test_none_is_an_empty_table(job: Callable[..., Job]) -> None:
    night = job()
    shelf.give(night.folder, events=shelf.events((1, 10, 1, "view"), (2, 10, 1, "view")))
    assert pq.read_metadata(find(night)[TABLE]).num_rows == 0
