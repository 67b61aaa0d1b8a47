"""Read expectation suites (`expectations/*.json`) and refuse any that would not check what it says.

Great Expectations (GX) logs an unknown expectation and drops it, and it passes both an empty suite and most
expectations on an empty table. A suite that would run into any of that is refused; the message names the
entry.

An entry has four keys: `type` and `kwargs` as in GX, `severity` (critical or warning), and `description`,
the expectation in plain words. `{"$PARAMETER": "as_of"}` stands for a value that is given at run time.
"""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.config import ROOT
from pipeline.contract.datasets import DATASETS
from pipeline.errors import SettingsError

SOURCE_SUITES = ("events", "items", "users", "item_embeddings")
"""Datasets of the shop that have a suite; a shop need have no more than events."""

QUERY = "unexpected_rows_expectation"
"""GX's expectation of a query that must find no rows. The rows it finds need not be rows of the dataset."""

ENTRY = {"type", "kwargs", "severity", "description"}
SEVERITIES = ("critical", "warning")
FIRST = "expect_table_row_count_to_be_between"
PARAMETER = "$PARAMETER"
COLUMN_KWARGS = ("column", "column_A", "column_B", "column_list", "column_set")
CONDITION = '{"type": "comparison", "column": {"name": "..."}, "operator": "==", "parameter": "..."}'
NOT_KWARGS = {
    "condition_parser",
    *("id", "meta", "notes", "result_format", "description", "catch_exceptions"),
    *("rendered_content", "severity", "windows", "batch_id", "expectation_context"),
}
"""Fields of GX's classes that an entry must not set through `kwargs`."""


@dataclass(frozen=True)
class Expectation:
    """One entry of a suite: GX's type and arguments, how bad a failure is, and what is expected, in words."""

    type: str
    kwargs: Mapping[str, Any]
    severity: str
    description: str


@dataclass(frozen=True)
class Suite:
    """The expectations of one dataset. `parameters`: the names of the values it needs at run time."""

    name: str
    path: Path
    expectations: tuple[Expectation, ...]

    @property
    def parameters(self) -> frozenset[str]:
        return frozenset(
            name for expectation in self.expectations for name in _parameters(expectation.kwargs)
        )


def project_suite(dataset: str) -> Suite:
    """The suite of a dataset in this project's folder `expectations`; raises as `load_suite` does."""
    return load_suite(ROOT / "expectations" / f"{dataset}.json")


def load_suite(path: Path) -> Suite:
    """Read and check one suite. It has the name of its file, which is that of a dataset of the contract.

    Raises SettingsError, which names the file and the entry, for an unknown expectation, key, argument or
    column, a missing severity or description, a suite without entries, or a first entry that does not count
    the rows.
    """
    content = _json(path)
    name = path.stem
    if not isinstance(content, dict) or set(content) != {"name", "expectations"} or content["name"] != name:
        raise _refusal(path, "is no suite", f'{{"name": "{name}", "expectations": [...]}} and nothing else')
    if name not in DATASETS:
        raise _refusal(path, f"names no dataset `{name}`", ", ".join(DATASETS))
    entries = content["expectations"]
    if not isinstance(entries, list) or not entries:
        raise _refusal(path, "holds no expectations", "at least the row count; an empty suite always passes")
    suite = Suite(name, path, tuple(_entry(path, i, entry) for i, entry in enumerate(entries, start=1)))
    first = suite.expectations[0]
    if first.type != FIRST or not first.kwargs.get("min_value") or first.severity != "critical":
        raise _refusal(
            path,
            "does not begin with the row count",
            f"entry 1 is {FIRST}, critical, with min_value 1 or more: an empty table passes most others",
        )
    return suite


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_no_doubles)
    except FileNotFoundError as error:
        raise SettingsError(f"no suite {path.name} in {path.parent}", then=f"restore {path}") from error
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{path} cannot be read as JSON", found=str(error), then=f"mend {path}"
        ) from error


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ValueError(f"{', '.join(doubled)} given twice in one object")
    return dict(pairs)


