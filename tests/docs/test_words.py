"""README.md and docs/ against the code: names, defaults, paths, links, targets."""

from __future__ import annotations

import re
import shlex
import tomllib
from functools import cache
from pathlib import Path

import pytest

from pipeline import cli, config
from pipeline.cold import items as cold
from pipeline.cold import ranking as cold_ranking
from pipeline.config import ROOT, Settings
from pipeline.contract.stages import STAGES
from pipeline.environment import Environment, variable
from pipeline.lists import reasons
from pipeline.models import ease
from pipeline.models.catalog import rules
from pipeline.ranking import blend, candidates, trees
from pipeline.ranking.training_rows import DRAWN
from pipeline.settings.publishing import Recommend
from pipeline.splits import folds
from pipeline.splits.horizon import ENOUGH, ENOUGH_TO_CHOOSE, LEAST_VALIDATION_CUTS, MOST_CUTS, MOST_DAYS
from pipeline.tuning.parameters import GRID
from tests.docs.pages import PAGES, README, inline_code, shell_lines, text

DOCS = PAGES[1:]
MARKDOWN = (
    *PAGES,
    ROOT / "CHANGELOG.md",
    ROOT / "benchmarks" / "README.md",
    ROOT / ".github/CONTRIBUTING.md",
)
SETTINGS = {f"{name}.{key}" for name, keys in Settings().model_dump(by_alias=True).items() for key in keys}
NOT_YET = ("max_per_category",)
"""Names of what comes next."""
ENDINGS = (".py", ".md", ".json", ".toml", ".sql", ".yml", ".html", ".txt", ".csv")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text(page), flags=re.S), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def settings_table(page: str) -> dict[str, str]:
    """`section.name` -> the default that a table of the page gives it."""
    rows = re.findall(r"^\| (`[a-z_]+\.[a-z_]+`(?:, `[a-z_]+`)*) \| ([^|]+) \|", page, re.M)
    table = {}
    for names, defaults in rows:
        section, *_ = names.strip("`").split(".")
        values = [value.strip(" `") for value in defaults.split(",")]
        for name, value in zip(re.findall(r"([a-z_]+)`", names), values, strict=True):
            table[f"{section}.{name}"] = value
    return table


def test_the_readme_has_at_most_200_lines() -> None:
    assert len(text(README).splitlines()) <= 200


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_every_page_begins_with_who_it_is_for(page: Path) -> None:
    title, who, *_ = text(page).strip().split("\n\n")
    assert title.startswith("# ")
    assert re.fullmatch(r"\*For .*\*", who, re.S)


def test_the_readme_leads_to_every_page() -> None:
    linked = set(re.findall(r"\]\(docs/([\w-]+)\.md\)", text(README)))
    assert linked == {page.stem for page in (ROOT / "docs").glob("*.md")} == {page.stem for page in DOCS}


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", text(page)):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", text(ROOT / "Makefile"), re.M))
    lines = [*shell_lines((page,)), *inline_code(page)]
    named = {target for line in lines for target in re.findall(r"^make ([a-z-]+)", line)}
    assert named <= targets
    if page == README:
        assert {"demo", "up", "down", "test", "check"} <= named


def test_every_command_that_is_named_in_passing_is_one() -> None:
    """Those in blocks are run; these are only read by the parser."""
    named = [code for page in PAGES for code in inline_code(page) if "python -m pipeline " in code]
    rows = [
        f"python -m pipeline {command}"
        for page in PAGES
        for command in re.findall(
            r"^\|(?: `[^`]+` \|)? `((?:load|rollback|release)\b[^(`]*)` \|", text(page), re.M
        )
    ]
    assert len(named) >= 3
    assert len(rows) >= 6
    for command in named + rows:
        words = shlex.split(command.partition("python -m pipeline ")[2])
        if words and words[0] not in ("...", "--help", "--version"):
            assert cli.parser().parse_args(words).command == words[0], command


def test_the_environment_that_is_set_is_read() -> None:
    read = {variable(name) for name in Environment.model_fields}
    named = {name for page in PAGES for name in re.findall(r"NIGHTSHELF_[A-Z_]+", text(page))}
    assert {"NIGHTSHELF_HOME", "NIGHTSHELF_SOURCE_URL", "NIGHTSHELF_SERVING_URL"} <= named
    assert named <= read


def test_the_readme_has_the_defaults_of_ten_settings() -> None:
    values = tomllib.loads(text(config.path()))
    rows = re.findall(r"^\| `[a-z_]+\.[a-z_]+`", text(README), re.M)
    assert len(rows) == 10
    for name, default in settings_table(text(README)).items():
        section, key = name.split(".")
        assert str(values[section][key]) == default, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_and_view_that_is_named_exists(page: Path) -> None:
    views = {f"serving.{name}" for name in re.findall(r"^\| `(\w+)", text(ROOT / "docs" / "apps.md"), re.M)}
    known = SETTINGS | views | {"serving.blocked_items"}
    for code in inline_code(page):
        if re.fullmatch(r"[a-z_]+\.[a-z_]+(?:\.[a-z_]+)?", code) and not code.endswith(ENDINGS):
            assert ".".join(code.split(".")[:2]) in known, code


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_name_of_several_words_stands_in_the_code(page: Path) -> None:
    for code in inline_code(page):
        if re.fullmatch(r"[a-z]{2,}(?:_[a-z0-9]+)+", code) and code not in NOT_YET:
            assert re.search(rf"\b{code}\b", source()), code


