"""Each file of `sql/transform/` has a test, is run by the pipeline, and has a head that is true."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pipeline.config import ROOT

STATEMENTS = {path.stem: path for path in sorted((ROOT / "sql" / "transform").glob("*.sql"))}


def named_by_tests() -> Iterator[str]:
    """The first argument of every `rows_out("<statement>", ...)` inside a test of this folder."""
    for path in Path(__file__).parent.glob("test_*.py"):
        for test in ast.parse(path.read_text(encoding="utf-8")).body:
            if not (isinstance(test, ast.FunctionDef) and test.name.startswith("test_")):
                continue
            for call in ast.walk(test):
                if (
                    isinstance(call, ast.Call)
                    and isinstance(call.func, ast.Name)
                    and call.func.id == "rows_out"
                    and isinstance(call.args[0], ast.Constant)
                ):
                    yield str(call.args[0].value)


def run_by_the_pipeline() -> Iterator[str]:
    """Every text in a module that imports what runs statements: `engine`, tables or a `History`."""
    for path in (ROOT / "pipeline").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        imported = {
            (node.module, name.name)
            for node in nodes
            if isinstance(node, ast.ImportFrom)
            for name in node.names
        }
        runs = {"engine", "tables", "Tables", "LOCAL", "History"}
        if runs & {name for _, name in imported}:
            yield from (
                node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)
            )


TESTED = set(named_by_tests())
RUN = set(run_by_the_pipeline())


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_test_names_it(name: str) -> None:
    assert name in TESTED


@pytest.mark.parametrize("name", STATEMENTS)
def test_the_pipeline_runs_it(name: str) -> None:
    assert name in RUN


@pytest.mark.parametrize("name", STATEMENTS)
def test_its_head_says_what_it_reads_and_binds(name: str) -> None:
    head, body = split_at_head(STATEMENTS[name].read_text(encoding="utf-8"))
    reads = re.search(r"Reads: (.*?)\.(?: Binds: (.*)\.)?$", head)
    assert reads, "the head ends in `Reads: <tables>.`, then `Binds: $<values>.` where it binds any"
    tables = re.sub(r" \(.*?\)", "", reads[1]).split(", ")
    values = reads[2].split(", ") if reads[2] else []
    with duckdb.connect() as db:
        assert sorted(tables) == sorted(db.get_table_names(re.sub(r"\$\w+", "NULL", body)))
    assert sorted(values) == sorted(set(re.findall(r"\$\w+", body)))


def split_at_head(text: str) -> tuple[str, str]:
    """The comment a statement begins with, as one line, and what follows it."""
    lines = text.splitlines()
    n = next(n for n, line in enumerate(lines) if not line.startswith("--"))
    return " ".join(line.removeprefix("-- ") for line in lines[:n]), "\n".join(lines[n:])
