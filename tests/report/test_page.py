"""The page as a whole: what it says, that it needs nothing else, that what is missing is a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pyarrow as pa
import pytest

from pipeline import config
from pipeline.__main__ import main
from pipeline.retention.erase_run import erase
from pipeline.runs.folder import RunFolder
from pipeline.runs.pages import PAGE
from tests.conftest import AS_OF
from tests.report.pages import (
    AGAINST,
    DECISION,
    LIVE,
    NASTY,
    PARAMS,
    PRECISION,
    PUBLICATION,
    REFUSED,
    SPLIT,
    fill,
    metrics,
    page,
    section,
    text,
    trials,
)

Make = Callable[..., RunFolder]
SECTIONS = (
    "verdict", "models", "session-lists", "publications", "buyers", "groups", "variety", "data", "tuning",
    "run",
)  # fmt: skip


class Tags(HTMLParser):
    """Every tag with its attributes; and that each one that is opened is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_whole_page(run_folder: Make) -> None:
    html = page(fill(run_folder()), PUBLICATION)
    verdict = section(html, "verdict")
    assert "Published Lists for 20 users are live as version 7." in verdict
    assert "buyers bought 4.00 within 14 days of getting the list (only items new to them count)" in verdict
    assert (
        "That is 25.0 % better than the best simple rule (“items with the same buyers”), which has 3.20"
        " on the same 14 buyers (hardly chance: 95 % interval +6.2 % to +43.8 %)." in verdict
    )
    assert "+25.0 % against the best simple rule" in verdict
    models = section(html, "models")
    assert models.index("These lists made by “boosted trees” 4.00") < models.index("ALS, tuned model 3.00")
    assert "If repeat purchases counted too" in models
    assert "30 Dec this run, 1 Jan" in section(html, "publications")
    assert "heavy buyers 14 buyers 4.00 3.00" in section(html, "groups")
    assert "These lists 50.0 % 0.5 50 % 50 % 0.5000" in section(html, "variety")
    assert "warning events: quantity is above 0 (not true for 3 rows)" in section(html, "data")
    tuning = section(html, "tuning")
    assert "9 sets of parameters were tried, 1 of them cut off early." in tuning
    assert "Why this one: ranker: als has 0.0420, which may be chance." in tuning
    assert "ALS, tuned 4.20 Boosted trees chosen 4.10" in tuning
    assert "What mattered in the search" in tuning
    assert "ALS: its rank 60 %" in tuning
    buyers = section(html, "buyers")
    assert "2 buyers who bought on one or two days only" in buyers
    assert "0 buyers of whose items none is available any more" in buyers
    assert "3 new items" in buyers
    assert "recommend 90 70 1.5 300 3 new items, 2 thin users, 20 users" in section(html, "run")


def test_it_is_one_file_that_needs_nothing_else(run_folder: Make) -> None:
    folder = fill(run_folder())
    html = page(folder)
    tags = Tags(html)
    assert tags.open == []
    assert {tag for tag, _ in tags.found} & {"script", "iframe", "img", "object", "base", "form"} == set()
    links = [value for _, pairs in tags.found for key, value in pairs.items() if key in ("src", "href")]
    assert links == ["data:,"]
    assert not re.search(r"https?:|url\(|@import|\son\w+=", html)
    assert len(html) < 200_000
    assert list(folder.path.glob("scratch")) == []


def test_items_names_are_escaped(run_folder: Make) -> None:
    html = page(fill(run_folder()))
    assert NASTY not in html
    assert "&lt;script&gt;" in html
    assert NASTY in text(html)
    assert "close to “Assam”" in text(html)
    assert "item 7 popular now" in text(html)


def test_the_same_run_makes_the_same_bytes(run_folder: Make) -> None:
    folder = fill(run_folder())
    assert page(folder) == page(folder)


@pytest.mark.parametrize(
    ("changes", "where", "said"),
    [
        ({"without": ("live",)}, "publications", "No earlier publication of this kind is known"),
        ({"live": {}}, "publications", "No earlier publication of this kind is known"),
        ({"live": {"recent": [{**LIVE["recent"][0], "precision_at_3": None}]}}, "publications", "No earlier"),  # type: ignore[index]
        ({"without": ("item_names",)}, "buyers", "item 6 close to “item 1”"),
        ({"without": ("recommendations",)}, "buyers", "This run has made no lists"),
        ({"without": ("user_metrics",)}, "buyers", "not in the test"),
        ({"without": ("segment_metrics",)}, "groups", "No group has ten measured buyers"),
        ({"without": ("validation",)}, "data", "was not checked to the end"),
        ({"trials": trials()}, "tuning", "There are no trials to show."),
        (
            {"trials": trials(), "best_params": {**PARAMS, "source": "settings", "why": "tune = never"}},
            "tuning",
            "Nothing was searched: the parameters are those of config.toml. Why: tune = never.",
        ),
        (
            {"best_params": {**PARAMS, "source": "reused", "searched_at": "2025-12-27T00:00:00+00:00"}},
            "tuning",
            "the parameters of what is live were used again, found on 27 December 2025",
        ),
        ({"best_params": {**PARAMS, "race": []}}, "tuning", "No race was run"),
        ({"without": ("trials", "best_params")}, "tuning", "This run has chosen no model."),
        ({"metrics": metrics({}, "exclude")}, "models", "Nobody could be measured"),
        ({"metrics": metrics({}, "exclude")}, "variety", "Nobody could be measured"),
        ({"metrics": metrics(PRECISION, "allow")}, "verdict", "how good they are is not known"),
        ({"without": ("metrics",)}, "models", "the stage “evaluate” has not finished"),
        ({"without": ("decision",)}, "verdict", "Not finished This run stopped before its lists were judged"),
    ],
)
def test_what_is_missing_is_a_sentence(
    run_folder: Make, changes: dict[str, Any], where: str, said: str
) -> None:
    html = page(fill(run_folder(), **changes))
    assert said in section(html, where)
    assert all(len(section(html, name)) > 20 for name in SECTIONS)
    assert Tags(html).open == []


