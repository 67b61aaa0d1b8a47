"""Precision@3 of the last publications and of this run, each with the window that it was measured in.

Publications are alike when they read as many days of events and held out the same, at as many cuts: only
those are joined by the line. The others are drawn hollow, and a sentence says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pipeline.config import Settings
from pipeline.report import charts, words
from pipeline.report.charts import Dot
from pipeline.runs.folder import RunFolder

Row = Mapping[str, Any]


def window(split: Row, settings: Settings) -> dict[str, Any]:
    """What a Precision@3 was measured in, as `publish` records it with its publication.

    split: the document of that name

    Keys: method; test_days (days after a cut, null where the method is not `time`); n_test_cuts (how many
    cuts, that far apart); test_share (share of rows, null where the method is not `random`); window_days
    (days of events that were read).
    """
    return {
        "method": split["method"],
        "test_days": split["test_days"],
        "n_test_cuts": _n_cuts(split),
        "test_share": settings.split.test_share if split["method"] == "random" else None,
        "window_days": settings.run.window_days,
    }


def trend(folder: RunFolder, settings: Settings, ours: Row | None) -> dict[str, Any] | None:
    """`chart`, `rows` of the table below it, and `note`, a sentence about other windows or empty.

    ours: the row of `metrics` of this run's lists

    None where nothing was published before, or nobody was measured in this run.
    """
    live = folder.document("live") if folder.has("live") else {}
    before = [
        row
        for row in reversed(live.get("recent") or [])
        if row.get("precision_at_3") is not None and datetime.fromisoformat(row["as_of"]) < folder.as_of
    ]
    if not before or ours is None:
        return None
    own = window(folder.document("split"), settings) if folder.has("split") else None
    run = {"as_of": folder.as_of.isoformat(), "precision_at_3": ours["precision_at_3"], "measured_in": own}
    rows = [_row(row, own) for row in [*before, run]]
    dots = [Dot(row["value"], row["text"], row["kind"]) for row in rows[:-1]]
    dots.append(Dot(rows[-1]["value"], rows[-1]["text"], "ours", ours["ci_low"], ours["ci_high"]))
    ticks = [words.short_date(before[0]["as_of"]), f"this run, {words.short_date(folder.as_of)}"]
    values = ", ".join(words.of_100(row["value"]) + (", other window" if row["kind"] else "") for row in rows)
    label = f"bought of 100 shown, oldest publication first: {values}"
    return {"chart": charts.over_time(dots, ticks, label), "rows": rows, "note": _note(rows)}


def _row(row: Row, own: Row | None) -> dict[str, Any]:
    """A row of the table; `kind` is "other" where it was not measured in a window like this run's own."""
    name = f"version {row['version']}" if "version" in row else "this run"
    tested, read = _in_words(row.get("measured_in"), datetime.fromisoformat(row["as_of"]))
    return {
        "name": name,
        "tested": tested,
        "read": read,
        "value": row["precision_at_3"],
        "of_100": words.of_100(row["precision_at_3"]),
        "kind": "" if row.get("measured_in") is not None and _alike(row["measured_in"], own) else "other",
        "text": f"{name}: {words.of_100(row['precision_at_3'])}, tested on {tested}; events read: {read}",
    }


def _alike(one: Row, other: Row | None) -> bool:
    """Whether two windows are of the same kind and length; days are compared as whole ones."""
    if other is None:
        return False
    days, other_days = (round(row["test_days"] or 0) for row in (one, other))
    same = ("method", "test_share", "window_days")
    is_same_test = (days, _n_cuts(one)) == (other_days, _n_cuts(other))
    return is_same_test and all(one[name] == other[name] for name in same)


def _n_cuts(measured: Row) -> int:
    """How many cuts; earlier releases had one, and no word about it."""
    return int(measured.get("n_test_cuts", 1))


def _in_words(measured: Row | None, as_of: datetime) -> tuple[str, str]:
    """What it was tested on, and what was read."""
    if measured is None:
        return f"days up to {words.date(as_of)}, how many is not known", "not known"
    read = words.count(measured["window_days"], "day")
    if measured["method"] == "random":
        return f"{words.percent(measured['test_share'], 0)} of the rows, up to {words.date(as_of)}", read
    if measured["method"] == "last_purchase":
        return f"each buyer's last order, up to {words.date(as_of)}", read
    n_cuts = _n_cuts(measured)
    first = as_of - timedelta(days=measured["test_days"]) * n_cuts
    days = f"{measured['test_days']:.3g} {'day' if measured['test_days'] == 1 else 'days'}"
    days = days if n_cuts == 1 else f"{n_cuts} times {days}"
    return f"{days}, {words.short_date(first)} to {words.date(as_of)}", read


def _note(rows: Sequence[Row]) -> str:
    """The sentence about publications of other windows; empty without any."""
    others = [row["name"] for row in rows if row["kind"]]
    if not others:
        return ""
    verb, they, them = ("was", "it is", "it") if len(others) == 1 else ("were", "they are", "them")
    names = ", ".join(others).capitalize()
    return (
        f"{names} {verb} measured in another window than this run: {they} drawn hollow, and the line does not"
        f" join {them}."
    )
