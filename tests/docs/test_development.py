"""docs/development.md against the code: the picture, the recipes, every test, path and name that it tells."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from pipeline.config import ROOT
from pipeline.contract.stages import STAGES
from tests.docs.pages import blocks, inline_code, shell_lines, text
from tests.test_architecture import PACKAGES

PAGE = ROOT / "docs" / "development.md"
CONTRIBUTING = ROOT / ".github" / "CONTRIBUTING.md"
RECIPES = ("model", "stage", "list", "feature", "setting", "loader", "source")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def recipe(name: str) -> str:
    """The part of the page under the recipe's heading."""
    [part] = re.findall(rf"^### Add a {name}\n(.*?)(?=^##|\Z)", text(PAGE), re.S | re.M)
    return str(part)


@cache
def defined_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def targets() -> set[str]:
    """What follows `TESTS=` in the commands of both pages."""
    named = [re.findall(r'TESTS="?([^"]+)', line) for line in shell_lines((PAGE, CONTRIBUTING))]
    return {path for [paths] in filter(None, named) for path in paths.split()}


def test_every_test_that_is_named_exists() -> None:
    named = TEST.findall(text(PAGE))
    assert len(named) > 30
    for file, name in named:
        assert name in defined_in(ROOT / file), f"{file}::{name}"


def test_every_corner_that_is_run_exists() -> None:
    assert len(targets()) > 8
    for path in targets():
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_has_numbered_steps_tests_that_fail_until_then_and_the_command(name: str) -> None:
    steps = re.findall(r"^(\d+)\. ", recipe(name), re.M)
    assert steps == [str(number) for number in range(1, len(steps) + 1)]
    assert len(steps) >= 4
    named = {file for file, _ in TEST.findall(recipe(name))}
    assert named
    commands = " ".join(re.findall(r'TESTS="(.*)"', recipe(name))).split()
    for file in named:
        assert file.startswith(tuple(commands)) or file == "tests/source/test_mariadb.py", file


def test_the_recipes_are_these_seven() -> None:
    assert tuple(re.findall(r"^### Add a (\w+)$", text(PAGE), re.M)) == RECIPES


def test_the_picture_has_every_package_and_every_stage_in_order() -> None:
    [picture] = blocks("text", (PAGE,))
    assert set(PACKAGES) <= set(re.findall(r"[a-z_]+", picture))
    stages = re.findall(r"^ {19}(\w+)", picture, re.M)
    assert stages == [stage.name for stage in STAGES]


def test_every_name_in_capitals_stands_in_a_file_that_its_step_names() -> None:
    """Such as `MODELS` in `pipeline/models/catalog.py`: `NAME` in, of or ... `path`."""
    pairs = re.findall(r"`([A-Z_]{3,})` (?:in|of)\s+`([\w/]+\.py)`", text(PAGE))
    assert len(pairs) >= 8
    for name, path in pairs:
        assert re.search(rf"^ *(?:from .*)?\b{name}\b", text(ROOT / path), re.M), f"{name} in {path}"


def test_every_path_in_a_command_or_sentence_exists() -> None:
    """tests/docs/test_words.py holds plain paths; these are folders without a slash at the end."""
    for code in [*inline_code(PAGE), *inline_code(CONTRIBUTING)]:
        if re.fullmatch(r"(?:pipeline|tests|dags|docs|sql|expectations|benchmarks|\.ci)/[\w./-]+", code):
            assert (ROOT / code).exists(), code


def test_contributing_is_one_screen_and_leads_on() -> None:
    """tests/docs/test_words.py follows its links, and holds the targets of docs/development.md."""
    assert len(text(CONTRIBUTING).splitlines()) <= 40
    assert {"../docs/development.md", "../docs/development.md#what-comes-next"} <= set(
        re.findall(r"\]\(([^)]+)\)", text(CONTRIBUTING))
    )
    named = re.findall(
        r"\bmake ([a-z-]+)", "\n".join([*shell_lines((CONTRIBUTING,)), *inline_code(CONTRIBUTING)])
    )
    assert (
        {"dev", "check", "test"}
        <= set(named)
        <= set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.M))
    )


def test_what_comes_next_is_a_row_for_each_project() -> None:
    part = text(PAGE).partition("## What comes next")[2]
    rows = re.findall(r"^\| (?!project|---)(.+) \| (.+) \| (.+) \|$", part, re.M)
    assert len(rows) >= 5
    assert all(len(cell) > 5 for row in rows for cell in row)