def test_a_run_that_has_only_begun(run_folder: Make) -> None:
    html = page(run_folder())
    assert "the stage “extract” has not finished" in section(html, "verdict")
    assert all(len(section(html, name)) > 20 for name in SECTIONS)


@pytest.mark.parametrize(
    ("decision", "publication", "word"),
    [
        (DECISION, PUBLICATION, "Published Lists"),
        (DECISION, {**PUBLICATION, "is_live": False}, "Stored, not live"),
        (DECISION, None, "Not published The lists passed the gate"),
        (REFUSED, None, "Refused"),
        (REFUSED, PUBLICATION, "Published by force"),
    ],
)
def test_the_verdict(run_folder: Make, decision: Any, publication: Any, word: str) -> None:
    verdict = section(page(fill(run_folder(), decision=decision), publication), "verdict")
    assert verdict.strip().startswith(word)
    assert ("rank is 1 or more (3 rows)" in verdict) == (decision is REFUSED)
    assert "What the gate could not judge nothing was published before" in verdict


@pytest.mark.parametrize(
    ("changes", "said", "tile"),
    [
        ({"ci_low": -0.004}, "(may be chance: 95 % interval \N{MINUS SIGN}12.5 % to", "rule, may be chance"),
        (
            {"difference": -0.008, "ci_low": -0.01, "ci_high": -0.002},
            "That is 25.0 % worse than",
            "\N{MINUS SIGN}25.0 % against",
        ),
        ({"difference": 0.0, "ci_low": 0.0, "ci_high": 0.0}, "That is just as good as", "+0.0 % against"),
        ({"precision_at_3": 0.0}, "had none right on the same 14 buyers.", "20 users with a list 4.00"),
    ],
)
def test_how_it_compares(run_folder: Make, changes: dict[str, float], said: str, tile: str) -> None:
    precision = {"comparison": {"against": [{**AGAINST, **changes}]}}
    verdict = section(page(fill(run_folder(), decision={**DECISION, "precision": precision})), "verdict")
    assert said in verdict
    assert tile in verdict


@pytest.mark.parametrize(("n_buyers", "is_said"), [(14, True), (29, True), (30, False)])
def test_so_few_measured_that_they_decide_nothing_are_said_so(
    run_folder: Make, n_buyers: int, is_said: bool
) -> None:
    """However often they were measured."""
    table = metrics({"published": 0.04, "als": 0.04, "popular": 0.02}, "exclude")
    column = table.schema.get_field_index("n_buyers")
    counts = pa.array([n_buyers] * table.num_rows)
    verdict = section(
        page(fill(run_folder(), metrics=table.set_column(column, "n_buyers", counts))), "verdict"
    )
    assert (f"Only {n_buyers} buyers could be measured: too few to decide anything" in verdict) == is_said


def test_no_example_row_of_the_shop_is_shown(run_folder: Make) -> None:
    assert "4242" not in page(fill(run_folder()))


def test_the_page_goes_with_a_user_of_the_run_and_stays_without_one(run_folder: Make) -> None:
    folder = fill(run_folder())
    assert "Buyer 14 " in text(page(folder))
    erase(folder, 4711, AS_OF)
    assert (folder.path / PAGE).exists()
    erase(folder, 14, AS_OF)
    assert not (folder.path / PAGE).exists()
    assert "Buyer 14 " not in text(page(folder))


def test_the_command_makes_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    settings = config.load()
    assert main(["report"]) == 1
    assert "there is no run to report" in capsys.readouterr().err
    runs = config.runs_folder(settings)
    for run_id in ("first", "second"):
        fill(RunFolder.create(runs, run_id, AS_OF, settings.ids.model_dump(), {}))
    assert main(["report", "--run-id", "first"]) == 0
    assert capsys.readouterr().out == f"report: {runs / 'first' / PAGE}\n"
    assert (runs / "first" / PAGE).exists()
    assert not (runs / "second" / PAGE).exists()
    assert main(["report", "--run-id", "third"]) == 1


def test_who_is_measured_at_several_cuts_is_told_wherever_a_number_stands(run_folder: Make) -> None:
    """14 measurements of 9 buyers at three cuts, two days each."""
    table = metrics({"published": 0.04, "als": 0.04, "item_neighbours": 0.032}, "exclude")
    column = table.schema.get_field_index("n_buyers")
    table = table.set_column(column, "n_buyers", pa.array([9] * table.num_rows))
    comparison = {**DECISION["precision"]["comparison"], "against": [{**AGAINST, "n_buyers": 9}]}
    split = {**SPLIT, "test_days": 2.0, "n_test_cuts": 3}
    decision = {**DECISION, "precision": {"comparison": comparison}}
    html = page(fill(run_folder(), metrics=table, split=split, decision=decision), PUBLICATION)
    who = "14 measurements of 9 buyers"
    assert f"on the same {who}" in section(html, "verdict")
    assert "of the times measured, buyers bought one of their first 10" in section(html, "verdict")
    models = section(html, "models")
    assert "3 times 2 days" in models
    assert "compared with what 9 buyers bought" in models
    assert f"after which the buyer bought something that counts: {who}." in models
