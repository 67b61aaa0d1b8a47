"""Guesses from names and values which column of a strange file is the user, the item, the time and so on."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.loading import names, time_formats
from pipeline.loading.head import Column, Head
from pipeline.loading.names import EVENT_OF, EVENT_OF_FILE, plain, rank
from pipeline.loading.time_formats import TimeFormat

NEEDED = ("user", "item", "time")
UNNAMED = 1_000
"""The rank of a column that was found by its values, not by its name."""

TABLES = {
    "user": names.USERS,
    "item": names.ITEMS,
    "time": names.TIMES,
    "event": names.EVENTS,
    "order": names.ORDERS,
    "quantity": names.QUANTITIES,
    "price": names.PRICES,
    "discount": names.DISCOUNTS,
    "rating": names.RATINGS,
}
AMOUNT = re.compile(r"[+-]?(\d+|\d{1,3}([.,]\d{3})+)([.,]\d+)?", re.ASCII)
IDS = re.compile(r"\S+")


@dataclass(frozen=True)
class Match:
    """A column for one of the roles in TABLES.

    place: of its name in the table of the role; the lower, the surer
    time:  how it writes times, where the role is `time`
    clock: the column with the time of day beside it
    """

    column: Column
    place: int
    time: TimeFormat | None = None
    clock: Column | None = None


@dataclass(frozen=True)
class Guess:
    """What was found in one file.

    roles: role -> its column
    event: what the name of the file says that its rows are: `view`, `cart`, `purchase`; else None
    """

    head: Head
    roles: dict[str, Match]
    event: str | None = None

    def lacks(self) -> list[str]:
        return [role for role in NEEDED if role not in self.roles]


def guess(head: Head) -> Guess:
    """The roles of the columns of `head`."""
    roles = _by_name(head) if head.has_names else _by_values(head)
    return Guess(head, roles, None if "event" in roles else _event_of_file(head))


def _by_name(head: Head) -> dict[str, Match]:
    found = {
        "user": _id(head, "user"),
        "item": _id(head, "item"),
        "time": _time(head),
        "event": _event(head),
        "order": _first(head, "order", lambda column: True),
        **{role: _first(head, role, _are_amounts) for role in ("quantity", "price", "discount")},
        "rating": _first(head, "rating", lambda column: _top(column) is not None),
    }
    roles: dict[str, Match] = {}
    for role, one in found.items():
        if one and all(one.column != other.column for other in roles.values()):
            roles[role] = one
    return roles


def _ranked(head: Head, table: Sequence[str]) -> list[tuple[int, Column]]:
    """The columns that `table` knows and that have a value, the surest first."""
    placed = [(rank(column.name, table), column) for column in head.columns if column.values]
    return sorted(
        ((place, column) for place, column in placed if place is not None), key=lambda pair: pair[0]
    )


def _first(head: Head, role: str, fits: Callable[[Column], bool]) -> Match | None:
    return next((Match(column, place) for place, column in _ranked(head, TABLES[role]) if fits(column)), None)


def _id(head: Head, role: str) -> Match | None:
    """The first named column that is there in at least half of the rows, else the first."""
    ranked = _ranked(head, TABLES[role])
    there = [pair for pair in ranked if 2 * pair[1].n_missing <= head.n_rows]
    return next((Match(column, place) for place, column in (*there, *ranked)), None)


def _time(head: Head) -> Match | None:
    """The first named column that holds times, else the only other that does, else days that are counted."""
    ranked = _ranked(head, TABLES["time"])
    for place, column in ranked:
        if form := time_formats.guess(column):
            return _with_clock(head, Match(column, place, form))
    unnamed = [(column, time_formats.guess(column)) for column in head.columns if _may_be_time(column)]
    times = [(column, form) for column, form in unnamed if form]
    if len(times) == 1:
        return _with_clock(head, Match(times[0][0], UNNAMED, times[0][1]))
    for place, column in _ranked(head, names.DAY_NUMBERS):
        if not times and (form := time_formats.day_number(column)):
            return Match(column, UNNAMED + place, form)
    return None


def _may_be_time(column: Column) -> bool:
    """Numbers are times only where their name says so."""
    is_date = column.kind.startswith(("TIMESTAMP", "DATE"))
    return is_date or (column.is_text and not all(map(time_formats.NUMBER.fullmatch, column.values)))


def _with_clock(head: Head, match: Match) -> Match:
    if match.time and match.time.is_day:
        for _, clock in _ranked(head, names.CLOCKS):
            if clock != match.column and (form := time_formats.guess(match.column, clock)):
                return Match(match.column, match.place, form, clock)
    return match


def _event(head: Head) -> Match | None:
    """A named column of which a value is a known word, or one that is surely meant although none is."""
    ranked = _ranked(head, TABLES["event"])
    known = [pair for pair in ranked if any(plain(value) in EVENT_OF for value in pair[1].values)]
    sure = [pair for pair in ranked if pair[0] < names.EVENTS.index("activity") and len(pair[1].values) <= 20]
    return next((Match(column, place) for place, column in (*known, *sure)), None)


def _event_of_file(head: Head) -> str | None:
    """What a word in the name of the file says: `yoochoose-buys.dat` has purchases."""
    words = re.findall(r"[a-z]+", head.path.name.casefold().partition(".")[0])
    return next((EVENT_OF_FILE[word] for word in reversed(words) if word in EVENT_OF_FILE), None)


def _by_values(head: Head) -> dict[str, Match]:
    """A file without names: the time and the events by their values, of the other columns the first two are
    the user and the item, as in most public data sets (Amazon's ratings of 2018 begin with the item)."""
    roles: dict[str, Match] = {}
    left = [column for column in head.columns if column.values]
    times = [(column, form) for column in left if (form := time_formats.guess(column))]
    if times:
        column, form = max(times, key=lambda pair: len(pair[0].values))
        roles["time"] = Match(column, UNNAMED, form)
        left = [column for column in left if column != roles["time"].column]
    if events := [column for column in left if _are_events(column)]:
        roles["event"] = Match(events[0], UNNAMED)
        left = [column for column in left if column != events[0]]
    ids = [column for column in left if all(map(IDS.fullmatch, column.values))]
    for role, column in zip(("user", "item"), ids, strict=False):
        roles[role] = Match(column, UNNAMED)
    rest = [column for column in ids[2:] if _top(column) is not None]
    if rest and "event" not in roles and _event_of_file(head) is None:
        roles["rating"] = Match(rest[0], UNNAMED)
    return roles


def _are_events(column: Column) -> bool:
    """Whether at least half of the words are known."""
    return sum(plain(value) in EVENT_OF for value in column.values) * 2 >= len(column.values)


def _are_amounts(column: Column) -> bool:
    return all(map(AMOUNT.fullmatch, column.values))


def _top(column: Column) -> int | None:
    """The highest mark of a column of ratings, 5 or 10 or 100; None where it is none."""
    try:
        marks = [float(value.replace(",", ".")) for value in column.values]
    except ValueError:
        return None
    if not marks or min(marks) < 0 or len(marks) > 101:
        return None
    return next((top for top in (5, 10, 100) if max(marks) <= top and len(marks) <= 4 * top), None)


def liked(column: Column) -> int:
    """The rating from which on somebody liked the item: 4 of 5, 8 of 10."""
    return (_top(column) or 5) * 4 // 5


def candidates(head: Head, taken: Sequence[Column]) -> list[str]:
    """The names of the columns that have no role."""
    return [column.name for column in head.columns if column not in taken]
