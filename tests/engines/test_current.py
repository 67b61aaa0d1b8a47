"""Which engine a stage works with, and that the stages do not know it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.config import ROOT, Run
from pipeline.engines.current import begun, current, tables, used
from pipeline.engines.local import LOCAL, Local
from pipeline.settings import Engine

ABOVE = [
    path
    for folder in ("stages", "splits", "models", "ranking", "evaluation", "tuning", "lists", "segments")
    for path in sorted((ROOT / "pipeline" / folder).glob("*.py"))
]


ALWAYS_HERE = {"first_look": ["pipeline.engines.local"], "extract": ["pipeline.engine"]}
"""What is no set work of a night, or not yet on a cluster."""


class Other(Local):
    """Another engine."""


def test_this_machine_works_where_nothing_else_is_said(tmp_path: Path) -> None:
    with begun(Engine(), "a night", print) as engine:
        assert engine is LOCAL
    assert current() is LOCAL
    with tables(Run(), tmp_path) as db:
        assert db.query("SELECT 1 AS one").to_pylist() == [{"one": 1}]


def test_an_engine_is_used_while_the_block_runs() -> None:
    other = Other()
    with used(other):
        assert current() is other
    assert current() is LOCAL


@pytest.mark.parametrize("path", ABOVE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_stage_and_nothing_it_calls_asks_which_engine_it_is(path: Path) -> None:
    """Neither imports of one engine, nor its settings: there is one night, with two engines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    engines = ("pipeline.spark", "pyspark", "pipeline.engine", "duckdb")
    may = {"pipeline.engines.current", "pipeline.engines.tables", *ALWAYS_HERE.get(path.stem, ())}
    assert not [name for name in imported if name.startswith(engines) and name not in may]
    settings = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    assert not [text for text in settings if text.endswith((".engine.kind", "engine.master"))]


def test_a_night_on_this_machine_loads_nothing_of_spark() -> None:
    """Nor does anything that the command line loads before it."""
    code = (
        "import sys, pipeline.__main__, pipeline.runs.run_stage;"
        "from importlib import import_module as load; from pipeline.contract.stages import STAGES;"
        "[load('pipeline.stages.' + stage.name) for stage in STAGES];"
        "print([name for name in sys.modules if name.split('.')[0] in ('pyspark', 'py4j', 'sqlglot')"
        " or name.startswith('pipeline.spark')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
