"""pipeline/cold/items.py: which items are cold, and how much they are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.cold.content import NONE
from pipeline.cold.items import ARRIVAL_WEIGHT, LOOK_WEIGHT, ColdItems, cold_items
from tests.cold.shop import BOUGHT, CUT, at_cut, items, written
from tests.shelf import day


def cold_of(path: Path, table: pa.Table | None = None, *rows: Any) -> ColdItems:
    with at_cut(path, *rows) as history:
        cold = cold_items(history, written(path / "items.parquet", table or items()), None, CUT)
    assert cold is not None
    return cold


def by_id(cold: ColdItems, values: np.ndarray) -> dict[int, Any]:
    return dict(zip(cold.item_ids.to_pylist(), values.tolist(), strict=True))


def test_cold_are_items_without_purchases_and_those_first_bought_lately(tmp_path: Path) -> None:
    cold = cold_of(tmp_path)
    assert by_id(cold, cold.is_bought) == {30: False, 31: False, 32: True, 40: False}
    assert by_id(cold, cold.columns) == {30: NONE, 31: NONE, 32: 4, 40: NONE}
    assert by_id(cold, cold.age_days) == {30: np.inf, 31: np.inf, 32: 4.0, 40: np.inf}


def test_a_shop_without_items_has_no_cold_ones(tmp_path: Path) -> None:
    with at_cut(tmp_path) as history:
        assert cold_items(history, None, None, CUT) is None


def test_items_that_are_added_after_the_cut_or_no_longer_sold_are_no_candidates(tmp_path: Path) -> None:
    dates = {"added_at": {30: day(100.001), 31: CUT}, "available_until": {32: CUT, 40: day(100.001)}}
    cold = cold_of(tmp_path, items(**dates))
    assert by_id(cold, cold.age_days) == {31: 0.0, 40: np.inf}


def test_what_is_not_available_today_is_a_candidate_where_lists_are_judged(tmp_path: Path) -> None:
    table = items()
    none = pa.array([False] * len(table))
    table = table.set_column(table.column_names.index("available"), "available", none)
    file = written(tmp_path / "items.parquet", table)
    with at_cut(tmp_path) as history:
        tonight = cold_items(history, file, None, CUT)
        judged = cold_items(history, file, None, CUT, is_judged=True)
    assert tonight is not None
    assert judged is not None
    assert (len(tonight), len(judged)) == (0, 4)


def test_demand_is_purchases_and_looks_halved_every_week_and_what_arrivals_say(tmp_path: Path) -> None:
    """No tool came lately, but white tea did: arrivals say more of the tea of summer than of the chisel."""
    looks = [(1, 31, 93, "view"), (2, 31, 100 - 1e-9, "cart")]
    cold = cold_of(tmp_path, None, *BOUGHT, *looks)
    demand = by_id(cold, cold.demand)
    assert by_id(cold, cold.bought) == {
        30: 0.0,
        31: 0.0,
        32: pytest.approx(0.5 ** (4 / 7), abs=1e-6),
        40: 0.0,
    }
    arrivals = {item: demand[item] - bought for item, bought in by_id(cold, cold.bought).items()}
    assert arrivals[31] - LOOK_WEIGHT * 1.5 < arrivals[30]
    assert 0 < arrivals[30] < 10 * ARRIVAL_WEIGHT
    assert arrivals[40] == ARRIVAL_WEIGHT, "without words it is like the median word"


def test_what_lay_there_for_weeks_is_asked_for_less(tmp_path: Path) -> None:
    fresh = cold_of(tmp_path, items(added_at={30: CUT, 40: CUT}))
    older = cold_of(tmp_path, items(added_at={30: day(93), 40: day(86)}))
    ratio = by_id(older, older.demand / fresh.demand)
    assert (ratio[30], ratio[40]) == (pytest.approx(0.5), pytest.approx(0.25))


def test_the_most_wanted_ties_to_the_lower_id(tmp_path: Path) -> None:
    cold = cold_of(tmp_path, items((30, None, None), (31, None, None), (32, None, None), (40, None, None)))
    assert cold.most_wanted(2).item_ids.to_pylist() == [30, 32], "32 was bought, the others are alike"
    assert cold.most_wanted(9).item_ids.to_pylist() == [30, 31, 32, 40]


def test_where_events_begin_lately_a_first_purchase_makes_nothing_new(tmp_path: Path) -> None:
    """Of 27 days of events each item has its first purchase in them; what the shop says counts as ever."""
    rows = [(1, 10, 99), (2, 20, 90), (1, 11, 73)]
    cold = cold_of(tmp_path, items(added_at={30: day(99)}), *rows)
    assert by_id(cold, cold.age_days) == {
        21: np.inf, 30: 1.0, 31: np.inf, 32: np.inf, 40: np.inf,
    }  # fmt: skip
    longer = cold_of(tmp_path, items(), *rows, (2, 20, 71))
    assert by_id(longer, longer.age_days)[10] == 1.0


def test_what_was_looked_at_for_long_is_not_new_by_its_first_purchase(tmp_path: Path) -> None:
    cold = cold_of(tmp_path, None, *BOUGHT, (2, 32, 30, "view"))
    assert by_id(cold, cold.age_days)[32] == 70.0
