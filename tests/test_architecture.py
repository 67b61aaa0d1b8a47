"""What holds the parts apart: imports, the environment, one module a stage, settings, pins."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest

from pipeline import config
from pipeline.config import ROOT
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


PACKAGES: dict[str, set[str]] = {
    "errors": set(),
    "settings": set(),
    "environment": {"errors"},
    "config": {"environment", "errors", "settings"},
    "disk": {"errors"},
    "parallel": set(),
    "progress": set(),
    "locks": {"disk"},
    "home": {"disk", "environment"},
    "version": {"config", "environment"},
    "contract": {"config"},
    "advice": {"config", "contract", "errors"},
    "times": {"contract"},
    "shops": {"config", "errors"},
    "alerts": {"contract", "errors"},
    "reading": {"config", "errors"},
    "service": {"config", "environment", "errors", "reading"},
    "handler": {"config", "environment", "errors", "reading"},
    "help": set(),
    "cli": {"config", "contract", "errors", "help", "service", "version"},
    "engine": {"config", "disk", "errors", "progress", "times"},
    "user_ranges": {"engine", "progress"},
    "engines": {"config", "engine", "settings", "user_ranges"},
    "databases": {"config", "disk", "environment", "errors", "home", "locks"},
    "source": {"config", "contract", "databases", "errors", "parallel", "times"},
    "loading": {"config", "contract", "databases", "engine", "errors", "home", "times"},
    "fetching": {"config", "databases", "errors"},
    "runs": {
        "advice", "config", "contract", "disk", "engine", "engines", "errors", "locks", "parallel",
        "progress", "times",
    },
    "validation": {
        "config", "contract", "disk", "engine", "errors", "progress", "runs", "times", "user_ranges",
    },
    "splits": {"advice", "config", "engines", "errors", "runs", "times"},
    "models": {"config", "errors", "progress", "runs", "splits"},
    "cold": {"contract", "models", "splits"},
    "variety": {"cold", "models"},
    "ranking": {
        "cold", "config", "contract", "errors", "models", "parallel", "progress", "runs", "splits",
        "variety",
    },
    "users": {"contract", "engine"},
    "lists": {
        "cold", "config", "contract", "engines", "models", "parallel", "progress", "ranking", "runs",
        "settings", "splits", "times",
    },
    "evaluation": {
        "cold", "config", "contract", "lists", "models", "parallel", "progress", "ranking", "runs",
        "splits",
    },
    "tuning": {"config", "evaluation", "models", "progress", "ranking", "runs", "splits", "variety"},
    "gate": {"cold", "contract", "engine", "evaluation", "lists", "models", "runs", "times", "validation"},
    "segments": {"evaluation", "models", "ranking", "runs", "splits", "users"},
    "report": {"config", "contract", "engine", "models", "runs", "times", "validation"},
    "serving": {
        "config", "contract", "databases", "engine", "errors", "progress", "runs", "times",
        "validation",
    },
    "export": {"config", "errors", "reading", "serving"},
    "rollback_form": {"config", "errors", "runs", "serving"},
    "retention": {
        "config", "contract", "engine", "errors", "export", "models", "runs", "serving", "source",
        "validation",
    },
    "stages": {
        "cold", "contract", "disk", "engine", "engines", "errors", "evaluation", "gate", "lists",
        "models", "progress", "ranking", "report", "rollback_form", "runs", "segments", "serving",
        "source", "splits", "times", "tuning", "users", "validation",
    },
    "spark": {"config", "engine", "engines", "environment", "errors", "settings"},
    "jobs": {"config", "contract", "errors", "home", "models", "report", "runs", "times"},
    "backtest": {
        "config", "contract", "disk", "engine", "errors", "home", "jobs", "loading", "report", "runs",
        "source", "splits", "times", "users",
    },
    "local": {
        "config", "contract", "databases", "disk", "environment", "errors", "home", "loading", "locks",
        "report", "runs", "serving", "spark",
    },
    "serving_commands": {
        "config", "databases", "environment", "errors", "export", "retention", "rollback_form", "service",
        "serving",
    },
    "__main__": {
        "advice", "backtest", "cli", "config", "contract", "databases", "disk", "errors", "home",
        "jobs", "loading", "local", "progress", "report", "retention", "runs", "serving_commands",
        "source", "splits",
    },
}  # fmt: skip
"""Which package, or module beside them, imports which. Each stands below all that it imports."""


def dotted(path: Path) -> str:
    """`pipeline.runs.folder`; a package's own module is the package."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def imported(path: Path) -> frozenset[str]:
    """Every module of `pipeline` that `path` imports, at its top or later."""
    modules = {dotted(module) for module in MODULES}
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "pipeline":
            members = {f"{node.module}.{name.name}" for name in node.names}
            names |= {member if member in modules else node.module for member in members}
    return frozenset(names)


