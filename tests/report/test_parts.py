"""The parts of the page: who is shown, where a bar ends, what mattered in a search."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.contract.datasets import PUBLISHED
from pipeline.report import charts, words
from pipeline.report.buyers import buyers
from pipeline.report.charts import Bar, Dot
from pipeline.report.tuning import importance
from pipeline.report.verdict import amount
from pipeline.runs.folder import RunFolder
from tests.report.pages import BUYERS, HITS, fill, trials, user_metrics

Make = Callable[..., RunFolder]


def shown(folder: RunFolder) -> list[int]:
    return [int(buyer["id"]) for buyer in buyers(folder, PUBLISHED)]


def test_ten_buyers_half_of_them_with_a_hit_spread_over_how_often_they_buy(run_folder: Make) -> None:
    users = shown(fill(run_folder()))
    assert len(users) == 10
    assert users == sorted(users, reverse=True), "buyer u bought on u days"
    assert len(set(users) & set(HITS)) == 5
    assert max(users) <= 14, "those who were measured go first"
    assert min(users) <= 3


def test_few_hits_leave_room_for_others(run_folder: Make) -> None:
    few = user_metrics().filter(pa.array([user in (2, 1, 3) for user in range(1, 15)]))
    users = shown(fill(run_folder(), user_metrics=few))
    assert len(users) == 10
    assert {1, 2, 3} < set(users)


def test_ten_of_all_where_nobody_was_measured_and_all_where_there_are_fewer(run_folder: Make) -> None:
    folder = fill(run_folder(), user_metrics=user_metrics().slice(0, 0))
    assert shown(folder) == [20, 18, 16, 14, 12, 10, 8, 6, 4, 2]
    lists = pa.Table.from_pylist(
        [row for row in folder.table("recommendations").to_pylist() if row["user_id"] < 4]
    )
    assert shown(fill(folder, recommendations=lists)) == [3, 2, 1]


def test_what_a_buyer_bought_gets_and_why(run_folder: Make) -> None:
    [entry] = [buyer for buyer in buyers(fill(run_folder()), PUBLISHED) if buyer["id"] == "14"]
    assert entry["about"] == "bought 5 different items on 14 days"
    assert entry["test"] == "1 of 3"
    assert [item["name"] for item in entry["bought"]] == ["Assam", "item 2", "item 3", "item 4", "item 5"]
    assert entry["bought"][0]["at"] == "10 Feb"
    assert [item["why"] for item in entry["gets"]] == ["close to “Assam”", "popular now", "bought before"]
    assert set(BUYERS) > {int(buyer["id"]) for buyer in buyers(fill(run_folder()), PUBLISHED)}


@pytest.mark.parametrize(
    ("details", "why"),
    [
        (("bought_again", None, date(2020, 2, 9), 9, None), "bought before, every 9 days, last on 9 Feb"),
        (("bought_again", None, date(2020, 2, 9), 1, None), "bought before, every day, last on 9 Feb"),
        (("bought_again", None, date(2020, 2, 9), None, None), "bought before, last on 9 Feb"),
        (("on_discount", None, None, None, 25), "25\xa0% off, and they often buy reduced items"),
        (("also_bought_with", 1, None, None, None), "bought by buyers of “Assam”"),
    ],
)
def test_a_reason_is_told_with_its_details(run_folder: Make, details: tuple[object, ...], why: str) -> None:
    names = ("reason", "because_item_id", "last_bought_on", "gap_days", "percent_off")
    folder = fill(run_folder())
    rows = [
        row | dict(zip(names, details, strict=True)) for row in folder.table("recommendations").to_pylist()
    ]
    told = pa.Table.from_pylist(rows, folder.table("recommendations").schema)
    [entry] = [
        buyer for buyer in buyers(fill(folder, recommendations=told), PUBLISHED) if buyer["id"] == "14"
    ]
    assert entry["gets"][0]["why"] == why


def test_a_run_of_an_earlier_version_tells_its_reasons_without_details(run_folder: Make) -> None:
    folder = fill(run_folder())
    early = folder.table("recommendations").drop_columns(["last_bought_on", "gap_days", "percent_off"])
    pq.write_table(early, folder.file("recommendations"))
    [entry] = [buyer for buyer in buyers(folder, PUBLISHED) if buyer["id"] == "14"]
    assert entry["gets"][0]["why"] == "close to “Assam”"


def test_two_items_of_one_name_are_told_apart(run_folder: Make) -> None:
    names = pa.table({"item_id": [1, 6], "name": ["Assam", "Assam"], "category": pa.nulls(2, pa.string())})
    [entry] = [
        buyer for buyer in buyers(fill(run_folder(), item_names=names), PUBLISHED) if buyer["id"] == "14"
    ]
    assert entry["gets"][0] == {"name": "Assam", "why": "close to another “Assam”"}


def test_a_long_name_is_cut(run_folder: Make) -> None:
    names = pa.table({"item_id": [6], "name": ["x" * 500], "category": pa.nulls(1, pa.string())})
    first = buyers(fill(run_folder(), item_names=names), PUBLISHED)[0]["gets"][0]["name"]
    assert first == "x" * 79 + "…"


def test_bars_end_where_their_numbers_say() -> None:
    drawn = charts.bars([Bar("one", 0.5, "50", 0.25, 1.0), Bar("<two>", 0.0, "0")])
    widths = [float(width) for width in re.findall(r'<rect class="fill" width="([\d.]+)%"', drawn)]
    assert widths == [pytest.approx(100 * 0.5 / 1.02, abs=0.01), 0.0]
    [whisker] = re.findall(r'class="whisker" x1="([\d.]+)%" x2="([\d.]+)%" y1="11" y2="11"', drawn)
    assert [float(end) for end in whisker] == [pytest.approx(24.51), pytest.approx(98.04)]
    assert "&lt;two&gt;" in drawn
    assert 'aria-label="one: 50, 95\xa0% interval 25.0 to 100.0"' in drawn


def test_bars_of_nothing_but_zeros() -> None:
    assert 'width="0.00%"' in charts.bars([Bar("none", 0.0, "0", 0.0, 0.0)])
    assert charts.bars([]) == ""


def test_the_best_so_far_counts_only_trials_that_ended() -> None:
    dots = [Dot(0.1, "a", "ours"), Dot(0.9, "b", "pruned"), Dot(0.5, "c", "ours"), Dot(0.2, "d", "ours")]
    drawn = charts.tries(dots, ["first", "last"], "trials")
    heights = dict(re.findall(r'cy="([\d.]+)%" r="4"><title>(\w)', drawn))
    of = {name: height for height, name in heights.items()}
    lines = re.findall(r'class="line" x1="[\d.]+%" y1="([\d.]+)%" x2="[\d.]+%" y2="([\d.]+)%"', drawn)
    assert lines == [(of["a"], of["a"]), (of["a"], of["c"]), (of["c"], of["c"])]


@pytest.mark.parametrize("values", [[0.0], [0.3], [0.0, 0.0], [0.2, 0.2]])
def test_plots_of_one_point_or_equal_ones(values: list[float]) -> None:
    dots = [Dot(value, "x", "ours") for value in values]
    for drawn in (charts.over_time(dots, ["a"], "said"), charts.tries(dots, ["a"], "said")):
        assert len(re.findall("<circle", drawn)) == len(values)
        assert "nan" not in drawn


def test_what_mattered_is_the_parameter_that_moves_the_number() -> None:
    shares = importance(trials(*(0.02 + 0.001 * i for i in range(16))).to_pylist())
    assert shares["alpha"] > shares["factors"]
    assert sum(shares.values()) == pytest.approx(1.0)


def test_what_mattered_is_not_told_of_few_or_equal_or_cut_off_trials() -> None:
    assert importance(trials(*(0.01 * i for i in range(7))).to_pylist()) == {}
    assert importance(trials(*(0.01 for _ in range(20))).to_pylist()) == {}
    assert importance(trials(*(0.01 * i for i in range(20)), state="pruned").to_pylist()) == {}


@pytest.mark.parametrize(
    ("share", "told"), [(0.384, "38.4"), (0.02631, "2.63"), (0.0, "0.00"), (1.0, "100.0")]
)
def test_precision_as_items_of_a_hundred(share: float, told: str) -> None:
    assert words.of_100(share) == told


def test_every_word_falls_back_to_the_name() -> None:
    assert words.model("new_model") == "new model"
    assert words.reason("fills_a_gap") == "fills a gap"
    assert words.feature("own_due") == "how due it is for the buyer"
    assert words.feature("brand_new_fact") == "brand new fact"
    assert amount({"n_rows": None, "observed": "7"}) == " (found 7)"
    assert amount({"n_rows": 1, "observed": ""}) == " (not true for 1 row)"
