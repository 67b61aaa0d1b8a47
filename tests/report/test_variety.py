"""The report's part about variety: the lists beside the same model without it, the choice, the curve."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from pipeline.contract.datasets import FALLBACK
from pipeline.report.buyers import buyers
from pipeline.report.variety import variety
from pipeline.report.words import NBSP
from pipeline.runs.folder import RunFolder
from tests.report.pages import PARAMS, PRECISION, fill, metrics, page, section

Make = Callable[..., RunFolder]
WHY = "strength 1: Precision@3 0.0410 on validation, without 0.0412"


def tried(strength: float, precision: float, coverage: float, *, has_near_duplicates: bool = True) -> Any:
    return {
        "strength": strength,
        "has_near_duplicates": has_near_duplicates,
        "precision_at_3": precision,
        "expected_precision_at_3": precision - 0.001,
        "coverage_at_3": coverage,
        "popular_share_at_3": 0.8,
    }


VARIED: dict[str, Any] = {
    **PARAMS,
    "variety": {"strength": 1.0, "has_near_duplicates": True},
    "variety_why": WHY,
    "variety_tried": [
        tried(0.0, 0.0412, 0.004),
        tried(1.0, 0.0410, 0.009),
        tried(2.0, 0.0390, 0.014),
        tried(1.0, 0.0400, 0.009, has_near_duplicates=False),
    ],
}


def rows(**more: float) -> list[dict[str, Any]]:
    return metrics({**PRECISION, **more}, "exclude").to_pylist()


def test_the_lists_stand_above_the_same_model_without_variety_and_the_rules() -> None:
    found = variety(rows(), VARIED)
    assert found is not None
    assert [row["name"] for row in found["rows"]][:3] == [
        "These lists", "Boosted trees, without variety", "Best sellers",
    ]  # fmt: skip
    assert found["rows"][0]["is_ours"]
    assert found["why"] == f"S{WHY[1:]}"


def test_a_model_without_variety_stands_there_once() -> None:
    found = variety(rows(), {**PARAMS, "variety": {"strength": 0.0, "has_near_duplicates": True}})
    assert found is not None
    assert [row["name"] for row in found["rows"]][:2] == ["These lists", "Best sellers"]
    assert found["trade"] is None


def test_where_a_rule_replaces_the_model_both_are_there() -> None:
    found = variety(rows(**{FALLBACK: 0.05}), VARIED)
    assert found is not None
    names = [row["name"] for row in found["rows"]]
    assert names[:3] == ["These lists", "Chosen before the test", "Boosted trees, without variety"]


def test_the_curve_has_a_dot_for_each_strength_and_a_large_one_for_the_choice() -> None:
    """The more is shown the lower it lies; the row that keeps near-duplicates apart is no point of it."""
    found = variety(rows(), VARIED)
    assert found is not None
    dots = re.findall(r'<circle class="dot ?(\w*)" cx="([\d.]+)%" cy="([\d.]+)%" r="(\d)">', found["trade"])
    assert [(kind, radius) for kind, _, _, radius in dots] == [("", "4"), ("ours", "7"), ("", "4")]
    across, down = ([float(dot[place]) for dot in dots] for place in (1, 2))
    assert across == sorted(across)
    assert down == sorted(down)
    told = found["trade"].replace(NBSP, " ")
    expected = "strength 1: of 100 shown 4.00 are expected to be bought, 4.10 were on the validation days,"
    assert f"{expected} 0.90 % of all items shown, 80 % best sellers" in told
    assert "<span>0.40 %</span><span>0.90 %</span><span>1.4 %</span>" in told


def test_the_choice_is_marked_where_near_duplicates_are_kept_apart() -> None:
    apart = {"strength": 1.0, "has_near_duplicates": False}
    found = variety(rows(), {**VARIED, "variety": apart})
    assert found is not None
    dots = re.findall(r'<circle class="dot ?(\w*)"', found["trade"])
    assert dots == ["", "", "", "ours"], "all strengths, and the one that was tried with them apart"


def test_nobody_measured_and_an_earlier_version() -> None:
    assert variety([], VARIED) is None
    old = [
        {name: value for name, value in row.items() if name not in ("gini_at_3", "diversity_at_10")}
        for row in rows()
    ]
    found = variety(old, PARAMS)
    assert found is not None
    assert (found["why"], found["trade"], found["rows"][0]["gini"]) == ("", None, "")


def test_the_page_tells_the_choice_and_shows_lists_before_and_after(run_folder: Make) -> None:
    lists = fill(run_folder()).table("recommendations")
    place = lists.schema.get_field_index("model_rank")
    moved = pa.array([4 - rank for rank in lists["rank"].to_pylist()], pa.int32())
    lists = lists.set_column(place, "model_rank", moved)
    folder = fill(run_folder("moved"), best_params=VARIED, recommendations=lists)
    html = page(folder)
    assert f"S{WHY[1:]}." in section(html, "variety")
    [entry] = [buyer for buyer in buyers(folder, "published") if buyer["id"] == "14"]
    assert entry["without"] == [item["name"] for item in entry["gets"]][::-1]
    assert "Without variety" in section(html, "buyers")


def test_lists_without_variety_have_no_before(run_folder: Make) -> None:
    folder = fill(run_folder())
    assert all(buyer["without"] == [] for buyer in buyers(folder, "published"))
    assert "Without variety" not in section(page(folder), "buyers")
