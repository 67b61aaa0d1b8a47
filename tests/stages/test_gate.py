"""gate: what it reads off a run, what it writes down, and what a shop then sees over several nights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.config import Settings
from pipeline.contract.datasets import DATASETS
from pipeline.errors import DamagedFile, Refused
from pipeline.runs.files import write_json
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.serving import read_live
from tests.serving.nights import fill
from tests.shelf import NO_FALLBACK, day, events, give

BOUGHT = {1: [11, 12], 2: [12, 13], 3: [13]}
GOOD = {1: [13, 14], 2: [11, 14], 3: [11, 12, 14]}
POPULAR = {"all": [13, 12]}
SIMILAR = {11: [12, 14]}
SEGMENTS = {9: 2}
IN_SEGMENT = {2: [14, 11]}
AS_OF = day(10)
NEW_ONES_ONLY = "with repeat_purchases = exclude, no list holds what the user bought"
RULE = {
    "against": "best_rule",
    "model": "popular",
    "precision_at_3": 0.5,
    "difference": -0.2,
    "ci_low": -0.3,
    "ci_high": -0.1,
    "n_users": 3,
}
NO_METRICS = pa.schema(list(DATASETS["metrics"].columns.items())).empty_table()


def items(*gone: int) -> pa.Table:
    """A catalogue of the items 11 to 16, some of them not available; 16 was never seen in an event."""
    numbers = range(11, 17)
    return pa.table(
        {
            "item_id": pa.array(numbers, pa.int64()),
            **{name: pa.nulls(6, pa.string()) for name in ("name", "category")},
            **{name: pa.nulls(6, pa.float64()) for name in ("price", "discount")},
            "available": [None if n == 11 else n not in gone for n in numbers],
        }
    )


def compared(*against: dict[str, Any]) -> dict[str, Any]:
    return {"published": "als", "precision_at_3": 0.3, "against": list(against), "skipped": []}


def given(
    job: Job,
    users: Mapping[int, Sequence[int]] = GOOD,
    bought: Mapping[int, Sequence[int]] = BOUGHT,
    **parts: Any,
) -> Job:
    """What the gate reads: each purchase on its own day, and views of 14 and 15, the newest by a browser."""
    purchases = [
        (user, item, place) for user, own in bought.items() for place, item in enumerate(own, start=1)
    ]
    seen = [*purchases, (1, 14, 5, "view"), (9, 15, 9, "view")]
    fill(job.folder, users, POPULAR, SIMILAR, segments=SEGMENTS, in_segment=IN_SEGMENT)
    given_parts = {
        "events": events(*seen),
        "purchaser_events": events(*(row for row in seen if row[0] != 9)),
        "comparison": compared(),
        "fallback": NO_FALLBACK,
        "live": {},
        "split": {"method": "time", "test_days": 14.0},
        "validation": {},
    }
    give(job.folder, **{**given_parts, **parts})
    return job


@pytest.fixture
def night(job: Callable[..., Job], make_settings: Callable[..., Settings]) -> Callable[..., Job]:
    """`night(users, run={...}, force=True, live={...})`: a run that has come as far as the gate."""

    def make(users: Mapping[int, Sequence[int]] = GOOD, *, force: bool = False, **more: Any) -> Job:
        sections = {name: more.pop(name) for name in ("run", "filter", "recommend", "gate") if name in more}
        return given(job(as_of=AS_OF, settings=make_settings(**sections), force=force), users, **more)

    return make


def decided(job: Job) -> dict[str, Any]:
    run_stage("gate", job)
    return job.folder.document("decision")


def test_good_lists_pass_and_every_number_is_written_down(night: Callable[..., Job]) -> None:
    decision = decided(night())
    assert decision["publish"]
    assert not decision["forced"]
    assert [decision[name] for name in ("reasons", "refused_for", "warnings", "let_pass")] == [[]] * 4
    assert decision["rows"] == {
        "recommendations": 7,
        "popular_items": 2,
        "similar_items": 2,
        "user_segments": 1,
        "popular_in_segment": 2,
    }
    assert all(suite["failed"] == [] for suite in decision["suites"].values())
    assert (decision["shrink"]["n_users"], decision["shrink"]["n_items"]) == (3, 4)
    assert decision["age"]["hours"] == 24.0, "a browser's view counts"
    assert decision["precision"]["max_loss"] == 0.05
    assert [entry["rule"] for entry in decision["skipped"]] == ["precision", "precision", "shrink"]
    assert decision["repeat_purchases"] == "exclude"


@pytest.mark.parametrize(
    ("users", "broken"),
    [
        ({1: [13, 14], 2: [11, 14]}, "every buyer who takes part has a list, if there is anything to show"),
        ({**GOOD, 3: [11, 99]}, "the shop knows every item: from an event, or from its catalogue"),
        ({**GOOD, 3: [15, 12]}, "no item is one that the shop says is not available"),
        ({**GOOD, 3: [14, 13]}, NEW_ONES_ONLY),
        ({1: [14], 2: [14], 3: [14]}, "all lists together hold enough different items (min_distinct_items)"),
    ],
)
def test_lists_that_must_not_go_live(
    night: Callable[..., Job], users: dict[int, list[int]], broken: str, said: list[str]
) -> None:
    decision = decided(night(users, items=items(15), gate={"min_distinct_items": 3}))
    assert not decision["publish"]
    assert decision["refused_for"] == ["output"]
    [reason] = decision["reasons"]
    assert reason.startswith(f"`recommendations`: not true: {broken} (")
    assert f"gate: refused: {reason}" in said


def test_an_item_of_the_catalogue_that_nobody_touched_is_known(night: Callable[..., Job]) -> None:
    assert not decided(night({**GOOD, 3: [11, 16]}))["publish"]
    assert decided(night({**GOOD, 3: [11, 16]}, items=items()))["publish"]


def test_with_repeats_allowed_a_list_may_hold_what_was_bought(night: Callable[..., Job]) -> None:
    assert decided(night({1: [11, 12], 2: [13], 3: [14]}, run={"repeat_purchases": "allow"}))["publish"]


def test_a_buyer_of_everything_needs_no_list_when_only_new_items_count(night: Callable[..., Job]) -> None:
    bought = {**BOUGHT, 3: [11, 12, 13, 14]}
    two = {1: [13, 14], 2: [11, 14]}
    assert decided(night(two, bought=bought))["publish"]
    allowed = decided(night(two, bought=bought, run={"repeat_purchases": "allow"}))
    assert allowed["refused_for"] == ["output"]


def test_a_buyer_whom_the_filters_leave_out_needs_no_list(night: Callable[..., Job]) -> None:
    two = {1: [13, 14], 2: [11, 14]}
    assert decided(night(two, filter={"min_events": 2}))["publish"]


@pytest.mark.parametrize(
    ("n", "passes"), [(3, True), (4, False), (1_000, False)], ids=["enough", "too few", "capped"]
)
def test_enough_different_items_is_never_more_than_there_are(
    night: Callable[..., Job], n: int, passes: bool
) -> None:
    """Four items can be shown: 11 to 14, each new to somebody."""
    three = {1: [13, 14], 2: [11, 14], 3: [11]}
    assert decided(night(three, gate={"min_distinct_items": n}))["publish"] is passes
    assert decided(night(GOOD, gate={"min_distinct_items": n}))["publish"]
    assert decided(night(three, gate={"min_distinct_items": n}, recommend={"list_length": 3}))["publish"]


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -3.4e38])
def test_a_score_that_is_no_number_is_refused(night: Callable[..., Job], score: float) -> None:
    job = night()
    lists = job.folder.table("recommendations")
    scores = pa.array([score, *lists["score"].to_pylist()[1:]], pa.float64())
    give(job.folder, recommendations=lists.set_column(3, "score", scores))
    assert "score is a finite number" in decided(job)["reasons"][0]


@pytest.mark.parametrize("name", ["recommendations", "popular_items", "similar_items", "popular_in_segment"])
def test_every_kind_of_list_is_looked_at(night: Callable[..., Job], name: str) -> None:
    job = night()
    lists = job.folder.table(name)
    ranks = pc.if_else(pc.equal(lists["rank"], 2), 9, lists["rank"]).cast(pa.int32())
    give(job.folder, **{name: lists.set_column(1, "rank", ranks)})
    [reason] = [line for line in decided(job)["reasons"] if "no holes" in line]
    assert reason.startswith(f"`{name}`: not true: a list has no holes")


@pytest.mark.parametrize(
    ("name", "passes"), [("recommendations", False), ("popular_items", False), ("similar_items", True)]
)
def test_lists_that_are_empty(night: Callable[..., Job], name: str, passes: bool) -> None:
    job = night()
    give(job.folder, **{name: job.folder.table(name).slice(0, 0)})
    decision = decided(job)
    assert decision["publish"] is passes
    assert passes or decision["reasons"] == [f"`{name}` is empty: no list could be made"]


def test_a_night_without_segments_is_published(night: Callable[..., Job]) -> None:
    """Empty, and not there at all: the run of an earlier release."""
    job = night()
    names = ("user_segments", "popular_in_segment")
    give(job.folder, **{name: job.folder.table(name).slice(0, 0) for name in names})
    assert decided(job)["publish"]
    receipt = job.folder.receipt("recommend")
    for name in names:
        job.folder.file(name).unlink()
        del receipt["files"][f"{name}.parquet"]
    write_json(job.folder.path / "receipts" / "recommend.json", receipt)
    assert decided(job)["publish"]


@pytest.mark.parametrize(
    ("segments", "in_segment", "reason"),
    [
        (
            {},
            {2: [14]},
            "`popular_in_segment`: not true: somebody is in every segment that has a list (1 rows)",
        ),
        ({3: 2}, {2: [14]}, "`user_segments`: not true: nobody in a segment has bought anything (1 rows)"),
        ({9: 2}, {2: [15]}, "`popular_in_segment`: not true: the shop knows every item, and has it (1 rows)"),
    ],
)
def test_segments_that_must_not_go_live(
    night: Callable[..., Job], segments: dict[int, int], in_segment: dict[int, list[int]], reason: str
) -> None:
    job = night(items=items(15))
    fill(job.folder, GOOD, POPULAR, SIMILAR, segments=segments, in_segment=in_segment)
    decision = decided(job)
    assert (decision["refused_for"], decision["reasons"]) == (["output"], [reason])


def test_a_loss_no_chance_explains_is_refused_and_a_lucky_night_is_not(night: Callable[..., Job]) -> None:
    sure = decided(night(comparison=compared(RULE)))
    assert sure["refused_for"] == ["precision"]
    assert sure["precision"]["comparison"]["against"] == [RULE]
    lucky = decided(night(comparison=compared({**RULE, "ci_high": 0.01})))
    assert lucky["publish"]
    assert "chance may explain it" in lucky["warnings"][0]


def test_a_run_that_was_not_compared_is_no_pass(night: Callable[..., Job]) -> None:
    """As an older release left it: evaluate has finished, and wrote no comparison."""
    job = night()
    job.folder.file("comparison").unlink()
    write_json(job.folder.path / "receipts" / "evaluate.json", {"stage": "evaluate", "files": {}})
    with pytest.raises(DamagedFile, match=r"comparison\.json is missing") as refused:
        run_stage("gate", job)
    assert refused.value.then == "python -m pipeline run evaluate --run-id night"


def test_buyers_that_the_shop_does_not_have_are_told(night: Callable[..., Job], said: list[str]) -> None:
    counts = {"file": "sql/source/users.sql", "n_bought": 4, "n_unknown": 1}
    decision = decided(night(validation={"left_out": {"users": counts}}))
    assert decision["publish"]
    [warning] = decision["warnings"]
    assert warning.startswith("sql/source/users.sql does not have 1 of 4 buyers (25.0%)")
    assert f"gate: warning: {warning}" in said
    assert (
        decided(night(validation={"left_out": {"users": counts}}, gate={"max_unknown": 0.25}))["warnings"]
        == []
    )


def test_events_that_are_too_old_are_refused(night: Callable[..., Job]) -> None:
    assert decided(night(gate={"max_age_hours": 24.0}))["publish"]
    assert decided(night(gate={"max_age_hours": 23.9}))["refused_for"] == ["age"]


def test_an_event_after_as_of_makes_nothing_fresh(night: Callable[..., Job]) -> None:
    late = events((1, 11, 1), (1, 14, 5, "view"), (3, 12, 2), (2, 13, 2), (9, 15, 11, "view"))
    decision = decided(night(events=late))
    assert decision["age"]["newest_event"] == day(5).isoformat()


def test_force_overrides_every_rule_and_is_recorded(night: Callable[..., Job], said: list[str]) -> None:
    recent = [{"version": 1, "n_users": 100, "n_items": 100}]
    job = night(
        {1: [14], 2: [14]},
        force=True,
        comparison=compared(RULE),
        live={"recent": recent, "n_refused_for_shrink": 0},
        gate={"max_age_hours": 1.0},
    )
    decision = decided(job)
    assert (decision["publish"], decision["forced"]) == (True, True)
    assert decision["refused_for"] == ["output", "precision", "shrink", "age"]
    assert len([line for line in said if line.startswith("gate: forced, though ")]) == 6
    assert not decided(replace(job, force=False))["publish"]


@pytest.fixture
def nights(
    job: Callable[..., Job], serving_url: str, make_settings: Callable[..., Settings]
) -> Callable[..., dict[str, Any]]:
    """`nights(number, n_users)`: read what is live, ask the gate, publish; returns the decision."""
    settings = make_settings(
        serving={"role_prefix": "stage_gate"}, gate={"min_distinct_items": 1, "max_age_hours": 9_999.0}
    )

    def play(number: int, n_users: int, **more: Any) -> dict[str, Any]:
        as_of = AS_OF + timedelta(days=number)
        new_job = job(serving=serving_url, settings=settings, as_of=as_of, run_id=f"night-{number}")
        bought = {user: [11 + user % 4, 10 + user] for user in range(1, n_users + 1)}
        lists = {user: [item for item in (11, 12, 13, 14) if item not in own] for user, own in bought.items()}
        live = read_live(serving_url, settings, as_of=as_of)
        given(new_job, lists, bought, live=live, metrics=NO_METRICS, best_params={"model": "als"}, **more)
        decision = decided(new_job)
        with nullcontext() if decision["publish"] else pytest.raises(Refused, match="is not published"):
            run_stage("publish", new_job)
        return decision

    return play


def live_night(url: str) -> str:
    with psycopg.connect(url) as db:
        db.execute("SET ROLE stage_gate_reader")
        [(run_id,)] = db.execute("SELECT run_id FROM serving.publications WHERE is_live").fetchall()
    return str(run_id)


def test_three_refusals_for_shrinking_alone_then_it_is_let_pass(
    nights: Callable[..., dict[str, Any]], serving_url: str
) -> None:
    assert nights(1, 10)["publish"]
    assert nights(2, 9)["publish"]
    for number in (3, 4, 5):
        decision = nights(number, 4)
        assert decision["refused_for"] == ["shrink"]
        assert decision["shrink"]["median_n_users"] == 9.5
        assert decision["shrink"]["n_refused_in_a_row"] == number - 3
        assert live_night(serving_url) == "night-2"
    decision = nights(6, 4)
    assert (decision["publish"], decision["let_pass"], decision["reasons"]) == (True, ["shrink"], [])
    assert "let pass after 3 refusals in a row" in decision["warnings"][0]
    assert live_night(serving_url) == "night-6"
    decision = nights(7, 4)
    assert (decision["publish"], decision["let_pass"], decision["warnings"]) == (True, [], [])
    assert decision["shrink"]["n_publications"] == 1, "the smaller shop is now what is usual"


def test_a_refusal_for_another_reason_as_well_begins_the_count_anew(
    nights: Callable[..., dict[str, Any]], serving_url: str
) -> None:
    assert nights(1, 10)["publish"]
    for number in (2, 3):
        assert nights(number, 4)["refused_for"] == ["shrink"]
    assert nights(4, 4, comparison=compared(RULE))["refused_for"] == ["precision", "shrink"]
    assert nights(5, 4)["refused_for"] == ["shrink"]
    with psycopg.connect(serving_url) as db:
        db.execute("SET ROLE stage_gate_reader")
        rows = db.execute(
            "SELECT run_id, decision -> 'refused_for', decision -> 'shrink' ->> 'n_users'"
            " FROM serving.publications WHERE status = 'refused' ORDER BY run_id"
        ).fetchall()
    assert rows == [
        ("night-2", ["shrink"], "4"),
        ("night-3", ["shrink"], "4"),
        ("night-4", ["precision", "shrink"], "4"),
        ("night-5", ["shrink"], "4"),
    ]
