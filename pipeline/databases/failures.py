"""What an error of a database means: one table for both databases and every driver.

PostgreSQL says what went wrong by SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html).
The numbers of MySQL, MariaDB and SQLite for the same things are put as those codes first. A statement that
is itself wrong (no such column, a value that cannot be cast) is not in the table: only the caller knows
whose statement it is.
"""

from __future__ import annotations

import re
import socket
import sqlite3
from typing import NamedTuple

import psycopg
from sqlalchemy import exc

from pipeline import disk
from pipeline.databases.urls import HOW_TO_SET, Database, scrub, shown
from pipeline.errors import (
    DamagedDatabase,
    DiskFull,
    Interrupted,
    LoginRefused,
    NightshelfError,
    Unreachable,
)

AGAIN = "run the same again (Airflow does so by itself)"

LOST, REFUSED, FULL, NO_RIGHT = "08000", "28000", "53100", "42501"
"""SQLSTATE of a lost connection, a refused login, a full disk (where a driver has none), a missing right."""


class Meaning(NamedTuple):
    """An error in words; `{which}` (source, serving), `{url}` and `{set}` (how to set it) are filled in."""

    error: type[NightshelfError]
    what: str
    promised: str = ""
    then: str = AGAIN


UNREACHABLE = Meaning(
    Unreachable, "the {which} database cannot be reached at {url}", "a database that answers", "{set}"
)
LOGIN_REFUSED = Meaning(
    LoginRefused,
    "the {which} database refuses the login {url}",
    "a database of that name, and a login it accepts",
    "{set}",
)
MEANINGS = {
    "08": UNREACHABLE,
    "28": LOGIN_REFUSED,
    "3D": LOGIN_REFUSED,
    "57P": Meaning(Unreachable, "the {which} server at {url} ended the connection", "a server that stays up"),
    "57P04": LOGIN_REFUSED,
    "57014": Meaning(Interrupted, "a statement in the {which} database was cancelled by a person or a tool"),
    "40001": Meaning(
        Interrupted,
        "the {which} database cancelled a statement that stood in the way of others",
        "a standby lets long reads end with hot_standby_feedback or max_standby_streaming_delay",
    ),
    "40P01": Meaning(Interrupted, "the {which} database ended a statement to undo a deadlock"),
    "55P03": Meaning(
        Interrupted,
        "a lock in the {which} database was not free in time",
        then="the same again when whoever holds it has ended (Airflow tries by itself)",
    ),
    "53": Meaning(
        Interrupted, "the {which} server has no room for a statement", "free memory and a free connection"
    ),
    "53100": Meaning(
        DiskFull,
        "no room on the volume of the {which} database",
        "what was there before is untouched",
        "make room there, then run the same again",
    ),
    "53300": Meaning(Unreachable, "the {which} server at {url} has no connection left", "a free connection"),
    "25006": Meaning(
        Interrupted,
        "the {which} database takes no writes at the moment",
        "a primary; during a failover every server is read-only for a while",
        "run the same again after the failover (Airflow does so by itself); where that is no help, {set}",
    ),
    "25P": Meaning(Interrupted, "the {which} server ended a transaction that it found too long"),
    "72000": Meaning(Interrupted, "the {which} database has dropped the snapshot that was being read"),
    "XX001": Meaning(
        DamagedDatabase,
        "the {which} server reports damaged data",
        then="have whoever runs that server look at its log; nothing here can mend it",
    ),
    "XX002": Meaning(
        DamagedDatabase,
        "the {which} server reports a damaged index",
        then="REINDEX the index that is named, as whoever runs that server",
    ),
}
"""Beginnings of SQLSTATE codes -> what they mean; the longest one that fits counts."""

MYSQL = {
    **dict.fromkeys((1044, 1045, 1130, 1698), "28000"),
    1049: "3D000",
    **dict.fromkeys((1040, 1203, 1226), "53300"),
    **dict.fromkeys((1037, 1038, 1041), "53200"),
    **dict.fromkeys((3, 1021, 1114), "53100"),
    **dict.fromkeys((1053, 1927, 3169, 4031), "57P01"),
    **dict.fromkeys((2002, 2003, 2005, 2006, 2012, 2013, 2055, 1152, 1158, 1159, 1160, 1161), "08006"),
    **dict.fromkeys((1028, 1317, 1969, 3024), "57014"),
    **dict.fromkeys((1099, 1205, 3572), "55P03"),
    1020: "40001",
    1213: "40P01",
    **dict.fromkeys((1142, 1143, 1370), NO_RIGHT),
    **dict.fromkeys((1290, 1792, 1836), "25006"),
    **dict.fromkeys((1034, 1194, 1195), "XX001"),
}
"""Numbers of MySQL's and MariaDB's servers and clients -> the SQLSTATE that PostgreSQL has for the same."""

