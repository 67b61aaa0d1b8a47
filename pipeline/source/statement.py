"""One statement of `sql/source/`, as the shop wrote it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from pipeline.config import ROOT
from pipeline.errors import SourceError
from pipeline.source.columns import Shape

WINDOW = ("window_start", "window_end")
TOKEN = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`)|--[^\n]*|/\*.*?\*/""", re.DOTALL)


@dataclass(frozen=True)
class Statement:
    """The statement without comments (a `:name` in one would be bound), and what it must return."""

    sql: str
    shape: Shape

    def around(self, outer: str = "SELECT * FROM ({}) rows_of_source") -> sa.TextClause:
        """The statement in the place of `{}` in `outer`."""
        return sa.text(outer.replace("{}", f"\n{self.sql}\n"))

    @property
    def text(self) -> sa.TextClause:
        return sa.text(self.sql)


def path(folder: str, name: str) -> Path:
    """Where the statement of a dataset lies; a relative folder is one of this checkout."""
    return ROOT / folder / f"{name}.sql"


def read(shape: Shape) -> Statement:
    """Read `shape.file`.

    Raises SourceError when there is none, when it is empty, or when `events.sql` does not bind
    exactly `:window_start` and `:window_end`, which would read too much or fail in mid-night.
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
    sql = TOKEN.sub(lambda found: found.group(1) or " ", text).strip().rstrip(";").strip()
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
