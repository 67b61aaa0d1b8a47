"""Drafts the query that reads a stranger's file: SQL to save, look through and load with `load query`.

What is guessed stands in comments beside it. Where the user, the item or the time is not found, the draft
says TODO there, with the columns that it may be.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.loading import columns_sql, head, neighbours, numbers_sql
from pipeline.loading.columns_sql import Line, id_kind, shown
from pipeline.loading.guess import NEEDED, guess
from pipeline.loading.neighbours import Plan
from pipeline.loading.query_file import Query

OURS = ("user_id", "item_id", "event_type", "occurred_at")
LONGEST = 20_000
"""Characters of the longest draft that is shown."""

WIDTH = 100


@dataclass(frozen=True)
class Draft:
    """A query.

    todo:  which of the user, the item, the time and the events it leaves open
    as_is: which of our columns it takes as they are in the file
    """

    sql: str
    todo: tuple[str, ...]
    as_is: frozenset[str]


@contextmanager
def offered(path: Path | Query, column: str = "") -> Iterator[None]:
    """Where the block refuses the events file `path`, add the draft of a query that reads it.

    column: what the refusal is about; a draft that takes it as it is would be no help
    """
    try:
        yield
    except SourceError as refusal:
        if isinstance(path, Query):
            raise
        drafted = of(path)
        if drafted is None or column in drafted.as_is or len(drafted.sql) > LONGEST:
            raise
        raise _with_draft(refusal, drafted, path) from None


def _with_draft(refusal: SourceError, draft: Draft, path: Path) -> SourceError:
    target = _target(path)
    quoted = shlex.quote(str(target))
    open_parts = f", put in what it marks TODO ({', '.join(draft.todo)})" if draft.todo else ""
    then = (
        f"save the draft below as {quoted}, look it through{open_parts}, then:"
        f" python -m pipeline backtest --query {quoted}, or: python -m pipeline load query {quoted}"
    )
    then = f"{then}; or {refusal.then}" if refusal.then else then
    return SourceError(
        refusal.what, found=refusal.found, promised=refusal.promised, then=then, draft=draft.sql
    )


def _target(path: Path) -> Path:
    """Where the query is to be saved: a name that is free, beside the file."""
    names = ("events.sql", f"{path.name[:60]}.sql")
    free = [name for name in names if not path.with_name(name).exists()]
    return path.with_name(free[0] if free else "events.sql")


def of(path: Path) -> Draft | None:
    """The draft for the events in `path`; None where it is no table, or no column tells anything.

    A file that has two or more of our columns gets one only where nothing is left open.
    """
    first = head.read(path)
    if first is None:
        return None
    found = guess(first)
    n_ours = sum(column.name in OURS for column in first.columns)
    others = neighbours.others(path)
    plan = neighbours.joined(found, others)
    below = neighbours.beside(found, others) if not plan.joins else []
    plans = [plan, *map(Plan, below)]
    carried = numbers_sql.carried_by(plans)
    lines = [[*columns_sql.lines(one, _ids(plans)), *numbers_sql.lines(one, carried)] for one in plans]
    todo = tuple(dict.fromkeys(line.todo for part in lines for line in part if line.todo))
    if (todo and n_ours > 1) or (len(plan.lacks()) == len(NEEDED) and len(first.columns) < len(NEEDED)):
        return None
    selects = [_select(one, part) for one, part in zip(plans, lines, strict=True)]
    as_is = frozenset(line.name for line in lines[0] if line.sql == line.name)
    return Draft(_opening(plans) + "\nUNION ALL\n".join(selects) + "\n", todo, as_is)


def _ids(plans: Sequence[Plan]) -> dict[str, str]:
    """Whether users and items are whole numbers or texts: in all parts of the query the same."""
    kinds = {}
    for role in ("user", "item"):
        found = [pair[1].column for plan in plans if (pair := plan.role(role))]
        kinds[role] = id_kind(found)
    return kinds


def _opening(plans: Sequence[Plan]) -> str:
    first = plans[0].first.head
    lines = [
        f"Drafted from the first {first.n_rows:,} rows of {shown(first.path.name)}: look at each part.",
        "docs/your-data.md says more, and has queries for well-known data sets.",
        *first.notes,
    ]
    if not any(plan.first.event in (None, "purchase") for plan in plans):
        lines.append(
            "No purchases are here, and a night needs some: which file has them? Add it with UNION ALL."
        )
    if not first.has_names:
        lines += [f"  {column.name}: {shown(', '.join(column.values[:3]))}" for column in first.columns[:12]]
    return "".join(_comment(line) for line in lines)


def _comment(text: str, indent: str = "") -> str:
    """`text` as a comment, its lines not too long."""
    return textwrap.indent("\n".join(textwrap.wrap(text, WIDTH)), f"{indent}-- ") + "\n"


def _select(plan: Plan, lines: Sequence[Line]) -> str:
    body = ",\n".join(
        "".join(_comment(text, "    ") for text in line.comments) + f"    {line.sql} AS {line.name}"
        for line in lines
    )
    return f"SELECT\n{body}\n{_from(plan)}{_where(plan)}"


def _from(plan: Plan) -> str:
    files = plan.files
    if len(files) == 1:
        return f"FROM {_wrapped(files[0].head.source(files[0].head.path.name))}"
    text = f"FROM {_wrapped(files[0].head.source(files[0].head.path.name))} AS {columns_sql.alias(plan, 0)}"
    for number, join in enumerate(plan.joins, start=1):
        source = join.guess.head.source(join.guess.head.path.name)
        mine = columns_sql.reference(plan, number, join.column)
        other = columns_sql.reference(plan, join.left, join.other)
        key = shown(join.column.name)
        text += f"\n-- joined by {key}: see that one of the two files has each {key} only once"
        text += f"\nJOIN {_wrapped(source)} AS {columns_sql.alias(plan, number)}\n    ON {mine} = {other}"
    return text


def _wrapped(source: str) -> str:
    """A long call of read_csv on several lines."""
    if len(source) < WIDTH or ", nullstr" not in source:
        return source
    return re.sub(r", (nullstr = )", r",\n    \1", source)


def _where(plan: Plan) -> str:
    """Rows without a user or an item are left out: no list can be made of them."""
    needed = [pair for role in ("user", "item") if (pair := plan.role(role))]
    there = [f"{columns_sql.reference(plan, number, found.column)} IS NOT NULL" for number, found in needed]
    left_out = columns_sql.left_out(plan)
    missing = [
        f"{shown(found.column.name)} is missing in {found.column.n_missing:,} of"
        f" {plan.files[number].head.n_rows:,} rows"
        for number, found in needed
        if found.column.n_missing
    ]
    conditions = " AND ".join([*there, *(condition for _, condition in left_out)])
    if not conditions:
        return ""
    missed = f" ({'; '.join(missing)})" if missing else ""
    without = "rows without a user or an item" + (", or found in one file only," if plan.joins else "")
    comments = [f"{without} are left out{missed}", *(comment for comment, _ in left_out)]
    return "\n" + "".join(map(_comment, comments)) + f"WHERE {conditions}"