SQLITE = {
    sqlite3.SQLITE_BUSY: "55P03",
    sqlite3.SQLITE_LOCKED: "55P03",
    sqlite3.SQLITE_INTERRUPT: "57014",
    sqlite3.SQLITE_FULL: "53100",
    sqlite3.SQLITE_NOMEM: "53200",
    sqlite3.SQLITE_READONLY: "28000",
    sqlite3.SQLITE_CANTOPEN: "28000",
    sqlite3.SQLITE_PERM: "28000",
    sqlite3.SQLITE_NOTADB: "28000",
    sqlite3.SQLITE_CORRUPT: "XX001",
}
"""SQLite's primary result codes -> the SQLSTATE that PostgreSQL has for the same."""

DUCKDB = {
    "Could not set lock on file": "55P03",
    "Out of Memory Error": "53200",
    "No space left on device": FULL,
    "INTERRUPT Error": "57014",
}
"""Words in DuckDB's messages, which has no codes -> the SQLSTATE that PostgreSQL has for the same."""

REFUSED_WORDS = re.compile(
    r'authentication failed|no password supplied|(role|database) ".*" does not exist|pg_hba\.conf'
    r"|is not permitted to log in|permission denied"
)
"""libpq does not pass on the SQLSTATE of a failed connect, so its message is read. The messages of a server
in another language than English do not match: they become Unreachable, which is retried."""


def named(error: BaseException, url: str, which: Database) -> NightshelfError | None:
    """The error as a NightshelfError without the password; None where the statement itself is at fault."""
    meaning = _meaning(sqlstate(error))
    if meaning is None:
        return None
    names = {"which": which, "url": shown(url), "set": HOW_TO_SET[which]}
    return meaning.error(
        meaning.what.format(**names),
        found=words(error, url),
        promised=meaning.promised.format(**names),
        then=meaning.then.format(**names),
    )


def sqlstate(error: BaseException) -> str:
    """The SQLSTATE of what a driver raised; empty where it gives none and none can be put."""
    if isinstance(error, exc.DBAPIError):
        state = sqlstate(error.orig) if error.orig is not None else ""
        is_lost = error.connection_invalidated or (
            error.statement is None and _is_operational(error.orig) and not _is_of_a_text(error.orig)
        )
        return state or ((REFUSED if _is_of_duckdb(error.orig) else LOST) if is_lost else "")
    if isinstance(error, psycopg.Error):
        return _postgresql(error)
    if _is_of_duckdb(error):
        return next((state for sign, state in DUCKDB.items() if sign in str(error)), "")
    if isinstance(error, sqlite3.Error):
        return SQLITE.get((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF, "")
    number = next(iter(getattr(error, "args", ())), None)
    if isinstance(number, int) and number in MYSQL and _is_of_mysql(error):
        return MYSQL[number]
    if isinstance(error, ConnectionError | TimeoutError | socket.gaierror):
        return LOST
    return ""


def words(error: BaseException, url: str) -> str:
    """The message of what a driver raised, in one line of at most 500 characters, without the password."""
    cause = error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
    text = " ".join(scrub(str(cause), url).split())[:500]
    return text or type(cause).__name__


def _postgresql(error: psycopg.Error) -> str:
    if error.sqlstate is not None:
        return error.sqlstate
    if not isinstance(error, psycopg.OperationalError):
        return ""
    if disk.is_full(str(error)):
        return FULL
    return REFUSED if REFUSED_WORDS.search(str(error)) else LOST


def _is_operational(error: BaseException | None) -> bool:
    """Whether a driver calls it an OperationalError: by the DB-API not the program's fault."""
    return any(kind.__name__ == "OperationalError" for kind in type(error).__mro__)


def _is_of_a_text(error: BaseException | None) -> bool:
    """Whether Python could not read a text of SQLite's as UTF-8: SQLite itself has a code for its errors."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", None) is None


def _is_of_mysql(error: BaseException) -> bool:
    return (
        any(kind.__name__ == "MySQLError" for kind in type(error).__mro__)
        or "mysql" in type(error).__module__.lower()
    )


def _is_of_duckdb(error: BaseException | None) -> bool:
    """Whether DuckDB raised it: a file that it cannot open will not open the next time either."""
    return type(error).__module__ == "_duckdb"


def _meaning(state: str) -> Meaning | None:
    fitting = [beginning for beginning in MEANINGS if state.startswith(beginning)]
    return MEANINGS[max(fitting, key=len)] if fitting else None
