"""Write the validation page of a run: which expectations of the shop's data hold, and which rows fail."""

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
from pipeline.validation.suites import QUERY

LONGEST = 80
"""Most characters of a value that are shown."""

SHORT = 40
"""Most characters of a value that stay on one line."""

Content = dict[str, Any]


def document(folder: RunFolder) -> Content | None:
    """`validation` of the data that is in the folder now; None where `validate` has not checked all of it."""
    is_current = folder.has("validation") or receipts.why_stopped(folder).get("stage") == "validate"
    return folder.document("validation") if is_current and folder.file("validation").exists() else None


def build(folder: RunFolder) -> Path:
    """Write `validation.html` into the run folder from `validation.json`; returns its path."""
    suites = [_suite(suite) for suite in folder.document("validation")["suites"]]
    content = {
        "run_id": folder.run_id,
        "as_of": words.time(folder.as_of),
        "verdict": verdict(suites),
        "suites": suites,
        "absent": [name for name in ("items", "users") if name not in [suite["name"] for suite in suites]],
    }
    return write(folder, VALIDATION, "validation.html", content)


def verdict(suites: list[Content]) -> Content:
    """`state` (good, warn or bad), `word` and `sentences`."""
    severities = [failure["severity"] for suite in suites for failure in suite["failed"]]
    critical, warnings = severities.count("critical"), severities.count("warning")
    n_all = sum(suite["n_expectations"] for suite in suites)
    held = f"{n_all - len(severities)} of {words.count(n_all, 'expectation')} hold"
    if critical:
        also = f" (and {words.count(warnings, 'warning')})" if warnings else ""
        return {
            "state": "bad",
            "word": "Stopped",
            "sentences": [
                f"Stopped: {words.count(critical, 'critical expectation')} failed{also}; {held}.",
                "No model is fitted on this data; the shop shows what it showed before.",
            ],
        }
    if warnings:
        sentences = [f"Passed with {words.count(warnings, 'warning')}: {held}.", "The run goes on."]
        return {"state": "warn", "word": "Passed with warnings", "sentences": sentences}
    return {"state": "good", "word": "Passed", "sentences": [f"All {held.partition(' of ')[2]}."]}


def _suite(suite: Mapping[str, Any]) -> Content:
    """One dataset of the shop: its failures, the critical ones first, and the expectations that hold."""
    failed = sorted(suite["failed"], key=lambda failure: failure["severity"])
    n_held = suite["n_expectations"] - len(failed)
    return {
        "name": suite["suite"],
        "n_rows": words.count(suite["n_rows"], "row"),
        "n_expectations": suite["n_expectations"],
        "share": f"{n_held} of {suite['n_expectations']}",
        "n_held": words.count(n_held, "expectation holds", "expectations hold"),
        "failed": [_failure(failure, suite["suite"], suite["n_rows"]) for failure in failed],
        "held": suite.get("held", []),
    }


def _failure(failure: Mapping[str, Any], dataset: str, n_rows: int) -> Content:
    """One failed expectation: how many rows break it, and the first of them as a table.

    The columns that the expectation is about come first, with the class `at`; the others keep the order of
    the contract.
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
    """The rows that break it and their share of the table, or what the table as a whole has instead."""
    n_failed = failure["n_rows"]
    if n_failed is None:
        return f"Found instead: {failure['observed'] or 'nothing'}"
    if failure.get("type") == QUERY or not n_rows:
        return f"Not true for {words.count(n_failed, 'row')}"
    return f"Not true for {words.count(n_failed, 'row')}, {_share(n_failed / n_rows)} of the table"


def _share(share: float) -> str:
    return words.percent(share, int(share < 0.1)) if share >= 0.001 else f"less than 0.1{words.NBSP}%"


def _note(failure: Mapping[str, Any], n_shown: int) -> str:
    if not n_shown or (failure["n_rows"] or 0) <= n_shown:
        return ""
    return "The first of them:" if n_shown == 1 else f"The first {n_shown} of them:"


def _cell(value: str, is_at: bool) -> tuple[str, str]:
    """A value, shortened to LONGEST characters, and its classes of style.css."""
    text = value if len(value) <= LONGEST else f"{value[: LONGEST - 1]}…"
    return text, " ".join(["at"] * is_at + ["long"] * (len(text) > SHORT))
