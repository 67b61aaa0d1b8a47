"""Finds in the folder of a file those that have what it lacks: joined by a shared column, or put below it.

Of at most FILES of them the first rows are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.loading import head, names
from pipeline.loading.guess import NEEDED, UNNAMED, Guess, Match, guess
from pipeline.loading.head import Column
from pipeline.loading.names import plain

FILES = 20
ROWS = 1_000
KINDS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".dat", ".parquet", ".json", ".jsonl", ".ndjson")
PERSON = 0
"""The place in names.USERS of a column that means the person where another one means an order's customer."""


@dataclass(frozen=True)
class Join:
    """One more file: `column` of it equals `other` of the file number `left`."""

    guess: Guess
    column: Column
    left: int
    other: Column


@dataclass(frozen=True)
class Plan:
    """The files of one SELECT, the first and what is joined to it."""

    first: Guess
    joins: tuple[Join, ...] = ()

    @property
    def files(self) -> list[Guess]:
        return [self.first, *(join.guess for join in self.joins)]

    def role(self, name: str) -> tuple[int, Match] | None:
        """The number of the file, and the column in it, that is surest to be `name`."""
        matches = [(number, file.roles[name]) for number, file in enumerate(self.files) if name in file.roles]
        return min(matches, key=lambda pair: pair[1].place, default=None)

    def lacks(self) -> list[str]:
        return [name for name in NEEDED if self.role(name) is None]


def others(path: Path) -> list[Guess]:
    """What is in the other files of the folder."""
    try:
        paths = sorted(
            other
            for other in path.absolute().parent.iterdir()
            if other.name.lower().endswith(KINDS) and other.is_file() and other.name != path.name
        )
    except OSError:
        return []
    read = (head.read(other, ROWS) for other in paths[:FILES])
    return [guess(one) for one in read if one is not None]


def joined(first: Guess, others: Sequence[Guess]) -> Plan:
    """`first` with the files that have what it lacks, and the person behind an order's customer."""
    plan = Plan(first)
    for _ in others:
        join = _best(plan, [other for other in others if other not in plan.files])
        if join is None:
            break
        plan = Plan(first, (*plan.joins, join))
    return plan


def _best(plan: Plan, others: Sequence[Guess]) -> Join | None:
    """The join that adds most of what is lacking."""
    best, most = None, 0
    for other in others:
        gained = sum(role in other.roles and other.roles[role].place < UNNAMED for role in plan.lacks())
        user, mine = other.roles.get("user"), plan.role("user")
        gained += bool(user and mine and user.place == PERSON < mine[1].place)
        if gained > most and (join := _join(plan, other)):
            best, most = join, gained
    return best


def _join(plan: Plan, other: Guess) -> Join | None:
    """By a column that both have and of which each value is there once in one of the two."""
    for left, file in enumerate(plan.files):
        for column in other.head.columns:
            for mine in file.head.columns:
                if plain(mine.name) == plain(column.name) and _is_key(column) and _is_key(mine):
                    once = len(column.values) == other.head.n_rows or len(mine.values) == file.head.n_rows
                    if once and mine.is_text == column.is_text:
                        return Join(other, column, left, mine)
    return None


def _is_key(column: Column) -> bool:
    tables = (names.ORDERS, names.USERS, names.ITEMS)
    return bool(column.values) and any(names.rank(column.name, table) is not None for table in tables)


def beside(first: Guess, others: Sequence[Guess]) -> list[Guess]:
    """Files with events of another kind, as their names say: views beside `first` with purchases, ..."""
    if first.event is None or first.lacks():
        return []
    alike = [
        other
        for other in others
        if other.event not in (None, first.event) and not other.lacks() and _same(first, other)
    ]
    kinds: dict[str | None, Guess] = {}
    for other in alike:
        kinds.setdefault(other.event, other)
    return list(kinds.values())


def _same(one: Guess, other: Guess) -> bool:
    """Whether users and items have the same names, or stand at the same places of files without names."""
    return one.head.has_names == other.head.has_names and all(
        plain(one.roles[role].column.name) == plain(other.roles[role].column.name)
        for role in ("user", "item")
    )
