"""What database drivers say of a column beyond its values, in the words of `columns.PROMISES`."""

from __future__ import annotations

from typing import Any

from pipeline.source.columns import PADDED

MYSQL = ("mysql", "mariadb")
MYSQL_FLOAT, MYSQL_TIMESTAMP, MYSQL_BIT, MYSQL_JSON, MYSQL_CHAR = 4, 7, 16, 245, 254
MYSQL_KINDS = {MYSQL_FLOAT: "float", MYSQL_BIT: "bits", MYSQL_JSON: "json"}
"""Column types of MySQL's protocol (PyMySQL: constants/FIELD_TYPE.py). FLOAT is sent with six digits."""

MYSQL_IN_UTC = (
    "CAST('1970-01-01' AS DATETIME(6)) + INTERVAL nullif(UNIX_TIMESTAMP(`{0}`), 0) * 1000000 MICROSECOND"
    " AS `{0}`"
)
"""SQL for a TIMESTAMP as a time of UTC; 0000-00-00, which is the number 0, as null."""

MYSQL_SET, MYSQL_BINARY = 2048, 63
"""The flag of a SET column, and the character set of bytes (PyMySQL: constants/FLAG.py)."""


def kinds(dialect: str, cursor: Any) -> dict[str, str]:
    """Column -> kind, for the columns of which an executed cursor's driver says more than their values do."""
    if dialect not in MYSQL:
        return {}
    described = [(str(column[0]), column[1]) for column in cursor.description]
    fields = getattr(getattr(cursor, "_result", None), "fields", None) or [None] * len(described)
    found = {
        name: _mysql(of, getattr(field, "flags", 0), getattr(field, "charsetnr", 0))
        for (name, of), field in zip(described, fields, strict=True)
    }
    return {name: kind for name, kind in found.items() if kind is not None}


def _mysql(of: int, flags: int, charset: int) -> str | None:
    """CHAR is filled up with spaces under the sql_mode PAD_CHAR_TO_FULL_LENGTH; BINARY has the same type."""
    if flags & MYSQL_SET:
        return "set"
    if of == MYSQL_CHAR and charset != MYSQL_BINARY:
        return PADDED
    return MYSQL_KINDS.get(of)


def moments(dialect: str, cursor: Any) -> frozenset[str]:
    """The columns of moments (MySQL's TIMESTAMP, PostgreSQL's timestamptz), not of times of a clock."""
    of = 1184 if dialect == "postgresql" else MYSQL_TIMESTAMP
    return frozenset(str(described[0]) for described in cursor.description if described[1] == of)
