"""pipeline/evaluation/fallback.py: whose lists go live after a promotion that no model could know of.

Forty users and forty items: even users buy even items and odd users odd ones. Every even user has bought item
0, so it leads the best sellers; in the promotion, the days of the test, every odd user buys it too. A model
that knows tastes shows it to no odd user, "best sellers" shows it to all.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.config import Settings
from pipeline.contract.datasets import FALLBACK, PUBLISHED
from pipeline.gate.rules import precision
from pipeline.runs.folder import RunFolder
from pipeline.runs.job import Databases, Job
from pipeline.runs.run_stage import run_stage
from pipeline.serving import publications, read_live
from tests import tastes
from tests.shelf import day, events, give

USERS, N_ITEMS = range(40), 40
PROMOTION = [(user, 0, 88 + 0.2 * user) for user in range(1, 40, 2)]
EARLIER = [(user, 0, at + 0.02 * user) for user in range(0, 40, 2) for at in (20, 40, 60, 80)]
LATER = range(101, 130, 3)
ITEMS = pa.table(
    {
        "item_id": pa.array(range(N_ITEMS)),
        "name": pa.nulls(N_ITEMS, pa.string()),
        "category": pa.array(["even" if n % 2 == 0 else "odd" for n in range(N_ITEMS)]),
        "price": pa.nulls(N_ITEMS, pa.float64()),
        "discount": pa.nulls(N_ITEMS, pa.float64()),
    }
)
NO_VARIETY = {"list_length": 5, "max_precision_loss": 0.0}
"""On so regular a shop much variety costs nothing, and shows what is promoted."""
STAGES = ("split", "tune", "train", "evaluate", "recommend", "gate", "publish")


def shop() -> pa.Table:
    """The events of all days, by user and time: each user buys a new item of the own taste now and then."""
    days = [*range(2, 86, 7), *LATER]
    usual = [
        (user, (2 * (7 * user + 3 * turn) + user % 2) % N_ITEMS, at + 0.02 * user)
        for user in USERS
        for turn, at in enumerate(days)
    ]
    rows = events(*usual, *EARLIER, *PROMOTION)
    return rows.sort_by([("user_id", "ascending"), ("occurred_at", "ascending")])


def items(*gone: int) -> pa.Table:
    """The catalogue, with the items `gone` not available."""
    return ITEMS.append_column("available", pa.array([n not in gone for n in range(N_ITEMS)]))


def night(path: Path, settings: Settings, number: float, url: str = "", **parts: Any) -> Job:
    """A run as of day `number` that has what `split` and `gate` read."""
    as_of = day(number)
    folder = RunFolder.create(path, f"night-{number:g}", as_of, settings.ids.model_dump(), {})
    rows = shop()
    before = rows.filter(pc.less(rows["occurred_at"], pa.scalar(as_of, rows["occurred_at"].type)))
    given = {"events": before, "purchaser_events": before, "items": items(4), "live": {}, **parts}
    give(folder, validation={"suites": []}, **given)
    return Job(folder, settings, Databases(source=str, serving=lambda: url), as_of, str)


def evaluated(path: Path, **parts: Any) -> Job:
    """The night whose test is the promotion, as far as `evaluate`; sections of settings among `parts`."""
    sections = {name: parts.pop(name) for name in ("gate", "run") if name in parts}
    job = night(path, tastes.settings_of(recommend=NO_VARIETY, **sections), 100, **parts)
    for stage in STAGES[:4]:
        run_stage(stage, job)
    return job


@pytest.fixture(scope="module")
def lost_once(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return evaluated(tmp_path_factory.mktemp("lost"))


@pytest.fixture
def rows(lost_once: Job) -> dict[str, dict[str, Any]]:
    """The rows of `metrics` of the published mode, by model."""
    both = lost_once.folder.table("metrics").to_pylist()
    return {row["model"]: row for row in both if row["repeat_purchases"] == "exclude"}


def test_the_rule_that_won_goes_live_and_what_was_chosen_stays_published(
    lost_once: Job, rows: dict[str, dict[str, Any]]
) -> None:
    document = lost_once.folder.document("fallback")
    chosen = lost_once.folder.document("best_params")["model"]
    assert document["reason"] == "lost"
    assert document["model"] in ("popular", "recently_popular")
    assert (document["chosen"], lost_once.folder.document("comparison")["published"]) == (chosen, chosen)
    assert document["chosen_on_test_from"] == day(86).isoformat()
    assert rows[PUBLISHED]["precision_at_3"] < rows[FALLBACK]["precision_at_3"]
    assert document["precision_at_3"] == rows[FALLBACK]["precision_at_3"]
    assert "chosen on the test" in document["why"]


def test_by_how_much_it_lost_is_told_for_lists_as_they_would_be_published(
    lost_once: Job, rows: dict[str, dict[str, Any]]
) -> None:
    """Item 4 cannot be shown: the model is judged without it here, and with it in the table."""
    by = lost_once.folder.document("fallback")["lost_by"]
    assert by["precision_at_3"] == rows[FALLBACK]["precision_at_3"]
    assert by["difference"] == pytest.approx(by["chosen_precision_at_3"] - by["precision_at_3"])
    assert by["ci_low"] <= by["ci_high"] < 0
    assert by["n_users"] == rows[PUBLISHED]["n_users"]


def test_the_rules_lists_are_measured_user_by_user_and_by_segment(lost_once: Job) -> None:
    users = lost_once.folder.table("user_metrics")
    of_rule = users.filter(pc.equal(users["model"], FALLBACK))
    mean = lost_once.folder.document("fallback")["precision_at_3"]
    assert pc.mean(of_rule["precision_at_3"]).as_py() == pytest.approx(mean)
    segments = lost_once.folder.table("segment_metrics").to_pylist()
    kinds = {(row["kind"], row["segment"]) for row in segments if row["model"] == PUBLISHED}
    assert kinds == {(row["kind"], row["segment"]) for row in segments if row["model"] == FALLBACK}


def test_a_rule_that_wins_by_what_is_sold_out_is_no_help(tmp_path: Path) -> None:
    """Without item 0 the best sellers are no better than the model: its lists go live, with a warning."""
    job = evaluated(tmp_path, items=items(0))
    document = job.folder.document("fallback")
    assert (document["model"], document["reason"]) == (None, "not shown")
    finding = precision(job.folder.document("comparison"), 0.05, document)
    assert (finding.refusals, finding.warnings) == ((), (document["why"],))
    assert FALLBACK not in job.folder.table("metrics")["model"].to_pylist()


@pytest.mark.parametrize(
    ("n_before", "reason", "n_now", "model"), [(0, "waiting", 1, "popular"), (1, "back", 2, None)]
)
def test_a_loss_by_what_is_sold_out_does_not_shorten_the_time_of_a_rule_that_is_live(
    tmp_path: Path, n_before: int, reason: str, n_now: int, model: str | None
) -> None:
    """It is a night without a loss, and the model needs two of them like any other."""
    rule = {"model": "popular", "n_nights_not_lost": n_before, "chosen_on_test_from": day(50).isoformat()}
    live = {"version": 1, "as_of": day(90).isoformat(), "repeat_purchases": "exclude", "fallback": rule}
    job = evaluated(tmp_path, items=items(0), live={**live, "params": {}})
    document = job.folder.document("fallback")
    assert (document["reason"], document["n_nights_not_lost"]) == (reason, n_now)
    assert document["model"] == model
    assert "not by items that can be shown now" in document["why"]
    finding = precision(job.folder.document("comparison"), 0.05, document)
    assert finding.refusals == ()
    assert finding.warnings == ((document["why"],) if model is None else ())


def test_refuse_is_as_it_was(tmp_path: Path) -> None:
    job = evaluated(tmp_path, gate={"on_loss": "refuse"})
    document = job.folder.document("fallback")
    assert (document["model"], document["reason"]) == (None, None)
    [refusal] = precision(job.folder.document("comparison"), 0.05, document).refusals
    assert "(the best rule)" in refusal
    assert FALLBACK not in job.folder.table("metrics")["model"].to_pylist()


def test_a_model_that_has_not_lost_has_no_fallback(learnt: Job) -> None:
    document = learnt.folder.document("fallback")
    assert (document["model"], document["reason"], document["why"]) == (None, None, "")


@pytest.fixture
def shelf(serving_url: str, tmp_path: Path) -> Callable[..., Job]:
    """`shelf(number)`: a whole night as of that day, on what is live, published."""
    gate = {"min_distinct_items": 1, "max_age_hours": 9_999.0}
    settings = tastes.settings_of(serving={"role_prefix": "fallback"}, gate=gate, recommend=NO_VARIETY)

    def play(number: float) -> Job:
        live = json.loads(json.dumps(read_live(serving_url, settings, as_of=day(number)), default=_text))
        job = night(tmp_path, settings, number, serving_url, live=live)
        for stage in STAGES:
            run_stage(stage, job)
        return job

    return play


def _text(value: Any) -> str:
    return str(value.isoformat())


def test_the_rule_stays_until_the_model_has_not_lost_on_two_nights(
    shelf: Callable[..., Job], serving_url: str
) -> None:
    """The promotion ends on day 100: day 115 is the first night without a loss, day 130 the second."""
    nights = [shelf(number) for number in (100, 115, 130)]
    documents = [job.folder.document("fallback") for job in nights]
    assert [document["reason"] for document in documents] == ["lost", "waiting", "back"]
    assert [document["n_nights_not_lost"] for document in documents] == [0, 1, 2]
    rule = documents[0]["model"]
    assert [document["model"] for document in documents] == [rule, rule, None]
    stored, _ = publications(serving_url, nights[0].settings)
    chosen = nights[2].folder.document("best_params")["model"]
    assert [(row.model, row.is_fallback) for row in stored] == [(rule, True), (rule, True), (chosen, False)]
    for row, job in zip(stored, nights, strict=True):
        assert row.precision_at_3 == pytest.approx(_ours(job)), "the number of the lists that went live"


def test_best_sellers_after_a_models_lists_are_no_shop_that_shrank(
    shelf: Callable[..., Job], serving_url: str
) -> None:
    """Before the promotion the model's lists are live; the rule's hold far fewer different items."""
    nights = [shelf(number) for number in (86, 100)]
    assert nights[1].folder.document("fallback")["reason"] == "lost"
    model, rule = publications(serving_url, nights[0].settings)[0]
    assert rule.n_items < model.n_items / 2
    assert (model.is_fallback, rule.is_fallback, rule.state) == (False, True, "live")


def _ours(job: Job) -> float:
    name = FALLBACK if job.folder.document("fallback")["model"] else PUBLISHED
    rows = job.folder.table("metrics").to_pylist()
    return float(
        next(
            row["precision_at_3"]
            for row in rows
            if (row["model"], row["repeat_purchases"]) == (name, "exclude")
        )
    )


def test_the_lists_are_the_rules_own(shelf: Callable[..., Job]) -> None:
    """Best sellers are few: all first places together hold fewer than ten different items."""
    job = shelf(100)
    lists = job.folder.table("recommendations")
    first = lists.filter(pc.equal(lists["rank"], 1))
    assert len(pc.unique(first["item_id"])) < 10
    assert job.folder.receipt("recommend")["counts"]["model"] == job.folder.document("fallback")["model"]


def test_a_rule_is_not_held_against_the_days_that_it_was_chosen_on(
    shelf: Callable[..., Job], serving_url: str
) -> None:
    """A second run of the same night does not confirm a rule by the test that chose it."""
    shelf(100)
    again = shelf(100.001)
    document = again.folder.document("fallback")
    assert (document["reason"], document["n_nights_not_lost"]) == ("lost", 0)
    assert len(document["against"]) == 1, "its own test begins a little later"
    same = night(again.folder.path.parent.parent / "same", again.settings, 100, serving_url)
    live = {**again.folder.document("live"), "as_of": day(100).isoformat()}
    give(same.folder, live={**live, "fallback": {**live["fallback"], "n_nights_not_lost": 1}})
    for stage in STAGES[:4]:
        run_stage(stage, same)
    [skipped] = same.folder.document("fallback")["skipped"]
    assert "was chosen on the days of this test" in skipped["why"]
