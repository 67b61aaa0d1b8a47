"""Which split a night is made by: that of the settings, or rows at random where cuts measure nobody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.config import Settings
from pipeline.engines.current import tables
from pipeline.errors import DataError
from pipeline.runs.job import Job
from pipeline.splits.chosen import Chosen, write_parts
from pipeline.splits.horizon import cuts
from tests.shelf import day, events, give

Rows = list[tuple[object, ...]]
BASKETS: Rows = [(u, i, 2 * u) for u in range(1, 41) for i in (u % 3, 3 + u % 3)]
SINGLES: Rows = [(u, u % 3, 2 * u) for u in range(1, 41)]
CAME_BACK: Rows = [*SINGLES, (1, 7, 95)]


@pytest.fixture
def chosen(job: Callable[..., Job], make_settings: Callable[..., Settings]) -> Callable[..., Chosen]:
    """`chosen(rows, split={...})`: the parts of a shop as of day 100."""

    def make(rows: Rows, config: Path | None = None, **sections: dict[str, object]) -> Chosen:
        night = job(as_of=day(100), settings=make_settings(**sections))
        night = Job(**{**vars(night), "config": config})
        give(night.folder, purchaser_events=events(*rows))
        with tables(night.settings.run, night.folder.scratch()) as db:
            db.view("purchaser_events", night.folder.file("purchaser_events"))
            made = write_parts(night, db, cuts(db, day(2), day(100), 14, excludes_repeats=True))
        assert sum(made.n_rows.values()) == len(rows)
        for part, n_rows in made.n_rows.items():
            assert pq.read_table(night.folder.file(part)).num_rows == n_rows
        return made

    return make


@pytest.mark.parametrize(
    ("rows", "method", "made_by", "is_measured"),
    [
        (CAME_BACK, "time", "time", True),
        (BASKETS, "time", "random", True),
        (SINGLES, "time", "time", False),
        (BASKETS, "last_purchase", "last_purchase", False),
        (SINGLES, "random", "random", False),
    ],
)
def test_random_is_taken_only_in_place_of_time_and_only_where_it_helps(
    chosen: Callable[..., Chosen], rows: Rows, method: str, made_by: str, is_measured: bool
) -> None:
    made = chosen(rows, split={"method": method})
    assert (made.how.method, made.n_measured > 0) == (made_by, is_measured)
    assert (made.unmeasured is None) is (is_measured and made_by == method)


def test_what_to_do_names_the_shop_s_own_file(chosen: Callable[..., Chosen], tmp_path: Path) -> None:
    made = chosen(BASKETS, tmp_path / "config.books.toml", split={"method": "last_purchase"})
    assert made.unmeasured
    assert f'set split.method = "random" in {tmp_path / "config.books.toml"} (' in made.unmeasured.then


def test_filters_that_leave_nobody_tonight_end_it(chosen: Callable[..., Chosen]) -> None:
    with pytest.raises(DataError, match="nobody is left to learn from"):
        chosen(BASKETS, filter={"min_items": 3})