def package(module: str) -> str:
    """`runs` of `pipeline.runs.folder`."""
    return module.split(".")[1] if "." in module else module


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_imports_what_the_table_says(name: str) -> None:
    """A new import that is meant is written into the table; one that would run back up cannot be."""
    targets = {
        package(target)
        for path in MODULES
        if package(dotted(path)) == name
        for target in imported(path)
        if package(target) != name
    }
    assert targets == PACKAGES[name]


def test_the_table_has_every_package_and_no_import_runs_back_up() -> None:
    assert {package(dotted(path)) for path in MODULES} - {"pipeline"} == set(PACKAGES)
    above: set[str] = set()
    for name, targets in PACKAGES.items():
        assert targets <= above, f"{name} imports what stands below it in the table"
        above.add(name)


def test_the_map_of_the_code_has_every_package() -> None:
    text = (ROOT / "pipeline" / "__init__.py").read_text(encoding="utf-8")
    assert set(PACKAGES) <= set(re.findall(r"[a-z_]+", text))


def test_no_module_is_in_a_circle_of_imports() -> None:
    graph = {dotted(path): imported(path) - {dotted(path)} for path in MODULES}
    while leaves := {name for name, targets in graph.items() if not targets & graph.keys()}:
        graph = {name: targets for name, targets in graph.items() if name not in leaves}
    assert not graph, f"these import each other: {sorted(graph)}"


@pytest.mark.parametrize("name", ["contract", "runs"])
def test_the_dag_parser_can_import_names_without_what_makes_them(name: str) -> None:
    """Airflow parses the DAG files every half minute: `contract.stages` and `runs.pages` stay light."""
    assert not list(imports(ROOT / "pipeline" / name / "__init__.py"))


def test_only_run_stage_loads_a_stage() -> None:
    """Domain logic lies outside the stages, so nobody has a reason to import one."""
    importers = {dotted(path) for path in MODULES if any(package(m) == "stages" for m in imported(path))}
    assert importers <= {"pipeline.stages"}


def test_every_module_is_reached_by_the_tests_of_its_package() -> None:
    """By a test of its name, or through the imports of one in the folder of its package."""
    modules = {dotted(path): path for path in MODULES}
    untested = set()
    for name, path in modules.items():
        if path.stem in ("__init__", "__main__"):
            continue
        folder = ROOT / "tests" / path.relative_to(ROOT / "pipeline").parent
        tests = {test.stem: imported(test) for test in folder.glob("test_*.py")}
        reached = set[str]().union(*tests.values())
        while (
            more := {
                target
                for module in reached & modules.keys()
                for target in imported(modules[module])
                if package(target) == package(name)
            }
            - reached
        ):
            reached |= more
        if f"test_{path.stem}" not in tests and name not in reached:
            untested.add(name)
    assert not untested


def test_only_one_module_reads_the_environment() -> None:
    readers = {
        path.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv")
    }
    assert readers == {"environment.py"}


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


@pytest.mark.parametrize("name", [path.name for path in sorted(ROOT.glob("requirements*.txt"))])
def test_requirements_pin_every_version_and_name_no_index(name: str) -> None:
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        assert PINNED.match(line), line


ALONE = "requirements-aws.txt"
"""Never in one environment with the others: boto3 and Airflow want different versions of python-dateutil."""


def test_requirements_agree_where_they_overlap() -> None:
    pins: dict[str, set[str]] = {}
    for path in ROOT.glob("requirements*.txt"):
        if path.name == ALONE:
            continue
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
