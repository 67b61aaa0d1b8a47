"""The validation page of a run: what the shop's data was held against and what was found, in words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.contract.datasets import DATASETS
from pipeline.report import words
from pipeline.report.template import write
from pipeline.runs import receipts
from pipeline.runs.folder import RunFolder
from pipeline.runs.pages import VALIDATION

SUITES = ("events", "items", "users")
QUERY = "unexpected_rows_expectation"
"""GX's name of an expectation that asks for rows which must not be: they are no share of the table."""

LONGEST = 80
SHORT = 40
"""Of a value that is shown, in characters: the most, and the most that stay on one line."""

Told = dict[str, Any]


def found(folder: RunFolder) -> Told | None:
    """The document of `validate` about the data that lies there; None where it was not checked to the end."""
    is_told = folder.has("validation") or receipts.why_stopped(folder).get("stage") == "validate"
    return folder.document("validation") if is_told and folder.file("validation").exists() else None


def build(folder: RunFolder) -> Path:
    """Write `validation.html` into the run folder from `validation.json`; returns its path."""
    suites = [_suite(suite) for suite in folder.document("validation")["suites"]]
    content = {
        "run_id": folder.run_id,
        "as_of": words.time(folder.as_of),
        "verdict": verdict(suites),
        "suites": suites,
        "absent": [name for name in SUITES if name not in [suite["name"] for suite in suites]],
    }
    return write(folder, VALIDATION, "validation.html", content)


def verdict(suites: list[Told]) -> Told:
    """`state` (good, warn or bad), `word` and `sentences`."""
    failed = [each["severity"] for suite in suites for each in suite["failed"]]
    critical, warnings = failed.count("critical"), failed.count("warning")
    n_all = sum(suite["n_expectations"] for suite in suites)
    held = f"{n_all - len(failed)} of {words.count(n_all, 'expectation')} hold"
    if critical:
        also = f" (and {words.count(warnings, 'warning')})" if warnings else ""
        return {
            "state": "bad",
            "word": "Stopped",
            "sentences": [
                f"Stopped: {words.count(critical, 'critical expectation')} failed{also}; {held}.",
                "Nothing is learnt from this data; the shop shows what it showed before.",
            ],
        }
    if warnings:
        sentences = [f"Passed with {words.count(warnings, 'warning')}: {held}.", "The run goes on."]
        return {"state": "warn", "word": "Passed with warnings", "sentences": sentences}
    return {"state": "good", "word": "Passed", "sentences": [f"All {held.partition(' of ')[2]}."]}


def _suite(suite: Mapping[str, Any]) -> Told:
    """One table of the shop: what failed, the critical first, and what holds."""
    failed = sorted(suite["failed"], key=lambda each: each["severity"])
    n_held = suite["n_expectations"] - len(failed)
    return {
        "name": suite["suite"],
        "n_rows": words.count(suite["n_rows"], "row"),
        "n_expectations": suite["n_expectations"],
        "share": f"{n_held} of {suite['n_expectations']}",
        "n_held": words.count(n_held, "expectation holds", "expectations hold"),
        "failed": [_failure(each, suite["suite"], suite["n_rows"]) for each in failed],
        "held": suite.get("held", []),
    }


def _failure(failure: Mapping[str, Any], dataset: str, n_rows: int) -> Told:
    """One expectation that failed: how many rows, and the first of them as a table.

    The columns that the expectation is about come first and are marked `at`, the others in the order of
    contract.py.
    """
    examples: list[Mapping[str, str]] = failure["examples"]
    kwargs = failure.get("kwargs", {})
    at = {kwargs.get("column"), *kwargs.get("column_list", ())}
    order = list(DATASETS[dataset].columns)
    columns = sorted(
        {name for example in examples for name in example},
        key=lambda name: (name not in at, order.index(name) if name in order else len(order), name),
    )
    return {
        "text": failure["expectation"],
        "severity": failure["severity"],
        "found": _amount(failure, n_rows),
        "columns": [(name, "at" if name in at else "") for name in columns],
        "rows": [[_cell(example.get(name, ""), name in at) for name in columns] for example in examples],
        "note": _note(failure, len(examples)),
    }


def _amount(failure: Mapping[str, Any], n_rows: int) -> str:
    """What was found instead: rows and their share of the table, or what the table as a whole shows."""
    n_failed = failure["n_rows"]
    if n_failed is None:
        return f"Found instead: {failure['observed'] or 'nothing'}"
    if failure.get("type") == QUERY or not n_rows:
        return f"Against it: {words.count(n_failed, 'row')}"
    return f"Against it: {words.count(n_failed, 'row')}, {_share(n_failed / n_rows)} of the table"


def _share(share: float) -> str:
    return words.percent(share, int(share < 0.1)) if share >= 0.001 else f"less than 0.1{words.NBSP}%"


def _note(failure: Mapping[str, Any], n_shown: int) -> str:
    if not n_shown or (failure["n_rows"] or 0) <= n_shown:
        return ""
    return "The first of them:" if n_shown == 1 else f"The first {n_shown} of them:"


def _cell(value: str, is_at: bool) -> tuple[str, str]:
    """A value, cut where it is too long, and its classes of style.css."""
    text = value if len(value) <= LONGEST else f"{value[: LONGEST - 1]}…"
    return text, " ".join(["at"] * is_at + ["long"] * (len(text) > SHORT))
