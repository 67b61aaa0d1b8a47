"""The stored versions that the form of the DAG `rollback` proposes.

Airflow draws a form without asking a database, so every publication and rollback saves the choices to
`<runs>/publications.<schema>.json`. The file only proposes: the database decides what can be put back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import Settings, runs_folder
from pipeline.errors import NightshelfError, SettingsError, shortened

if TYPE_CHECKING:
    from pipeline.serving import Stored

FILE = "publications.{}.json"
VERSION = re.compile("[0-9]{1,19}")
ELIGIBLE = ("live", "stored", "held back")
MAX_VERSION = 2**63 - 1
"""The greatest bigint of PostgreSQL."""


def choice(stored: Stored) -> str:
    """A stored publication as one line of the form, which `version_of` reads back.

    `version 5, stored: as of 2026-11-20 00:00, Precision@3 0.0288, run a`
    """
    from pipeline.serving.tables import measured

    return (
        f"version {stored.version}, {stored.state}: as of {stored.as_of:%Y-%m-%d %H:%M},"
        f" Precision@3 {measured(stored) or 'not measured'}, run {stored.run_id}"
    )


def version_of(text: str | float | None) -> int | None:
    """The version that a person chose: a number such as `5`, or a line of `choice`; None for an empty field.

    Raises SettingsError for anything else.
    """
    if isinstance(
        text, float
    ):  # JSON knows one kind of number, and Airflow's schema takes 5.0 for a whole one
        text = int(text) if text.is_integer() else str(text)
    if isinstance(text, int):
        version = text
    else:
        digits = (text or "").strip().removeprefix("version ").split(",")[0].strip()
        if not digits:
            return None
        version = int(digits) if VERSION.fullmatch(digits) else -1
    if not 0 <= version <= MAX_VERSION:
        given = "a longer number" if isinstance(text, int) and abs(version) > MAX_VERSION else f"`{text}`"
        raise SettingsError(
            f"{shortened(given)} is no version",
            promised="a number such as 5, or one of the proposals of the form; empty: what was live before",
            then="python -m pipeline publications lists the stored versions",
        )
    return version


def save_choices(url: str, settings: Settings, say: Callable[[str], None]) -> None:
    """Save a choice for each version that can be put back, the newest first.

    A NightshelfError is logged and not raised: the publication or rollback before this call is done.
    """
    from pipeline.runs.files import write_json
    from pipeline.serving import publications

    try:
        stored, _ = publications(url, settings)
        choices = [choice(publication) for publication in reversed(stored) if publication.state in ELIGIBLE]
        write_json(choices_file(settings), {"versions": choices})
    except NightshelfError as error:
        say(f"the form of the DAG rollback proposes old versions for now: {error}")


def saved_choices(settings: Settings) -> list[str]:
    """What `save_choices` saved; empty before the first publication, or where the file is damaged."""
    try:
        choices: list[str] = json.loads(choices_file(settings).read_text(encoding="utf-8"))["versions"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return choices


def choices_file(settings: Settings) -> Path:
    """Where the choices of a shop are saved."""
    return runs_folder(settings) / FILE.format(settings.serving.schema_name)
