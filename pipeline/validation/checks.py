"""Check a dataset's Parquet file against its suite: which expectations fail, on how many and which rows.

Great Expectations runs on DuckDB, which reads the file in place, in bounded memory and about ten times as
fast as GX's pandas engine. Importing it takes seconds, so that happens inside `check` (see `gx`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline import disk
from pipeline.contract.datasets import DATASETS
from pipeline.errors import DiskFull, SettingsError
from pipeline.times import utc
from pipeline.validation import gx
from pipeline.validation.suites import QUERY, Expectation, Suite, load_suite

__all__ = ["Failure", "Result", "Suite", "check", "document", "load_suite", "table"]

UNIQUE = {
    "expect_column_values_to_be_unique": "column",
    "expect_compound_columns_to_be_unique": "column_list",
}


@dataclass(frozen=True)
class Failure:
    """One failed expectation.

    n_rows:   rows that break it; for a query (`QUERY`), the rows that it finds; None where the expectation
              is about the table as a whole
    observed: what the table has instead, where the expectation is about the table as a whole
    examples: at most three rows, column -> value as text, always the same ones for the same file; a column
              that a shop need not give is left out where it is null
    """

    type: str
    kwargs: Mapping[str, Any]
    severity: str
    description: str
    n_rows: int | None
    observed: str
    examples: tuple[Mapping[str, str], ...]

    def __str__(self) -> str:
        """One line: what is expected, how many rows break it, the first of them."""
        first = f" (for instance {_row(self.examples[0])})" if self.examples else ""
        return f"{self.description}: {_amount(self)}{first}"


@dataclass(frozen=True)
class Result:
    """Which expectations of a suite hold for a dataset. The same file and parameters give the same result."""

    suite: str
    n_rows: int
    held: tuple[Expectation, ...]
    failed: tuple[Failure, ...]

    @property
    def n_expectations(self) -> int:
        return len(self.held) + len(self.failed)

    @property
    def is_success(self) -> bool:
        """Whether no critical expectation failed; warnings do not count."""
        return not self.critical

    @property
    def critical(self) -> tuple[Failure, ...]:
        return tuple(failure for failure in self.failed if failure.severity == "critical")

    def to_json(self) -> dict[str, Any]:
        """The entry of `validation.json` and `decision.json`."""
        return {
            "suite": self.suite,
            "success": self.is_success,
            "n_rows": self.n_rows,
            "n_expectations": self.n_expectations,
            "failed": [
                {
                    "expectation": failure.description,
                    "severity": failure.severity,
                    "n_rows": failure.n_rows,
                    "observed": failure.observed,
                    "examples": [dict(example) for example in failure.examples],
                    "type": failure.type,
                    "kwargs": dict(failure.kwargs),
                }
                for failure in self.failed
            ],
        }


def check(
    suite: Suite,
    parquet: Path,
    parameters: Mapping[str, datetime | float | str],
    memory_gb: float = 1.0,
    beside: Mapping[str, Path] | None = None,
) -> Result:
    """Check the rows of `parquet` against `suite`.

    parameters: values of the suite's `$PARAMETER`s; times in any zone
    memory_gb:  DuckDB's memory, beyond which it spills to a folder beside `parquet`
    beside:     other tables that the suite's queries may read: name -> Parquet file

    Raises SettingsError when a parameter is missing or an expectation cannot be evaluated, and DiskFull when
    there is no room to evaluate it. What was not evaluated never counts as passed.
    """
    if missing := sorted(suite.parameters - set(parameters)):
        raise SettingsError(
            f"{suite.path.parent.name}/{suite.path.name} asks for the parameter {', '.join(missing)}",
            promised=", ".join(sorted(parameters)) or "no parameters here",
            then=f"edit {suite.path}",
        )
    given = {name: _naive(value) for name, value in parameters.items() if name in suite.parameters}
    with gx.datasource(suite, {suite.name: parquet, **(beside or {})}, memory_gb) as (context, source):
        outcomes = gx.validate(context, source, suite, given, pq.read_schema(parquet).names)
        pairs = list(zip(suite.expectations, outcomes, strict=True))
        held = tuple(expectation for expectation, outcome in pairs if outcome.success)
        failed = tuple(
            _failure(source, suite, parquet, expectation, outcome)
            for expectation, outcome in pairs
            if not outcome.success
        )
    return Result(suite.name, pq.read_metadata(parquet).num_rows, held, failed)


def document(results: Sequence[Result]) -> dict[str, Any]:
    """The document `validation`: each dataset's result with what holds, and a line for each failure."""
    return {
        "success": all(result.is_success for result in results),
        "suites": [{**result.to_json(), "held": _held(result)} for result in results],
        "failed": [f"{result.suite}: {failure}" for result in results for failure in result.failed],
    }


