"""Erases a user: records the user first, so that later runs leave the user out, then erases all data."""

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
from pipeline.source.values import canonical_uuids

INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
TEXT = re.compile(r"[^\0\n\r]+")
PROMISED: dict[IdType, str] = {
    "integer": "a whole number of 64 bits",
    "text": "one line of text, as the shop writes it",
    "uuid": "a UUID",
}


def forget(
    text: str,
    settings: Settings,
    url: str,
    runs: Path,
    redis_url: str | None = None,
    *,
    now: datetime,
    say: Callable[[str], None],
) -> None:
    """Erase the user with the id `text`, and keep that user out of later nights.

    url:  of the serving database
    runs: where this shop's run folders lie
    redis_url: of the Redis server that lists are copied to; None: they are not

    Raises SettingsError, with nothing done, where `text` is no id of this shop. A failure in one place does
    not stop the others; at the end it is raised as RunBusy (a stage or a publisher is at work) or RunError
    (a file cannot be read or written), and the same command again erases the rest. No message holds the id.
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
    if redis_url is None and settings.redis.connection:
        say(
            "Redis: NIGHTSHELF_REDIS_URL is not set here; the next run of the DAG export_redis leaves the"
            f" user out, and what was copied before ends {settings.redis.keep_minutes} minutes later"
        )
    if redis_url:
        try:
            n_found += _clean_redis(redis_url, settings, user, say)
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
    """The id as the datasets hold it: a number, an unchanged text, a UUID in lower case with hyphens.

    Raises SettingsError, which does not show `text`, where it is no id of that type.
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


def _clean_redis(redis_url: str, settings: Settings, user: int | str, say: Callable[[str], None]) -> int:
    from pipeline.export.redis import erase as erase_in_redis

    n_keys = erase_in_redis(redis_url, settings, user)
    say(f"Redis: {n_keys:,} keys erased or mended")
    return n_keys


def _clean(path: Path, user: int | str, settings: Settings, now: datetime, say: Callable[[str], None]) -> int:
    """Erase the user from one run folder, if it is one of this shop; returns the number of files changed."""
    folder = _opened(path)
    serving = folder.receipt("extract").get("params", {}).get("serving", {})
    run_user = _id_in(folder, user)
    if run_user is None or serving.get("schema") not in (None, settings.serving.schema_name):
        return 0
    erased = erase(folder, run_user, now)
    if erased.n_files:
        say(f"{path}: {erased.n_rows:,} rows erased, {erased.n_files:,} files changed")
    return erased.n_files


def _opened(path: Path) -> RunFolder:
    """The run, with the id types that it was made with. Raises DamagedFile where run.json cannot be read."""
    try:
        ids = json.loads((path / "run.json").read_text(encoding="utf-8"))["ids"]
        return RunFolder.open(path.parent, path.name, {"user": ids["user"], "item": ids["item"]})
    except (OSError, ValueError, KeyError, TypeError):
        raise DamagedFile(f"{path / 'run.json'} is damaged: the run may hold the user") from None


def _id_in(folder: RunFolder, user: int | str) -> int | str | None:
    """The user's id in the id type of the run; None where that type cannot hold it."""
    try:
        run_user = user_id(str(user), folder.ids["user"])
    except SettingsError:
        return None
    return run_user if str(run_user) == str(user) else None


def _unfinished(undone: list[NightshelfError]) -> NightshelfError:
    is_busy = all(error.can_retry for error in undone)
    return (RunBusy if is_busy else RunError)(
        "the user is not erased everywhere yet",
        found="; ".join(f"{error.what} ({error.found})" if error.found else error.what for error in undone),
        promised="every stored version and every run folder without the user",
        then=("wait until what is named has ended or answers" if is_busy else "mend or delete what is named")
        + ", then the same command again",
    )
