"""Reads one statement of `sql/source/`, as the shop wrote it, and checks the names that it binds."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from pipeline.config import ROOT
from pipeline.errors import SourceError
from pipeline.source.columns import Shape

WINDOW = ("window_start", "window_end")
"""The names that `events.sql` binds: the ends of the window."""

ALSO = re.compile(r"^[ \t]*-- also, where ([\w.]+) has them: (\w+(?:, *\w+)*)[ \t]*$", re.MULTILINE)
"""A comment that stands for further columns: those of the names in group 2 that the table of group 1 has."""

ALL_BUT = re.compile(r"^[ \t]*-- also, all columns of ([\w.]+) but (\w+(?:, *\w+)*)[ \t]*$", re.MULTILINE)
"""A comment that stands for all columns that the table of group 1 has beyond those of group 2."""

ONLY = re.compile(r"^[ \t]*-- only where there is a table ([\w.]+)[ \t]*$", re.MULTILINE)
"""A comment that says that the statement is left out where the shop has no table of the name in group 1."""

TOKEN = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`)|--[^\n]*|/\*.*?\*/""", re.DOTALL)
"""A quoted text or name (group 1, kept) or a comment (removed)."""


@dataclass(frozen=True)
class Statement:
    """A statement without its comments, in which a `:name` would be bound too, and what it must return."""

    sql: str
    shape: Shape

    def around(self, outer: str) -> sa.TextClause:
        """`outer` with the statement in place of `{}`."""
        return sa.text(outer.replace("{}", f"\n{self.sql}\n"))

    @property
    def text(self) -> sa.TextClause:
        """The statement alone, ready to execute."""
        return sa.text(self.sql)


def path(folder: str, name: str) -> Path:
    """The file of a dataset's statement; a relative folder is one of this checkout."""
    return ROOT / folder / f"{name}.sql"


def needed_tables(folder: str, name: str) -> list[str]:
    """The tables without which the statement is left out, by its comments `only where there is a table ...`.

    None of a file that cannot be read: `read` says what is wrong with it.
    """
    try:
        return ONLY.findall(path(folder, name).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return []


def read(shape: Shape, columns_of: Callable[[str], Collection[str]]) -> Statement:
    """Read `shape.file`.

    columns_of: the names of a table's columns, which the comments ALSO and ALL_BUT ask for

    Raises SourceError where the file cannot be read or is empty, and where `events.sql` does not bind
    exactly `:window_start` and `:window_end`: it would read too much, or fail in the middle of a run.
    """
    file = ROOT / shape.file
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(
            f"{shape.file} cannot be read",
            found="no such file" if isinstance(error, FileNotFoundError) else str(error),
            promised=f"a SELECT that returns {', '.join(shape.dataset.columns)}",
            then=f"write {shape.file}, or set [source] sql in config.toml to the folder that has it",
        ) from error
    text = ALSO.sub(lambda also: _selected(also[2], columns_of(also[1])), text)
    text = ALL_BUT.sub(
        lambda also: _others(also[2], columns_of(also[1]), shape.dialect, shape.dataset.columns), text
    )
    sql = TOKEN.sub(lambda token: token.group(1) or " ", text).strip().rstrip(";").strip()
    wanted = set(WINDOW) if shape.dataset.name == "events" else set()
    bound = set(sa.text(sql).compile().params)
    if not sql or bound != wanted:
        raise SourceError(
            f"{shape.file} binds other names than it is given" if sql else f"{shape.file} is empty",
            found=", ".join(f":{name}" for name in sorted(bound)) or "no bound names",
            promised=" and ".join(f":{name}" for name in WINDOW) if wanted else "none; write a colon as \\:",
            then=shape.then,
        )
    return Statement(sql, shape)


def _selected(names: str, there: Collection[str]) -> str:
    """SQL that goes on a list of columns with those of `names` that are there."""
    return "".join(f", {name} AS {name}" for name in re.findall(r"\w+", names) if name in there)


def _others(names: str, there: Collection[str], dialect: str, taken: Collection[str]) -> str:
    """SQL that goes on a list of columns with all of those that are there but `names`, and `taken`."""
    known = {name.lower() for name in (*re.findall(r"\w+", names), *taken)}
    return "".join(f", {quoted(dialect, name)}" for name in there if name.lower() not in known)


def quoted(dialect: str, name: str) -> str:
    """A name of any characters, in SQL whose bound names begin with a colon."""
    sign = "`" if dialect in ("mysql", "mariadb") else '"'
    return sign + name.replace(sign, sign * 2).replace(":", r"\:") + sign
