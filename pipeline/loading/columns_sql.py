"""The lines of a drafted SELECT: for each of our columns its SQL, and in plain words what was guessed.

`numbers_sql` has those of the quantity and of what events may carry.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import duckdb

from pipeline.errors import shortened
from pipeline.loading.guess import UNNAMED, Match, candidates, liked
from pipeline.loading.head import Column, identifier
from pipeline.loading.names import CANCELLED, EVENT_OF, STATUSES, USERS, WORDS, plain, rank
from pipeline.loading.neighbours import Plan
from pipeline.loading.words import literal

WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
AS_FLOAT = re.compile(r"(0|-?[1-9][0-9]{0,14})(\.0*)?")
SHOWN = 8
"""Values or columns that a comment names."""

TODO = "TODO"
OPEN = {"user": "the user", "item": "the item", "time": "the time"}


@dataclass(frozen=True)
class Line:
    """One column of the SELECT. todo: what is left open in it, or empty"""

    name: str
    sql: str
    comments: tuple[str, ...]
    todo: str = ""


def lines(plan: Plan, kinds: dict[str, str]) -> list[Line]:
    """The columns of events that are no numbers. kinds: `user` and `item` -> what id_kind says of them"""
    return [
        _id(plan, "user", kinds["user"]),
        _id(plan, "item", kinds["item"]),
        _event(plan),
        _time(plan),
        _order(plan),
    ]


def shown(text: str, most: int = 80) -> str:
    """`text` for a comment: on one line, and not too long."""
    return shortened(" ".join(text.split()), most)


def _listed(values: Sequence[str]) -> str:
    more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    return ", ".join(shown(value, 30) for value in values[:SHOWN]) + more


def name(text: str) -> str:
    """`text` as an identifier, in quotes where it needs them."""
    is_simple = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text) and text.lower() not in _reserved()
    return text if is_simple else identifier(text)


@cache
def _reserved() -> frozenset[str]:
    with duckdb.connect() as db:
        query = "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'"
        return frozenset(word for (word,) in db.execute(query).fetchall())


def alias(plan: Plan, number: int) -> str:
    """What a file is called in the query: its name without what is no letter, digit or `_`."""
    stems = [re.sub(r"\W+", "_", file.head.path.name.partition(".")[0]).strip("_") for file in plan.files]
    is_its_own = stems[number] and stems.count(stems[number]) == 1
    return name(stems[number] if is_its_own else f"file_{number}")


def reference(plan: Plan, number: int, column: Column) -> str:
    """The column in SQL, with its file's alias where there are several."""
    return f"{alias(plan, number)}.{name(column.name)}" if plan.joins else name(column.name)


def id_kind(columns: Sequence[Column]) -> str:
    """`whole` numbers, whole numbers with `.0` behind (`float`), the `type` that the file has, or `text`."""
    if any(not column.is_text for column in columns):
        return "type"
    values = [value for column in columns for value in column.values]
    if values and all(map(WHOLE.fullmatch, values)):
        return "whole"
    return "float" if values and all(map(AS_FLOAT.fullmatch, values)) else "text"


def _id(plan: Plan, role: str, kind: str) -> Line:
    target = f"{role}_id"
    if (place := plan.role(role)) is None:
        return Line(target, TODO, _todo(plan, role), OPEN[role])
    number, match = place
    column = reference(plan, number, match.column)
    sql, words = {
        "whole": (f"CAST({column} AS BIGINT)", "whole numbers, such as"),
        "float": (f"CAST(regexp_replace({column}, '\\.0*$', '') AS BIGINT)", "whole numbers, written as"),
        "type": (column, "as it is, such as"),
        "text": (column, "kept as text, such as"),
    }[kind]
    guessed = "guessed from its place, LOOK AT IT: " if match.place == UNNAMED else ""
    comment = f"the {role}: {guessed}{shown(match.column.name)}, {words} {shown(match.column.values[0], 60)}"
    return Line(target, sql, (comment, *_session(number, plan, match.column)))


def _session(number: int, plan: Plan, user: Column) -> tuple[str, ...]:
    """What is to be said where a session stands for the user, and a column of users is there too."""
    head = plan.files[number].head
    if not plain(user.name).startswith(("session", "usersession", "visit")):
        return ()
    people = [column for column in head.columns if column != user and rank(column.name, USERS) is not None]
    named = ", ".join(shown(column.name) for column in people)
    other = f"; {named} would be the user where it is there: coalesce({named}, ...)" if named else ""
    return (f"LOOK AT IT: a session does not come back, so nobody can be measured by it{other}",)


