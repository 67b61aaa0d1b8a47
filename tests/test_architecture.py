"""What holds the parts apart: imports, the environment, one module a stage, settings, pins."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest

from pipeline import config
from pipeline.config import ROOT, Settings
from pipeline.contract.stages import STAGES

MODULES = sorted((ROOT / "pipeline").rglob("*.py"))
PINNED = re.compile(r"^[A-Za-z0-9._-]+(\[[a-z,]+\])?==[^ ]+( ; .+)?$")


def imports(path: Path) -> Iterator[str]:
    """Every module that `path` imports, at its top or later."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pipeline_never_imports_airflow(path: Path) -> None:
    assert not [name for name in imports(path) if name.split(".")[0] == "airflow"]


def test_only_config_reads_the_environment() -> None:
    readers = {
        path.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv")
    }
    assert readers == {"config.py"}


def test_only_the_command_line_prints() -> None:
    printers = {
        path.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert printers == {"__main__.py"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_can_be_held_in_the_head(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 350


@pytest.mark.parametrize("name", [stage.name for stage in STAGES])
def test_each_stage_is_the_module_of_its_name_with_run(name: str) -> None:
    stage = import_module(f"pipeline.stages.{name}")
    assert list(signature(stage.run).parameters) == ["job"]
    assert stage.__doc__


def test_no_other_module_stands_among_the_stages() -> None:
    assert {p.stem for p in (ROOT / "pipeline" / "stages").glob("*.py")} - {"__init__"} == {
        stage.name for stage in STAGES
    }


def test_config_toml_says_every_default() -> None:
    told = tomllib.loads((ROOT / "config.toml").read_text(encoding="utf-8"))
    assert told == Settings().model_dump(mode="json", by_alias=True)


def test_every_setting_has_a_comment_or_shares_its_neighbours() -> None:
    """A line without a comment stands below one that has it, in the same section."""
    section_has_comment = False
    for line in (ROOT / "config.toml").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section_has_comment = "#" in line
        elif "=" in line and not line.startswith("#"):
            section_has_comment = section_has_comment or "#" in line
            assert section_has_comment, line


def test_every_setting_is_explained_in_the_schema() -> None:
    for name, section in Settings.model_fields.items():
        for key, field in section.annotation.model_fields.items():  # type: ignore[union-attr]
            assert field.description, f"{name}.{key}"


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-demo.txt", "requirements-dev.txt"])
def test_requirements_pin_every_version_and_name_no_index(name: str) -> None:
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        assert PINNED.match(line), line


def test_requirements_agree_where_they_overlap() -> None:
    pins: dict[str, set[str]] = {}
    for path in ROOT.glob("requirements*.txt"):
        for line in path.read_text(encoding="utf-8").splitlines():
            package, _, rest = line.partition("==")
            pins.setdefault(f"{package} {rest.partition(' ; ')[2]}", set()).add(rest)
    assert not {package: found for package, found in pins.items() if len(found) > 1}


def test_form_fields_are_settings() -> None:
    for field in config.FORM:
        assert {"type", "title", "description"} <= set(config.form_schema(field)), field


def test_make_help_lists_every_target() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    [phony] = re.findall(r"^\.PHONY: (.*)$", text, flags=re.MULTILINE)
    told = re.findall(r"^([a-z-]+):.*## .+$", text, flags=re.MULTILINE)
    assert sorted(told) == sorted(phony.split())
