"""The stored versions as words to choose from, for the form of the DAG `rollback`.

A form is drawn without asking a database, so every publication and rollback leaves what it saw in
`<runs>/publications.<schema>.json`. The file only proposes: what can be put back is decided in the database.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import Settings, runs_folder
from pipeline.errors import NightshelfError, SettingsError

if TYPE_CHECKING:
    from pipeline.serving import Stored

FILE = "publications.{}.json"
ELIGIBLE = ("live", "stored", "held back")


def words(stored: Stored) -> str:
    """`version 5, stored: as of 2026-11-20 00:00, Precision@3 0.0288, run a`; `number` reads it back."""
    measured = "not measured" if stored.precision_at_3 is None else f"{stored.precision_at_3:.4f}"
    until = f"{stored.as_of:%Y-%m-%d %H:%M}"
    return (
        f"version {stored.version}, {stored.state}: as of {until}, Precision@3 {measured},"
        f" run {stored.run_id}"
    )


def number(text: str | int | None) -> int | None:
    """The version that a person chose: `5`, or the words of `words`; None for an empty field.

    Raises SettingsError for anything else.
    """
    told = str("" if text is None else text).strip().removeprefix("version ").split(",")[0].strip()
    if not told:
        return None
    if not told.isdecimal() or int(told) >= 2**63:
        raise SettingsError(
            f"`{text}` is no version",
            promised="a number such as 5, or one of the proposals of the form; empty: what was live before",
            then="python -m pipeline publications lists the stored versions",
        )
    return int(told)


def remember(url: str, settings: Settings, say: Callable[[str], None]) -> None:
    """Leave the versions that can be put back, the newest first. What was done stands if this fails."""
    from pipeline.runs.files import write_json
    from pipeline.serving import publications

    try:
        stored, _ = publications(url, settings)
        proposals = [words(row) for row in reversed(stored) if row.state in ELIGIBLE]
        write_json(file_of(settings), {"versions": proposals})
    except NightshelfError as error:
        say(f"the form of the DAG rollback proposes old versions for now: {error}")


def file_of(settings: Settings) -> Path:
    """Where the proposals of a shop lie."""
    return runs_folder(settings) / FILE.format(settings.serving.schema_name)


def remembered(settings: Settings) -> list[str]:
    """What `remember` left; empty before the first publication."""
    try:
        found: list[str] = json.loads(file_of(settings).read_text(encoding="utf-8"))["versions"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return found
