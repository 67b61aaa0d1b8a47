"""The rules of the gate at their edges, over numbers that can be checked by eye."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.gate.rules import Finding, age, decision, judged, known, precision, shrink

AS_OF = datetime(2026, 11, 20, 6, tzinfo=UTC)
RULE = {"against": "best_rule", "model": "recently_popular", "n_users": 1900}
LIVE = {"against": "live", "version": 7, "model": "blend", "n_users": 1900, "n_buyers": 700}
NO_LIVE = {"against": "live", "why": "there is no live publication"}


def compared(*against: dict[str, Any], skipped: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """`comparison`: the ranker published has 0.09; the others have what they have."""
    return {
        "published": "ranker",
        "repeat_purchases": "exclude",
        "precision_at_3": 0.09,
        "against": list(against),
        "skipped": list(skipped),
    }


def other(whose: dict[str, Any], precision_at_3: float, low: float, high: float) -> dict[str, Any]:
    difference = 0.09 - precision_at_3
    return {
        **whose,
        "precision_at_3": precision_at_3,
        "difference": difference,
        "ci_low": low,
        "ci_high": high,
    }


@pytest.mark.parametrize("whose", [RULE, LIVE], ids=["best rule", "live model"])
@pytest.mark.parametrize(
    ("precision_at_3", "low", "high", "n_refusals", "n_warnings"),
    [
        (0.08, 0.005, 0.015, 0, 0),
        (0.0947, -0.006, -0.003, 0, 0),  # 4.96 % lost
        (0.0948, -0.006, -0.003, 1, 0),  # 5.06 % lost
        (0.1, -0.02, -1e-9, 1, 0),
        (0.1, -0.02, 0.0, 0, 1),  # a lucky night of the other's
        (0.1, -0.03, 0.01, 0, 1),
    ],
)
def test_a_loss_is_refused_when_it_is_large_and_no_chance(
    whose: dict[str, Any], precision_at_3: float, low: float, high: float, n_refusals: int, n_warnings: int
) -> None:
    finding = precision(compared(other(whose, precision_at_3, low, high)), 0.05)
    assert (len(finding.refusals), len(finding.warnings)) == (n_refusals, n_warnings)


def test_a_loss_is_told_with_its_numbers() -> None:
    both = compared(other(RULE, 0.1, -0.02, -0.001), other(LIVE, 0.12, -0.04, -0.02))
    assert precision(both, 0.05).refusals == (
        "Precision@3 0.0900 of ranker is 10.0% below 0.1000 of recently_popular (the best rule),"
        " 95 % interval of the difference -0.0200 to -0.0010, 1,900 buyers; at most 5.0% may be lost",
        "Precision@3 0.0900 of ranker is 25.0% below 0.1200 of blend (the live publication's model,"
        " version 7), 95 % interval of the difference -0.0400 to -0.0200, 1,900 measurements of 700 buyers;"
        " at most 5.0% may be lost",
    )
    lucky = precision(compared(other(RULE, 0.1, -0.02, 0.001)), 0.05)
    assert lucky.warnings[0].endswith("-0.0200 to +0.0010, 1,900 buyers; chance may explain it")


def test_nothing_is_lost_to_a_rule_that_finds_nothing() -> None:
    assert precision(compared(other(RULE, 0.0, 0.08, 0.1)), 0.0).refusals == ()


def test_with_no_loss_allowed_any_sure_loss_is_refused() -> None:
    assert precision(compared(other(RULE, 0.0901, -0.0002, -0.00001)), 0.0).refusals
    assert not precision(compared(other(RULE, 0.09, -0.0002, -0.00001)), 0.0).refusals


def test_what_could_not_be_compared_is_said() -> None:
    only_rules = compared(other(RULE, 0.08, 0.0, 0.02), skipped=(NO_LIVE,))
    finding = precision(only_rules, 0.05)
    reason = "not held against the live publication's model: there is no live publication"
    assert finding.skipped == (reason,)
    assert finding.numbers == {"comparison": only_rules, "max_loss": 0.05}
    nobody = precision(compared(), 0.05)
    assert nobody.refusals == ()
    assert nobody.skipped == (
        "not held against the best rule: nobody was measured",
        "not held against the live publication's model: nobody was measured",
    )


UNMEASURED = {
    "is_unjudged": True,
    "unmeasured": {"what": "nobody can be measured: none", "found": "9 buyers", "then": "wait"},
}
WHY = "unjudged: nobody can be measured: none (9 buyers). To have the lists judged: wait"


def of_live(precision_at_3: float | None, *, mode: str = "exclude", days: float = -1) -> dict[str, Any]:
    """`live`: version 7, which ends `days` after this run."""
    as_of = (AS_OF + timedelta(days=days)).isoformat()
    return {"version": 7, "precision_at_3": precision_at_3, "repeat_purchases": mode, "as_of": as_of}


@pytest.mark.parametrize(
    "live",
    [{}, of_live(None), of_live(0.1, mode="allow"), of_live(0.1, days=1)],
    ids=["none", "unjudged", "other mode", "newer than this run"],
)
def test_unjudged_lists_are_published_with_a_warning(live: dict[str, Any]) -> None:
    finding = judged(UNMEASURED, live, AS_OF, "exclude", may_publish=True)
    assert (finding.refusals, finding.warnings) == ((), (WHY,))
    assert finding.numbers == {"is_unjudged": True, "may_publish": True}


@pytest.mark.parametrize("days", [-1, 0])
def test_unjudged_lists_never_replace_judged_ones(days: float) -> None:
    finding = judged(UNMEASURED, of_live(0.0, days=days), AS_OF, "exclude", may_publish=True)
    assert finding.warnings == ()
    assert finding.refusals == (
        f"{WHY}; version 7, which is live, was judged (Precision@3 0.0000), and unjudged lists do not replace"
        " it",
    )


def test_a_shop_may_refuse_unjudged_lists() -> None:
    finding = judged(UNMEASURED, {}, AS_OF, "exclude", may_publish=False)
    assert finding.refusals == (f"{WHY}; gate.publish_unjudged = false publishes no others",)


@pytest.mark.parametrize(
    "split", [{"is_unjudged": False}, {"method": "time"}], ids=["judged", "earlier release"]
)
def test_judged_lists_need_no_leave(split: dict[str, Any]) -> None:
    finding = judged(split, of_live(0.1), AS_OF, "exclude", may_publish=False)
    assert (finding.refusals, finding.warnings, finding.skipped) == ((), (), ())


def recent(*sizes: tuple[int, int], refused: int = 0) -> dict[str, Any]:
    """`live`: users and items of the last publications, newest first."""
    rows = [{"version": 9 - n, "n_users": users, "n_items": items} for n, (users, items) in enumerate(sizes)]
    return {"recent": rows, "n_refused_for_shrink": refused}


@pytest.mark.parametrize(
    ("n_users", "n_items", "max_shrink", "n_refusals"),
    [
        (50, 10, 0.5, 0),
        (49, 10, 0.5, 1),
        (50, 9, 0.5, 1),
        (49, 9, 0.5, 2),
        (30, 10, 0.7, 0),
        (29, 10, 0.7, 1),
        (100, 20, 0.0, 0),
        (99, 20, 0.0, 1),
        (0, 0, 1.0, 0),
        (200, 40, 0.0, 0),
    ],
)
def test_users_or_items_that_are_missing(
    n_users: int, n_items: int, max_shrink: float, n_refusals: int
) -> None:
    live = recent((90, 20), (100, 20), (1000, 20))
    finding = shrink(n_users, n_items, live, max_shrink, "blend")
    assert (len(finding.refusals), finding.is_let_pass) == (n_refusals, False)


def test_best_sellers_are_not_held_against_lists_that_differ_from_user_to_user() -> None:
    """A rule in the model's place shows 12 items where the model's lists held 5,000; users are compared."""
    live = recent((1_000, 5_000), (1_000, 4_900))
    finding = shrink(990, 12, live, 0.5, "recently_popular")
    assert finding.refusals == ()
    assert finding.skipped == (
        "number of items not held against any: no lists like those of recently_popular were live",
    )
    assert shrink(400, 12, live, 0.5, "popular").refusals != ()


def test_lists_are_held_against_those_of_their_kind() -> None:
    """After a rule's lists the model's come back: their items are held against its own last ones."""
    live = recent((1_000, 12), (1_000, 12), (1_000, 5_000))
    for row in live["recent"][:2]:
        row["model"] = "popular"
    [refusal] = shrink(1_000, 2_000, live, 0.5, "ranker").refusals
    assert "2,000 items, 60.0% fewer than 5,000, the median of the last publications (1)" in refusal
    assert shrink(1_000, 11, live, 0.5, "popular").refusals == ()
    assert "2 items" in shrink(1_000, 2, live, 0.5, "popular").refusals[0]


def test_a_shrunken_shop_is_told_with_its_numbers() -> None:
    live = recent((1_100, 20), (1_301, 20), refused=2)
    finding = shrink(240, 20, live, 0.5, "blend")
    assert finding.refusals == (
        "240 users, 80.0% fewer than 1,200.5, the median of the last publications (2); at most 50.0% may be"
        " missing",
    )
    assert finding.numbers == {
        "n_users": 240,
        "n_items": 20,
        "median_n_users": 1200.5,
        "median_n_items": 20,
        "n_publications": 2,
        "n_refused_in_a_row": 2,
        "max_shrink": 0.5,
    }


def test_after_three_refusals_for_this_alone_it_is_let_pass() -> None:
    finding = shrink(49, 20, recent((100, 20), refused=3), 0.5, "blend")
    assert (finding.refusals, finding.is_let_pass) == ((), True)
    assert finding.warnings[0].endswith("; let pass after 3 refusals in a row for this alone")
    assert not shrink(50, 20, recent((100, 20), refused=3), 0.5, "blend").is_let_pass


@pytest.mark.parametrize("live", [{}, {"version": 3}, recent()])
def test_a_first_publication_has_nothing_to_shrink_from(live: dict[str, Any]) -> None:
    finding = shrink(1, 1, live, 0.0, "blend")
    assert finding.refusals == ()
    assert "nothing of this mode was published before" in finding.skipped[0]


def test_the_newest_event_counts_back_from_as_of() -> None:
    assert age(AS_OF - timedelta(hours=48), AS_OF, 48.0).refusals == ()
    finding = age(AS_OF - timedelta(hours=48, seconds=1), AS_OF, 48.0)
    assert finding.refusals == (
        "the newest event, of 2026-11-18T05:59:59+00:00, lies 48.0 hours before as_of,"
        " 2026-11-20T06:00:00+00:00; at most 48 are allowed",
    )
    assert finding.numbers == {
        "newest_event": "2026-11-18T05:59:59+00:00",
        "hours": 48.0,
        "max_age_hours": 48.0,
    }


def met(n_unknown_users: int, n_unknown_items: int) -> dict[str, Any]:
    """Twenty buyers of a hundred items."""
    return {
        "users": {"file": "sql/source/users.sql", "n_bought": 20, "n_unknown": n_unknown_users},
        "items": {"file": "sql/source/items.sql", "n_bought": 100, "n_unknown": n_unknown_items},
    }


@pytest.mark.parametrize(
    ("n_users", "n_items", "n_warnings"), [(0, 0, 0), (1, 5, 0), (2, 5, 1), (1, 6, 1), (20, 100, 2)]
)
def test_buyers_and_items_that_the_shop_does_not_have_are_told(
    n_users: int, n_items: int, n_warnings: int
) -> None:
    finding = known(met(n_users, n_items), 0.05)
    assert (finding.refusals, len(finding.warnings)) == ((), n_warnings)


def test_the_file_that_lacks_them_is_named_with_its_numbers() -> None:
    finding = known(met(10, 6), 0.05)
    assert finding.warnings == (
        "sql/source/users.sql does not have 10 of 20 buyers (50.0%): they have no lists; at most 5.0% are"
        " expected",
        "sql/source/items.sql does not have 6 of 100 items bought (6.0%): they have no name and no category,"
        " and count as available; at most 5.0% are expected",
    )
    assert finding.numbers == {
        "max_unknown": 0.05,
        "n_unknown_users": 10,
        "n_bought_users": 20,
        "n_unknown_items": 6,
        "n_bought_items": 100,
    }
    assert known({}, 0.05).warnings == (), "a run that an earlier release validated"


@pytest.mark.parametrize(("force", "publish"), [(False, False), (True, True)])
def test_a_decision_tells_every_rule_and_force_overrides(force: bool, publish: bool) -> None:
    findings = [
        Finding("output", {"rows": {"recommendations": 2}, "suites": {}}, ("a list has a hole",)),
        Finding("precision", {"max_loss": 0.05}, warnings=("a loss",), skipped=("no live one",)),
        Finding("shrink", {"n_users": 2}, warnings=("smaller",), is_let_pass=True),
        Finding("age", {"hours": 99.0}, ("too old",)),
    ]
    assert decision(findings, force=force) == {
        "publish": publish,
        "forced": force,
        "reasons": ["a list has a hole", "too old"],
        "refused_for": ["output", "age"],
        "warnings": ["a loss", "smaller"],
        "let_pass": ["shrink"],
        "skipped": [{"rule": "precision", "why": "no live one"}],
        "rows": {"recommendations": 2},
        "suites": {},
        "precision": {"max_loss": 0.05},
        "shrink": {"n_users": 2},
        "age": {"hours": 99.0},
    }


def test_force_is_recorded_only_where_it_was_needed() -> None:
    document = decision([Finding("age", {})], force=True)
    assert (document["publish"], document["forced"]) == (True, False)