def _todo(plan: Plan, role: str) -> tuple[str, ...]:
    taken = [match.column for file in plan.files for match in file.roles.values()]
    left = [text for file in plan.files for text in candidates(file.head, taken)]
    other = plan.role("order") or plan.role("user")
    comment = (
        f"TODO: which column is {OPEN[role]}? It may be: {_listed(left) or 'none of those that are there'}"
    )
    if other is None or plan.first.head.has_names is False:
        return (comment,)
    key = shown(other[1].column.name)
    return (
        comment,
        f"Does a file with {key} and {OPEN[role]} belong to it? Put it in this folder, and try again",
    )


def _event(plan: Plan) -> Line:
    target = "event_type"
    if (place := plan.role("event")) is not None:
        return _mapped(plan, target, *place)
    is_sale = any(plan.role(name) for name in ("order", "quantity", "price", "discount"))
    if (rated := plan.role("rating")) and plan.first.event is None and not is_sale:
        number, match = rated
        column, enough = reference(plan, number, match.column), liked(match.column)
        value = f"CAST({column} AS DOUBLE)" if match.column.is_text else column
        comment = (
            f"{shown(match.column.name)} is a rating: {enough} and more counts as a purchase, less as a view"
        )
        return Line(target, f"CASE WHEN {value} >= {enough} THEN 'purchase' ELSE 'view' END", (comment,))
    if plan.first.event:
        comment = f"every row is a {plan.first.event}, as the name of the file says"
        return Line(target, literal(plan.first.event), (comment,))
    return Line(target, "'purchase'", ("no column says what happened: every row is a purchase",))


def _mapped(plan: Plan, target: str, number: int, match: Match) -> Line:
    """A CASE of the words that were seen; what else there is stays as it is, for `validate` to name."""
    column = reference(plan, number, match.column)
    seen = {value.lower(): EVENT_OF.get(plain(value)) for value in match.column.values}
    if not any(seen.values()):
        named = shown(match.column.name)
        comment = f"TODO: which words of {named} mean view, cart and purchase? {_listed(list(seen))}"
        return Line(target, TODO, (comment,), "the events")
    if {"view", "purchase"} <= set(match.column.values) <= WORDS.keys():
        return Line(target, column, (f"what happened: {shown(match.column.name)}, in our words",))
    text = f"trim({column})" if match.column.kind == "VARCHAR" else f"CAST({column} AS VARCHAR)"
    cases = []
    for event, words in WORDS.items():
        of_file = [word for word, meant in seen.items() if meant == event]
        listed = ", ".join(map(literal, of_file or words))
        cases.append(f"        WHEN lower({text}) IN ({listed}) THEN {literal(event)}")
    never = [event for event in WORDS if event not in seen.values()]
    comments = [f"what happened: {shown(match.column.name)}"]
    if never:
        comments.append(f"not among the first rows: any {' or '.join(never)}; these are words it may have")
    return Line(target, "\n".join(["CASE", *cases, f"        ELSE {text}", "    END"]), tuple(comments))


def left_out(plan: Plan) -> list[tuple[str, str]]:
    """Comments and conditions that leave out unknown events, and orders that were cancelled."""
    flags = []
    if event := plan.role("event"):
        number, column = event[0], event[1].column
        unknown = [value for value in column.values if plain(value) not in EVENT_OF]
        if len(unknown) < len(column.values):
            flags.append((number, column, "neither a view nor a cart nor a purchase", unknown))
    for number, file in enumerate(plan.files):
        for column in file.head.columns:
            if plain(column.name) in STATUSES:
                words = [value for value in column.values if plain(value) in CANCELLED]
                flags.append((number, column, "no purchases after all", words))
    return [
        (
            f"left out, being {why}: {_listed(words)}",
            f"coalesce(trim({reference(plan, number, column)}), '') NOT IN"
            f" ({', '.join(map(literal, words[:50]))})",
        )
        for number, column, why, words in flags
        if words
    ]


def _time(plan: Plan) -> Line:
    place = plan.role("time")
    form = place[1].time if place else None
    if place is None or form is None:
        return Line("occurred_at", TODO, _todo(plan, "time"), OPEN["time"])
    number, match = place
    columns = [match.column, *([match.clock] if match.clock else [])]
    sql = form.sql.format(*(reference(plan, number, column) for column in columns))
    named = " and ".join(shown(column.name) for column in columns)
    zone = () if form.has_zone or form.is_day else ("it names no zone, and is read in source.timezone",)
    return Line("occurred_at", sql, (f"the time: {named}, {shown(form.words, 250)}", *zone))


def _order(plan: Plan) -> Line:
    if (place := plan.role("order")) is None:
        return Line("order_id", "NULL", ())
    number, match = place
    column = reference(plan, number, match.column)
    cancelled = [value for value in match.column.values if re.fullmatch(r"[Cc]\d+", value)]
    some = 0 < len(cancelled) < len(match.column.values)
    comment = f"orders such as {cancelled[0]} look cancelled: are their quantities below 0?" if some else ""
    sql = column if match.column.is_text else f"CAST({column} AS VARCHAR)"
    return Line("order_id", sql, (comment,) if comment else ())