@cache
def source() -> str:
    """The text of all code, SQL and suites."""
    folders = ("pipeline", "dags", "sql", "expectations", "tests")
    files = (path for folder in folders for path in (ROOT / folder).rglob("*"))
    kinds = (".py", ".sql", ".json", ".toml")
    return "\n".join(
        text(path) for path in files if path.suffix in kinds and "docs" not in path.parts and path.is_file()
    )


def test_apps_md_has_every_reason_of_a_listed_item() -> None:
    [table] = re.findall(r"^\| `reason` \|.*?\n\n", text(ROOT / "docs" / "apps.md"), re.S | re.M)
    named = {
        name
        for row in table.strip().splitlines()[2:]
        for name in re.findall(r"`([a-z_]+)`", row.split("|")[1])
    }
    assert named == {
        value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)
    }


def test_the_numbers_of_models_md_are_those_of_the_code() -> None:
    page = " ".join(text(ROOT / "docs" / "models.md").split())
    lengths = Recommend()
    for words in (
        f"at most {candidates.FROM_ALS} items from ALS",
        f"first bought less than {cold.COLD_DAYS:.0f} days ago",
        f"(halved every {cold.HALF_LIFE_DAYS:.0f} days), {cold.LOOK_WEIGHT} of a purchase for each view",
        f"if the events reach back {cold.KNOWN_DAYS:.0f} days",
        f"It gives the {cold_ranking.MOST_RANKED:,} most asked for a list of similar items",
        f"`recommend.new_items_slots` ({lengths.new_items_slots}) from rank"
        f" `new_items_from_rank` ({lengths.new_items_from_rank}) on",
        f"in the last `new_items_days` ({lengths.new_items_days:.0f})",
        f"{candidates.FROM_EASE} from EASE, {candidates.FROM_NEIGHBOURS} neighbours of what the user bought",
        f"inverse(X' X + {ease.PENALTY:g} I)",
        f"the {ease.MOST_ITEMS:,} items with the most buyers take part",
        f"of more than {ease.MOST_USERS:,} users",
        f"fades to a {('fourth', 'fifth')[round(1 / ease.FADED) - 4]}",
        f"with a half-life of {ease.HALF_LIFE_DAYS:g} days",
        f"{candidates.FROM_SEEN} the user looked at",
        f"{candidates.FROM_POPULAR} best sellers of the shop",
        f"{candidates.FROM_CATEGORY} of each of the user's {('five', 'six')[candidates.CATEGORIES - 5]}",
        f"{candidates.FROM_OWN} of the user's own purchases",
        f"every bought candidate and {DRAWN} drawn from all of them",
        f"{trees.ROUNDS} small trees",
        f"fewer than {trees.ENOUGH_BOUGHT:,} candidates were bought",
        f"logistic regression on {('eight', 'nine')[len(blend.SIGNALS) - 8]} signals",
        f"from {GRID[0]:g} to {GRID[-1]:g} days",
        f"the shortest of 1 to {MOST_DAYS} days whose cuts together measure {ENOUGH:,} buyers",
        f"the fewest cuts that do, and at most {MOST_CUTS}",
        f"at least {LEAST_VALIDATION_CUTS} and at most {MOST_CUTS}, the fewest that measure",
        f"that measure {ENOUGH_TO_CHOOSE:,}. The cuts of the test",
        f"of late, {candidates.FROM_OTHER_SPANS} of these days and {candidates.FROM_OTHER_SPANS} of all time",
        f"the {folds.LABEL_DAYS.days} days after",
    ):
        assert words in page


def test_the_settings_that_models_md_gives_a_number_have_it() -> None:
    settings = Settings()
    page = " ".join(text(ROOT / "docs" / "models.md").split())
    assert f"(`ranking.windows`, {settings.ranking.windows})" in page


def test_every_stage_is_there_in_order() -> None:
    names = re.findall(r"^\| `(\w+)` \| (?!`)", text(README), re.M)
    assert [name for name in names if name in {stage.name for stage in STAGES}] == [s.name for s in STAGES]


def test_every_rule_is_described() -> None:
    named = re.findall(r"^\| `(\w+)` \| (?![\d`])", text(ROOT / "docs" / "models.md"), re.M)
    assert [name for name in named if name in rules()] == list(rules())


def test_the_figures_of_the_backtest_are_those_of_the_benchmark() -> None:
    """Of the models that the benchmark's own table has."""
    rows = re.findall(r"^\| `(\w+)`.*? \| ([\d.]+) \| ([\d.]+) \|$", text(ROOT / "docs" / "models.md"), re.M)
    figures = {name: (new, repeats) for name, new, repeats in rows}
    measured = text(ROOT / "benchmarks" / "README.md")
    new, repeats = figures["published"]
    assert f"| `published`, Precision@3 | {new} (" in measured
    assert f"| {repeats} (" in measured
    best = (figures["item_neighbours"][0], figures["own_most_bought"][1])
    assert f"| best rule | `item_neighbours` {best[0]} | `own_most_bought` {best[1]} |" in measured
    assert "| `recently_popular` | {} | {} |".format(*figures["recently_popular"]) in measured


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_exists(page: Path) -> None:
    left_by_a_run = (
        ".nightshelf/",
        "best_params.json",
        "validation",
        "decision.json",
        "report.html",
        ".venv",
    )
    example = ("config.books.toml", "sql/books")
    for code in inline_code(page):
        is_path = re.fullmatch(r"[\w./*-]+(?:\.(?:py|sql|toml|json|md|html)|/)", code)
        if is_path and code not in SETTINGS and not code.startswith((*left_by_a_run, *example)):
            places = (ROOT, ROOT / "sql" / "source", page.parent)
            assert any(list(place.glob(code)) for place in places), code
