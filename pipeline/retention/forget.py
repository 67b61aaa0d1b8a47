"""Erasing a user: recorded first, so that no night brings the user back, then erased everywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from pipeline.config import IdType, Settings
from pipeline.errors import DamagedFile, NightshelfError, RunBusy, RunError, SettingsError
from pipeline.retention.erase_run import erase
from pipeline.runs.folder import RunFolder, latest
from pipeline.serving import forgotten, schema
from pipeline.source.columns import canonical_uuids

INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
TEXT = re.compile(r"[^\0\n\r]+")
PROMISED: dict[IdType, str] = {
    "integer": "a whole number of 64 bits",
    "text": "one line of text, as the shop writes it",
    "uuid": "a UUID",
}


def forget(
    text: str, settings: Settings, url: str, runs: Path, *, now: datetime, say: Callable[[str], None]
) -> None:
    """Erase the user with the id `text`, and keep that user out of later nights.

    url:  of the serving database
    runs: where this shop's run folders lie

    All that can be erased is, before what cannot be is told: RunBusy where stages or a publisher are
    at work, RunError where a file cannot be read or written. The same again then does the rest.
    Raises SettingsError, with nothing done, when `text` is no id of this shop. Nothing that is said or
    raised holds the id.
    """
    user = user_id(text, settings.ids.user)
    schema.ensure(url, settings, say=say)
    is_new = forgotten.remember(url, settings, user)
    say(f"recorded{'' if is_new else ' before'}: later nights leave this user out")
    undone: list[NightshelfError] = []
    n_found = 0
    try:
        stored = forgotten.erase_stored(url, settings, user)
        n_found += stored.n_rows
        say(f"serving database: {stored.n_rows:,} rows of {stored.n_versions:,} versions erased")
    except NightshelfError as error:
        undone.append(error)
    for path in latest(runs):
        try:
            n_found += _clean(path, user, settings, now, say)
        except NightshelfError as error:
            undone.append(error)
    if undone:
        raise _unfinished(undone)
    if n_found:
        say("the user is erased")
    elif is_new:
        say("nowhere found: look whether the shop writes the id in this way")
    else:
        say("nothing of the user was left")


def user_id(text: str, kind: IdType) -> int | str:
    """An id as the datasets hold it: a number, a text as it is, a UUID in lower case with hyphens.

    Raises SettingsError, which does not show `text`, when it is none of that kind.
    """
    try:
        if not TEXT.fullmatch(text) or not text.encode():
            raise ValueError
        if kind == "integer":
            return _integer(text.strip())
        if kind == "uuid":
            return str(canonical_uuids(pa.array([text.strip()]))[0])
        return text
    except ValueError:
        raise SettingsError(
            "that is no user id of this shop",
            promised=f'{PROMISED[kind]}: [ids] user = "{kind}" in the settings',
            then="give the id as the shop writes it; or mend [ids], or --config",
        ) from None


def _integer(text: str) -> int:
    number = int(text) if INTEGER.fullmatch(text) else None
    if number is None or not -(2**63) <= number < 2**63:
        raise ValueError
    return number


def _clean(path: Path, user: int | str, settings: Settings, now: datetime, say: Callable[[str], None]) -> int:
    """Erase the user from one run folder, if it is of this shop; how many files that changed."""
    folder = _opened(path)
    told = folder.receipt("extract").get("params", {}).get("serving", {})
    here = _as_in(folder, user)
    if here is None or told.get("schema") not in (None, settings.serving.schema_name):
        return 0
    erased = erase(folder, here, now)
    if erased.n_files:
        say(f"{path}: {erased.n_rows:,} rows erased, {erased.n_files:,} files changed")
    return erased.n_files


def _opened(path: Path) -> RunFolder:
    """The run, with the id types that it began with."""
    try:
        ids = json.loads((path / "run.json").read_text(encoding="utf-8"))["ids"]
        return RunFolder.open(path.parent, path.name, {"user": ids["user"], "item": ids["item"]})
    except (OSError, ValueError, KeyError, TypeError):
        raise DamagedFile(f"{path / 'run.json'} is damaged: the run may hold the user") from None


def _as_in(folder: RunFolder, user: int | str) -> int | str | None:
    """The user's id in the type of a run's own ids; None where no such id can be."""
    try:
        found = user_id(str(user), folder.ids["user"])
    except SettingsError:
        return None
    return found if str(found) == str(user) else None


def _unfinished(undone: list[NightshelfError]) -> NightshelfError:
    is_busy = all(error.can_retry for error in undone)
    return (RunBusy if is_busy else RunError)(
        "the user is not erased everywhere yet",
        found="; ".join(f"{error.what} ({error.found})" if error.found else error.what for error in undone),
        promised="every stored version and every run folder without the user",
        then=("wait until they have ended" if is_busy else "mend or delete what is named")
        + ", then the same command again",
    )