def _held(result: Result) -> list[dict[str, str]]:
    return [
        {"expectation": expectation.description, "severity": expectation.severity}
        for expectation in result.held
    ]


def table(*results: Result) -> str:
    """Lines for the log: each dataset, then each failed expectation with its rows and examples."""
    lines = []
    for result in results:
        held = f"{len(result.held)} of {result.n_expectations} expectations hold"
        lines.append(f"{result.suite}: {result.n_rows:,} rows, {held}")
        for failure in result.failed:
            lines.append(f"  {failure.severity:<8}  {_amount(failure):>24}  {failure.description}")
            lines += [f"{'':38}{_row(example)}" for example in failure.examples]
    return "\n".join(lines)


def _amount(failure: Failure) -> str:
    if failure.n_rows is None:
        return f"found {failure.observed}"
    return f"{failure.n_rows:,} {'row' if failure.n_rows == 1 else 'rows'} against it"


def _row(example: Mapping[str, str]) -> str:
    return ", ".join(f"{column} {value}" for column, value in example.items())


def _naive(value: Any) -> Any:
    return utc(value).replace(tzinfo=None) if isinstance(value, datetime) else value


def _failure(source: Any, suite: Suite, parquet: Path, expectation: Expectation, outcome: Any) -> Failure:
    result = outcome.result
    reason = "" if result else gx.reason(outcome.exception_info)
    if "Out of Memory" in reason or disk.is_full(reason):
        raise DiskFull(
            f"no room to check `{suite.name}`",
            found=f"{reason}; {disk.volume(parquet)}",
            promised="memory_limit_gb, and room beside the run folders for what is beyond",
            then="make room, or raise memory_limit_gb under [run] in config.toml, then run the stage again",
        )
    if not result:
        raise SettingsError(
            f"{suite.path.parent.name}/{suite.path.name}: `{expectation.description}` cannot be evaluated",
            found=reason,
            promised=f"an expectation that runs on DuckDB ({expectation.type})",
            then=f"edit {suite.path}",
        )
    n_rows = result.get("unexpected_count")
    examples = result.get("partial_unexpected_index_list") or []
    if expectation.type == QUERY:
        n_rows = result["observed_value"]
        examples = gx.first_rows(
            source, expectation.kwargs["unexpected_rows_query"].replace("{batch}", suite.name)
        )
    elif expectation.type in UNIQUE:
        key = expectation.kwargs[UNIQUE[expectation.type]]
        columns = ", ".join(key) if isinstance(key, list) else key
        examples = gx.first_rows(
            source,
            f"SELECT {columns}, count(*) AS times FROM {suite.name} GROUP BY {columns} "
            f"HAVING count(*) > 1 ORDER BY {columns}",
        )
    return Failure(
        expectation.type,
        expectation.kwargs,
        expectation.severity,
        expectation.description,
        n_rows,
        "" if n_rows is not None else str(result.get("observed_value", "")),
        tuple(_example(suite, row) for row in examples[: gx.EXAMPLES]),
    )


def _example(suite: Suite, row: Mapping[str, Any]) -> dict[str, str]:
    """A row as texts, without the optional columns that it leaves empty."""
    optional = DATASETS[suite.name].optional
    return {name: _shown(value) for name, value in row.items() if value is not None or name not in optional}


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat()
    return str(value)
