"""Text tables for a terminal: the stored publications. (The database tables: sql/serving/schema/.)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.serving.pointer import Hold, Stored
from pipeline.times import utc


def publications_table(stored: Sequence[Stored], hold: Hold | None) -> str:
    """Publications and refusals, the newest first, the live one marked; below it the hold, if there is one.

    stored: oldest first
    """
    heads = (
        *("", "version", "state", "as of", "published", "Precision@3"),
        *("mode", "lists of", "users", "items", "run"),
    )
    rows = [
        (
            "->" if row.state == "live" else "",
            row.version,
            row.state,
            f"{utc(row.as_of):%Y-%m-%d %H:%M}",
            f"{utc(row.published_at):%Y-%m-%d %H:%M}",
            measured(row),
            row.repeat_purchases,
            f"{row.model or ''}{' (fallback)' if row.is_fallback else ''}",
            f"{row.n_users:,}",
            f"{row.n_items:,}",
            row.run_id,
        )
        for row in reversed(stored)
    ]
    lines = [text_table(heads, rows)] if rows else ["nothing was published yet"]
    if hold:
        since = f"{utc(hold.held_at):%Y-%m-%d %H:%M} by {hold.held_by}"
        lines.append(f"held since {since}: later nights are not put live; python -m pipeline release ends it")
    return "\n".join(lines)


def measured(row: Stored) -> str:
    """Precision@3 in words, and within how many days: `0.0388 (2 days)`; `0.3544 (random)`, no cut in time;
    `unjudged`; or nothing."""
    if row.precision_at_3 is None:
        return "unjudged" if row.is_unjudged else ""
    how = row.split_method if row.split_method not in (None, "time") else ""
    if row.test_days is not None:
        how = f"{row.test_days:.3g} {'day' if row.test_days == 1 else 'days'}"
    return f"{row.precision_at_3:.4f}{f' ({how})' if how else ''}"


def text_table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Headings, a rule and the rows in aligned columns; columns of numbers are right-aligned."""
    cells = [["" if value is None else str(value) for value in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(heads), *cells]) for i in range(len(heads))]
    is_number = [
        bool(rows) and all(isinstance(row[i], int | float) for row in rows) for i in range(len(heads))
    ]
    lines = [list(heads), ["-" * width for width in widths], *cells]
    return "\n".join(
        "  "
        + "  ".join(
            c.rjust(w) if n else c.ljust(w) for c, w, n in zip(line, widths, is_number, strict=True)
        ).rstrip()
        for line in lines
    )
