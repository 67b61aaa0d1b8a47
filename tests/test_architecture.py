"""What holds the parts apart: imports, the environment, one module a stage, settings, pins, compose."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import cli, config
from pipeline.config import ROOT, Settings
from pipeline.stages import STAGES

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


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8")))


def test_compose_runs_every_part_of_airflow(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {"postgres", "init", "api-server", "scheduler", "dag-processor", "triggerer"} == set(services)
    for name in ("api-server", "scheduler", "dag-processor", "triggerer"):
        assert services[name]["command"] == [name]
        assert services[name]["depends_on"]["init"]["condition"] == "service_completed_successfully"
        assert services[name]["healthcheck"]["test"]


def test_compose_pins_its_images_to_the_airflow_of_the_requirements(compose: dict[str, Any]) -> None:
    [airflow] = [
        line.partition("==")[2]
        for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
        if line.startswith("apache-airflow==")
    ]
    base = (ROOT / "Dockerfile").read_text(encoding="utf-8").split("FROM ")[1].split()[0]
    assert base.startswith(f"apache/airflow:{airflow}")
    assert compose["services"]["postgres"]["image"] == "postgres:18"


def test_compose_has_no_default_secret_and_env_example_names_every_variable() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    asked = dict(re.findall(r"(?<!\$)\$\{([A-Z_]+)(:[?-])", text))
    assert {name for name, kind in asked.items() if kind == ":-"} == {"UI_PORT"}
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = dict(re.findall(r"^([A-Z_]+)=(.*)$", example, flags=re.MULTILINE))
    assert set(named) == set(asked) - {"UI_PORT"}
    assert not any(named.values())


def test_env_example_says_how_to_make_the_secrets_that_become_part_of_a_url() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    in_urls = set(re.findall(r"://\w+:\$\{([A-Z_]+)", text))
    assert in_urls == {"POSTGRES_PASSWORD"}
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    [comment] = re.findall(r"((?:^# .*\n)+)POSTGRES_PASSWORD=", example, flags=re.MULTILINE)
    assert "part of a URL" in comment
    [command] = re.findall(r'python -c "(.+?)"', comment)
    made = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"[0-9a-f]{64}", made.strip())


def test_every_path_and_command_of_compose_and_dockerfile_exists(compose: dict[str, Any]) -> None:
    mounted = [
        volume.split(":")[0]
        for service in compose["services"].values()
        for volume in service["volumes"]
        if volume.startswith(".")
    ]
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = re.findall(r"^COPY --chown=\S+ (\S+) ", dockerfile, flags=re.MULTILINE)
    assert copied
    for path in (*mounted, *copied):
        assert (ROOT / path).exists(), path
    [script] = compose["services"]["init"]["command"]
    [ours] = [line for line in script.splitlines() if line.startswith("python -m pipeline")]
    assert cli.parser().parse_args(shlex.split(ours)[3:]).command == "migrate"


def test_make_help_lists_every_target() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    [phony] = re.findall(r"^\.PHONY: (.*)$", text, flags=re.MULTILINE)
    told = re.findall(r"^([a-z-]+):.*## .+$", text, flags=re.MULTILINE)
    assert sorted(told) == sorted(phony.split())
