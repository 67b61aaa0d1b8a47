"""Whole nights of shops that cannot be judged, on a real serving database: what goes live, what is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pipeline.config import Settings
from pipeline.contract.stages import STAGES
from pipeline.errors import DataError, Refused
from pipeline.report.summary import ending
from pipeline.runs.folder import RunFolder
from pipeline.runs.job import Job
from pipeline.runs.pages import PAGE
from pipeline.runs.run_stage import run_stage
from pipeline.serving import publications
from pipeline.serving.tables import publications_table
from tests.report.pages import text
from tests.shelf import day, pairs
from tests.test_bad_input import Row, make_shop

AS_OF = day(100)
NAMES = [stage.name for stage in STAGES]


def bought(*rows: tuple[int, int, float]) -> list[Row]:
    """Rows `(user, item, day)` of a shop without orders."""
    return [(user, item, "purchase", day(at), None, 1) for user, item, at in rows]


ONE_PURCHASE_EACH = bought(*((u, u % 4, 60 + u) for u in range(1, 40)))
ONE_ORDER_EACH = bought(*((u, i, 60 + u) for u in range(1, 40) for i in (u % 4, 4 + u % 4, 8 + u % 2)))
TWO_WEEKS_OLD = bought(*((u, u % 5, 86 + u / 3) for u in range(1, 40)))
NOBODY_CAME_BACK = bought(
    *((u, u % 4, u) for u in range(1, 30)), *((u, u % 4, 40 + u) for u in range(47, 59))
)
FRESH_VIEW: Row = (7, 3, "view", day(99.5), None, 1)


@pytest.fixture
def night(
    job: Callable[..., Job], serving_url: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> Callable[..., Job]:
    """`night(rows, 1, gate={...}, force=True)`: a whole night on these rows, that many days later."""

    def play(
        rows: list[Row],
        number: int = 0,
        *,
        force: bool = False,
        change: str = "",
        **sections: dict[str, Any],
    ) -> Job:
        given = {
            "serving": {"role_prefix": "stage_unjudged"},
            "tune": {"trials": 2, "factors": (2, 8), "iterations": (2, 5)},
            "als": {"factors": 4},
            "run": {"threads": 1},
            "gate": {"max_age_hours": 240.0},
        }
        merged = {name: {**given.get(name, {}), **sections.get(name, {})} for name in {*given, *sections}}
        source = tmp_path / f"shop-{number}.db"
        source.unlink(missing_ok=True)
        new_job = job(
            source=make_shop(source, rows, change=change),
            serving=serving_url,
            settings=make_settings(**merged),
            as_of=day(100 + number),
            run_id=f"night-{number}",
            force=force,
        )
        for name in NAMES:
            run_stage(name, new_job)
        return new_job

    return play


def live(
    url: str, query: str = "SELECT version, precision_at_3 FROM serving.publications WHERE is_live"
) -> Any:
    with psycopg.connect(url) as db:
        db.execute("SET ROLE stage_unjudged_reader")
        return db.execute(query.encode()).fetchall()


def verdict(folder: RunFolder) -> str:
    page = (folder.path / PAGE).read_text(encoding="utf-8")
    return text(page.split('id="verdict">')[1].split("</section>")[0]).strip()


@pytest.mark.parametrize(
    ("rows", "mode"),
    [(ONE_PURCHASE_EACH, "exclude"), (TWO_WEEKS_OLD, "allow"), (NOBODY_CAME_BACK, "exclude")],
    ids=["one purchase each", "two weeks old", "nobody came back"],
)
def test_lists_go_live_unjudged_and_everything_says_so(
    night: Callable[..., Job], serving_url: str, said: list[str], rows: list[Row], mode: str
) -> None:
    done = night([*rows, FRESH_VIEW], run={"repeat_purchases": mode}, tune={"mode": "always"})
    folder = done.folder
    assert live(serving_url) == [(1, None)]
    split = folder.document("split")
    assert (split["method"], split["asked"], split["is_unjudged"]) == ("time", "time", True)
    why = split["unmeasured"]
    assert why["then"].startswith("run again when more people have bought twice")
    for name in ("trials", "examples", "metrics", "user_metrics", "segment_metrics", "latest_examples"):
        assert folder.rows(name) == 0
    params = folder.document("best_params")
    assert (params["model"], params["is_unjudged"], params["source"]) == (
        "recently_popular",
        True,
        "settings",
    )
    assert params["als"]["factors"] == 4, "those of the settings"
    assert "nobody can be measured" in params["why"]
    assert not list(folder.path.glob("model/*"))
    decision = folder.document("decision")
    assert decision["judged"] == {"is_unjudged": True, "may_publish": True}
    [warning] = decision["warnings"]
    assert warning == f"unjudged: {why['what']} ({why['found']}). To have the lists judged: {why['then']}"
    assert f"gate: warning: {warning}" in said
    told = [entry["why"] for entry in decision["skipped"] if entry["rule"] == "precision"]
    assert told == [
        "not held against the best rule: nobody can be measured",
        "not held against the live publication's model: nobody was measured",
    ]
    assert folder.document("publication")["is_unjudged"] is True
    assert verdict(folder).startswith("Published, unjudged Lists for")
    reason = "no user bought before the cut and something relevant after it"
    assert f"Nobody could be measured, so how good they are is not known. Why: {reason}; {why['found']}." in (
        verdict(folder)
    )
    assert warning not in verdict(folder)
    assert "live: version 1, unjudged lists for" in ending(folder, done.settings)
    [row] = publications(serving_url, done.settings)[0]
    assert (row.is_unjudged, row.precision_at_3, row.model) == (True, None, "recently_popular")
    assert "unjudged  " in publications_table([row], None)


def test_lists_are_the_best_sellers_of_late_and_claim_nothing_else(night: Callable[..., Job]) -> None:
    """Six buyers looked at 20 and 21, one at 9: these fill the lists. Nobody bought two items."""
    looked_at = [(u, i, "view", day(99), None, 1) for u in range(1, 7) for i in (20, 21)]
    rows = [*ONE_PURCHASE_EACH, *looked_at, (8, 9, "view", day(99.5), None, 1)]
    folder = night(rows).folder
    lists = folder.table("recommendations").to_pylist()
    popular = [row["item_id"] for row in folder.table("popular_items").to_pylist()]
    assert sorted(popular) == [0, 1, 2, 3]
    of_1 = [row["item_id"] for row in lists if row["user_id"] == 1]
    assert of_1 == [*(item for item in popular if item != 1), 20, 21, 9]
    for row in lists:
        assert row["reason"] == ("recently_popular" if row["item_id"] in popular else None)
    assert {row["because_item_id"] for row in lists} == {None}
    assert {row["user_id"] for row in lists} == set(range(1, 40))
    assert folder.rows("also_bought") == 0
    similar = pairs(folder.table("similar_items"), "item_id", "rank", "similar_item_id", "score")
    assert similar == [(20, 1, 21, 1.0), (21, 1, 20, 1.0)], "the only two with five people in common"


def test_browsers_get_the_same_lists(night: Callable[..., Job]) -> None:
    looks = [(99, item, "view", day(95 + item), None, 1) for item in range(4)] * 2
    looks = [(u, i, kind, at, None, n) for n, (u, i, kind, at, *_) in enumerate(looks, start=1)]
    folder = night([*ONE_PURCHASE_EACH, *looks], recommend={"audience": "engaged"}).folder
    of_99 = [row for row in folder.table("recommendations").to_pylist() if row["user_id"] == 99]
    assert [row["item_id"] for row in of_99] == [
        row["item_id"] for row in folder.table("popular_items").to_pylist()
    ]
    assert {row["reason"] for row in of_99} == {"looked_at"}


def test_a_shop_may_publish_judged_lists_only(
    night: Callable[..., Job], serving_url: str, said: list[str]
) -> None:
    with pytest.raises(Refused) as refused:
        night([*ONE_PURCHASE_EACH, FRESH_VIEW], gate={"publish_unjudged": False})
    assert (
        "nobody can be measured: no user bought before the cut and something relevant" in refused.value.found
    )
    assert "run again when more people have bought twice" in refused.value.found
    assert "gate.publish_unjudged = false" in refused.value.found
    assert live(serving_url) == []
    assert live(serving_url, "SELECT status, precision_at_3 FROM serving.publications") == [("refused", None)]
    forced = night([*ONE_PURCHASE_EACH, FRESH_VIEW], 1, gate={"publish_unjudged": False}, force=True)
    assert live(serving_url) == [(1, None)]
    assert forced.folder.document("decision")["forced"] is True
    assert verdict(forced.folder).startswith("Published by force")


@pytest.mark.slow
def test_judged_lists_stay_until_others_are_judged_or_forced(
    night: Callable[..., Job], serving_url: str, said: list[str]
) -> None:
    """Judged, then a night without anybody to measure: refused, forced. Then judged again: not compared."""
    night(ONE_ORDER_EACH, gate={"max_shrink": 1.0})
    [(version, precision)] = live(serving_url)
    assert version == 1
    assert precision is not None
    with pytest.raises(Refused) as refused:
        night(ONE_PURCHASE_EACH, 1, gate={"max_shrink": 1.0})
    judged = f"version 1, which is live, was judged (Precision@3 {precision:.4f})"
    assert f"{judged}, and unjudged lists do not replace it" in refused.value.found
    assert live(serving_url) == [(1, precision)]
    other = night(ONE_PURCHASE_EACH, 2, run={"repeat_purchases": "allow"}, force=False)
    assert other.folder.document("decision")["reasons"] == [], "what is live is of the other mode"
    assert live(serving_url) == [(2, None)]
    again = night(ONE_ORDER_EACH, 3, run={"repeat_purchases": "allow"})
    [row] = [row for row in again.folder.document("comparison")["skipped"] if row["against"] == "live"]
    assert row["why"] == "the lists of version 2, which is live, are unjudged"
    [(version, precision)] = live(serving_url)
    assert version == 3
    assert precision is not None
    night(ONE_PURCHASE_EACH, 4, run={"repeat_purchases": "allow"}, gate={"max_shrink": 1.0}, force=True)
    assert live(serving_url) == [(4, None)]


def test_one_order_a_user_is_held_out_at_random_by_itself(
    night: Callable[..., Job], serving_url: str, said: list[str]
) -> None:
    done = night(ONE_ORDER_EACH)
    split = done.folder.document("split")
    assert (split["method"], split["asked"], split["is_unjudged"]) == ("random", "time", False)
    n_measured = done.folder.receipt("split")["counts"]["n_measured_users"]
    assert n_measured == done.folder.receipt("evaluate")["counts"]["n_measured_users"] > 0
    [line] = [line for line in said if "held out at random instead" in line]
    assert line == f"split: rows are held out at random instead, and {n_measured} users are measured"
    page = (done.folder.path / PAGE).read_text(encoding="utf-8")
    for words in (verdict(done.folder), text(page)):
        assert "not what people buy next, and cannot be compared with one of a cut in time." in words
    assert "With cuts in time nobody can be measured: no user bought before the cut" in verdict(done.folder)
    assert "The last days were held out" not in page
    assert "cannot be compared with one of a cut in time" in ending(done.folder, done.settings)
    query = "SELECT decision -> 'measured_in' ->> 'method' FROM serving.publications WHERE is_live"
    assert live(serving_url, query) == [("random",)]
    [row] = publications(serving_url, done.settings)[0]
    assert f"{row.precision_at_3:.4f} (random)  " in publications_table([row], None)
    assert done.folder.document("best_params")["split_method"] == "random"


def test_a_stage_run_again_leaves_the_same_and_nothing_of_an_earlier_split(night: Callable[..., Job]) -> None:
    """Judged by last_purchase? Nobody: unjudged too. Judged at random first: its models are removed."""
    done = night([*ONE_ORDER_EACH])
    assert list(done.folder.path.glob("model/*"))
    strict = done.settings.model_copy(
        update={"split": done.settings.split.model_copy(update={"method": "last_purchase"})}
    )
    again = replace(done, settings=strict)
    for name in NAMES[NAMES.index("split") : NAMES.index("publish")]:
        run_stage(name, again)
    assert again.folder.document("split")["is_unjudged"]
    assert not list(again.folder.path.glob("model/*"))
    before = {
        name: again.folder.file(name).read_bytes() for name in ("best_params", "recommendations", "model")
    }
    for name in ("tune", "train", "evaluate", "recommend"):
        run_stage(name, again)
    assert {name: again.folder.file(name).read_bytes() for name in before} == before


def test_nothing_available_leaves_no_list_and_is_refused(night: Callable[..., Job]) -> None:
    source = [*ONE_PURCHASE_EACH, FRESH_VIEW]
    with pytest.raises(Refused) as refused:
        night(source, change="UPDATE products SET available = 0")
    assert "`recommendations` is empty" in refused.value.found
    assert "`popular_items` is empty" in refused.value.found


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (bought((1, 5, 99)), "only one buyer in the window"),
        (bought((1, 5, 80), (1, 6, 99)), "only one buyer in the window"),
        ([FRESH_VIEW, (8, 2, "view", day(99), None, 1)], "nobody bought in the window"),
    ],
    ids=["one purchase", "one buyer", "views only"],
)
def test_what_no_list_can_be_made_from_is_refused_as_ever(
    night: Callable[..., Job], rows: list[Row], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        night(rows)


def test_filters_that_leave_nobody_before_the_cut_but_somebody_tonight(
    night: Callable[..., Job], serving_url: str
) -> None:
    """Without their last order nobody has three items, tonight all three people have them."""
    rows = bought(*((u, i, at + u) for u in (1, 2, 3) for i, at in ((1, 10), (2, 40), (3, 95))))
    last = {"split": {"method": "last_purchase"}, "run": {"repeat_purchases": "allow"}}
    done = night(rows, filter={"min_items": 3}, **last)
    why = done.folder.document("split")["unmeasured"]
    assert why["what"] == "nobody can be measured: the filters leave out every buyer before the cut"
    assert why["then"] == "set filter.min_items = 2 in config.toml (3 of 3 buyers would be left)"
    assert live(serving_url) == [(1, None)]
    with pytest.raises(DataError, match="nobody is left to learn from"):
        night(rows, 1, filter={"min_items": 4}, **last)
