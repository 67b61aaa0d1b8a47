"""What a stage is given, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pipeline.config import Settings
from pipeline.runs.folder import RunFolder
from pipeline.runs.kept import NOT_KEPT, Kept

Counts = dict[str, int | float | str]


@dataclass(frozen=True)
class Databases:
    """The two ends. The URLs hold passwords and are never printed: neither `repr` nor `str` shows them."""

    source: Callable[[], str] = field(repr=False)
    serving: Callable[[], str] = field(repr=False)


@dataclass(frozen=True)
class Job:
    """What a stage is given. It reads neither clock nor environment.

    now:    the clock when the stage began, UTC
    say:    one line of progress for a person (terminal, task log)
    force:  publish although the gate refuses (recorded)
    config: the settings file, which what is proposed next has to name; None: config.toml
    files:  what `events`, `items` and `users` are read from, where that is not the SQL of [source]
    kept:   what the stage worked out in an attempt before, and keeps for the next one
    """

    folder: RunFolder
    settings: Settings
    databases: Databases
    now: datetime
    say: Callable[[str], None]
    force: bool = False
    config: Path | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    kept: Kept = NOT_KEPT

    def file_of(self, dataset: str) -> str:
        """The file that a person edits to change what `dataset` holds: `sql/source/users.sql`."""
        return self.files.get(dataset, f"{self.settings.source.sql}/{dataset}.sql")