def _entry(path: Path, number: int, entry: Any) -> Expectation:
    where = f"entry {number}"
    if not isinstance(entry, dict):
        raise _refusal(path, f"{where} is no object", ", ".join(sorted(ENTRY)))
    where += f" ({entry.get('type', 'no type')})"
    if unknown := sorted(set(entry) - ENTRY):
        raise _refusal(path, f"{where} has unknown key {', '.join(unknown)}", ", ".join(sorted(ENTRY)))
    if missing := sorted(ENTRY - set(entry)):
        raise _refusal(path, f"{where} has no {', '.join(missing)}", ", ".join(sorted(ENTRY)))
    if entry["severity"] not in SEVERITIES:
        raise _refusal(path, f"{where} has severity {entry['severity']!r}", " or ".join(SEVERITIES))
    if not isinstance(entry["description"], str) or not entry["description"].strip():
        raise _refusal(path, f"{where} has no description", "the expectation in plain words")
    if not isinstance(entry["kwargs"], dict):
        raise _refusal(path, f"{where} has kwargs that are no object", '{"column": ..., ...}')
    expectation = Expectation(entry["type"], entry["kwargs"], entry["severity"], entry["description"])
    _check_columns(path, where, expectation)
    _check_parameters(path, where, expectation)
    build(path, where, expectation)
    return expectation


@cache
def quiet_import(name: str) -> Any:
    """Import a module of Great Expectations, once, and keep its messages below warnings out of the log."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        module = importlib.import_module(name)
    finally:
        logging.disable(before)
    for logger in list(logging.root.manager.loggerDict):
        if logger.split(".")[0] == "great_expectations":
            logging.getLogger(logger).setLevel(logging.WARNING)
    return module


def build(path: Path, where: str, expectation: Expectation) -> Any:
    """The GX object of an entry. Raises SettingsError where GX has no such type or refuses the arguments."""
    registry = quiet_import("great_expectations.expectations.registry")
    if expectation.type not in registry.list_registered_expectation_implementations():
        raise _refusal(path, f"{where} is of an unknown type", "a type that Great Expectations has")
    kind = registry.get_expectation_impl(expectation.type)
    allowed = sorted(set(kind.__fields__) - NOT_KWARGS)
    if unknown := sorted(set(expectation.kwargs) - set(allowed)):
        raise _refusal(path, f"{where} has unknown argument {', '.join(unknown)}", ", ".join(allowed))
    try:
        return kind(**expectation.kwargs, severity=expectation.severity, description=expectation.description)
    except (ValueError, TypeError) as error:
        raise _refusal(
            path,
            f"{where} has arguments that cannot be",
            ", ".join(allowed),
            found=" ".join(str(error).split()),
        ) from error


def _check_columns(path: Path, where: str, expectation: Expectation) -> None:
    columns = set(DATASETS[path.stem].columns)
    named: set[str] = set()
    for argument in COLUMN_KWARGS:
        value = expectation.kwargs.get(argument, [])
        named |= {str(v) for v in (value if isinstance(value, list) else [value])}
    condition = expectation.kwargs.get("row_condition")
    if condition is not None:
        conditioned = set(_condition_columns(condition))
        if not conditioned:
            raise _refusal(path, f"{where} has a row_condition that would not be read", CONDITION)
        named |= conditioned
    if unknown := sorted(named - columns):
        raise _refusal(path, f"{where} names no column {', '.join(unknown)}", ", ".join(sorted(columns)))


def _condition_columns(condition: Any) -> Iterator[str]:
    """The columns of a row_condition, which may be nested (and, or). One written as text yields none."""
    if isinstance(condition, Mapping):
        column = condition.get("column")
        if isinstance(column, Mapping):
            yield str(column.get("name"))
        for part in condition.get("conditions", ()):
            yield from _condition_columns(part)


def _check_parameters(path: Path, where: str, expectation: Expectation) -> None:
    for name in _parameters(expectation.kwargs):
        if not isinstance(name, str) or not name.isidentifier():
            raise _refusal(path, f"{where} has parameter {name!r}", f'{{"{PARAMETER}": "a_name"}}')


def _parameters(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        if PARAMETER in value:
            yield value[PARAMETER]
            return
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _parameters(part)


def _refusal(path: Path, what: str, promised: str, found: str = "") -> SettingsError:
    return SettingsError(
        f"{path.parent.name}/{path.name}: {what}", found=found, promised=promised, then=f"edit {path}"
    )
