"""The SQL that turns a column into what it must be, in the words of the shop's own database.

It goes into the messages that refuse a column, so that the next edit of events.sql is the right one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

DIALECTS = {"mariadb": "mysql"}
"""Dialects that are written as another one."""

TYPES: Mapping[str, Mapping[str, str]] = {
    "integer": {"postgresql": "bigint", "mysql": "SIGNED", "sqlite": "INTEGER", "": "bigint"},
    "number": {"postgresql": "double precision", "mysql": "DECIMAL(30, 6)", "sqlite": "REAL", "": "double"},
    "boolean": {"postgresql": "boolean", "mysql": "SIGNED", "sqlite": "INTEGER", "": "boolean"},
    "time": {"postgresql": "timestamptz", "mysql": "DATETIME(6)", "sqlite": "TEXT", "": "timestamp"},
    "": {"postgresql": "text", "mysql": "CHAR", "sqlite": "TEXT", "duckdb": "VARCHAR", "": "varchar(255)"},
}
"""What is promised (the empty name: text) -> dialect (the empty name: any other) -> the type to CAST to."""

CASTS: Mapping[str, Mapping[str, str]] = {
    "list": {"": "{0}[1]"},
    "record": {"": "({0}).field"},
    "range": {"": "lower({0})"},
    "set": {"": "SUBSTRING_INDEX({0}, ',', 1)"},
    "json": {
        "postgresql": "({0}::jsonb) ->> 0",
        "mysql": "JSON_UNQUOTE(JSON_EXTRACT({0}, '$[0]'))",
        "sqlite": "json_extract({0}, '$[0]')",
        "": "{0} ->> 0",
    },
    "json object": {
        "postgresql": "({0}::jsonb) ->> 'name'",
        "mysql": "JSON_UNQUOTE(JSON_EXTRACT({0}, '$.name'))",
        "sqlite": "json_extract({0}, '$.name')",
        "": "{0} ->> 'name'",
    },
    "bytes": {
        "postgresql": "encode({0}, 'hex')",
        "sqlite": "nullif(lower(hex({0})), '')",
        "": "lower(hex({0}))",
    },
    "bits": {"postgresql": "{0}::bigint", "mysql": "CAST({0} AS UNSIGNED)", "": "CAST({0} AS bigint)"},
    "boolean": {"postgresql": "{0}::int", "mysql": "CAST({0} AS SIGNED)", "": "CAST({0} AS integer)"},
    "type money": {"": "{0}::numeric"},
}
"""Kind of column -> dialect (the empty name: any other) -> SQL that takes one value out of it."""

FORMATTED: Mapping[str, str] = {
    "postgresql": "to_timestamp({0}, 'DD.MM.YYYY HH24:MI:SS')",
    "mysql": "STR_TO_DATE({0}, '%d.%m.%Y %H:%i:%s')",
    "duckdb": "strptime({0}, '%d.%m.%Y %H:%M:%S')",
}
"""Dialect -> SQL that reads a text as a time by a format, which a person puts right."""

ISO = re.compile(r"\s*\d{4}-?\d\d-?\d\d")
"""How a text begins that CAST reads as the day it names, whatever the database is set to."""

GIVES_NUMBERS = ("bits", "boolean", "type money")
"""Kinds whose entry in CASTS is a number; that of `bytes` is text, that of others what was put in."""


def cast(dialect: str, column: str, kind: str, promise: str) -> str:
    """SQL for `column`, which is of `kind`, as what is promised. Kinds and promises: `columns.PROMISES`."""
    written_as = DIALECTS.get(dialect, dialect)

    def casted(sql: str, to: str) -> str:
        return f"CAST({sql} AS {_for(TYPES.get(to, TYPES['']), written_as)})"

    if kind in ("number", "real", "float", "decimal") and promise == "text":
        return casted(casted(column, "integer"), "text")
    if kind not in CASTS or (kind == "boolean" and promise == "text"):
        return casted(column, promise)
    taken = _for(CASTS[kind], written_as).format(column)
    is_enough = (
        promise == "label"
        or (kind in GIVES_NUMBERS and promise in ("integer", "number", "boolean"))
        or (kind == "bytes" and promise != "number")
    )
    return taken if is_enough else casted(taken, promise)


def text_as_time(dialect: str, column: str, example: object) -> str:
    """SQL for a column of texts such as `example` as times: CAST could take the day for the month or year."""
    pattern = FORMATTED.get(DIALECTS.get(dialect, dialect))
    if pattern is None or not isinstance(example, str) or ISO.match(example):
        return cast(dialect, column, "text", "time")
    return f"{pattern.format(column)} (with the format of your texts)"


def _for(choices: Mapping[str, str], dialect: str) -> str:
    return choices.get(dialect, choices[""])
