"""Reads a shop's settings: `config.toml` and the form of a run.

Unknown keys and values out of range are refused by name. `settings` is the schema of the file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline import environment
from pipeline.errors import SettingsError, shortened
from pipeline.settings import (
    MOST_TEST_DAYS,
    PRESETS,
    Alerts,
    Als,
    Filter,
    Ids,
    IdType,
    Run,
    Serving,
    Settings,
    Source,
    Split,
    Weights,
)

__all__ = [
    "FORM",
    "MOST_TEST_DAYS",
    "PRESETS",
    "ROOT",
    "Als",
    "Filter",
    "IdType",
    "Ids",
    "Run",
    "Serving",
    "Settings",
    "Source",
    "Split",
    "Weights",
    "form_schema",
    "form_value",
    "home",
    "load",
    "path",
    "runs_folder",
]

ROOT = Path(__file__).resolve().parent.parent
CHANNELS = ("webhook", "slack", "smtp", "email_to")
ALERTS = re.compile(r"^[ \t]*\[alerts\].*?(?=^[ \t]*\[\[?[A-Za-z_]|\Z)", re.MULTILINE | re.DOTALL)
"""The lines of the section [alerts] of a settings file, whatever is wrong with the others."""
FORM: dict[str, tuple[str, str]] = {
    "window_days": ("run", "window_days"),
    "repeat_purchases": ("run", "repeat_purchases"),
    "tune": ("tune", "mode"),
    "trials": ("tune", "trials"),
}
"""Fields of the form (and of `run.json`) -> the setting each one overrides for a single run."""


def form_value(settings: Settings, field: str) -> object:
    """The value that `settings` has for a field of the form."""
    section, name = FORM[field]
    return getattr(getattr(settings, section), name)


@cache
def form_schema(field: str) -> dict[str, Any]:
    """JSON schema of a field of the form: type, title, description, range or choices."""
    section, name = FORM[field]
    schema = Settings.model_fields[section].annotation.model_json_schema()  # type: ignore[union-attr]
    return {key: value for key, value in schema["properties"][name].items() if key != "default"}


def path() -> Path:
    """The settings file; those of further shops lie beside it (`NIGHTSHELF_CONFIG`: their folder)."""
    return (environment.read().config or ROOT).absolute() / "config.toml"


def load(file: Path | None = None, overrides: Mapping[str, object] | None = None) -> Settings:
    """Read and check `file` (default: config.toml); `overrides` are form fields (see FORM) that win over it.

    Raises SettingsError naming every unknown key, wrong type and value out of range at once.
    """
    file = file or path()
    try:
        text = file.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except FileNotFoundError as error:
        raise SettingsError(
            f"no settings file {file}", then="pass --config FILE, or restore config.toml"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(
            f"{file} cannot be read as TOML", found=_why_not(error), then=f"mend {file}"
        ) from error
    for field, value in (overrides or {}).items():
        if field not in FORM:
            raise SettingsError(
                f"unknown form field `{field}`",
                promised=", ".join(FORM),
                then="leave it out and trigger again",
            )
        section, name = FORM[field]
        if not isinstance(values.setdefault(section, {}), dict):
            raise SettingsError(f"`{section}` must be a table in {file}", then=f"mend {file}")
        values[section] = {**values[section], name: value}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(
            f"{file.name} has {error.error_count()} setting(s) that cannot be",
            found="; ".join(_complaint(e) for e in error.errors()),
            promised="the names, types and ranges in docs/settings.md",
            then=f"edit {file}",
        ) from error


def alerts_alone(file: Path) -> Alerts:
    """The [alerts] of a settings file that cannot be used as a whole, as far as that section can be.

    Where the file is no TOML, the lines of the section are read alone. Nothing is raised: this is for telling
    people that the file is broken.
    """
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Alerts()
    for part in (text, *(section[0] for section in ALERTS.finditer(text))):
        for names in (Alerts.model_fields, CHANNELS):
            with suppress(tomllib.TOMLDecodeError, ValidationError, TypeError):
                values = tomllib.loads(part).get("alerts", {})
                found = Alerts.model_validate({name: values[name] for name in names if name in values})
                if found != Alerts():
                    return found
    return Alerts()


def changed(settings: Settings, section: str, **values: object) -> Settings:
    """The same settings with other values in one section. Raises SettingsError where they are not allowed."""
    sections = settings.model_dump(by_alias=True)
    try:
        return Settings.model_validate({**sections, section: {**sections[section], **values}})
    except ValidationError as error:
        raise SettingsError(
            "a setting that cannot be", found="; ".join(_complaint(e) for e in error.errors()), then="mend it"
        ) from error


def _why_not(error: Exception) -> str:
    """What keeps a file from being read; tomllib passes on what Python says of too long a number."""
    if isinstance(error, RecursionError):
        return "arrays or tables are nested too deep"
    if isinstance(error, OSError | UnicodeDecodeError | tomllib.TOMLDecodeError):
        return str(error)
    return f"it holds what is no value: {error}"


def _complaint(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"]) or "settings"
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown setting"
    if isinstance(error["input"], dict):
        return f"{where}: {error['msg'].removeprefix('Value error, ')}"
    return f"{where} = {_given(error['input'])}: {error['msg'][:1].lower()}{error['msg'][1:]}"


def _given(value: object) -> str:
    """The value that was given, short; Python refuses to write very long numbers."""
    try:
        return shortened(repr(value))
    except ValueError:
        return "a number of more than 4,000 digits"


def home() -> Path:
    """Where the embedded server, Airflow and the runs of this checkout live (`NIGHTSHELF_HOME`)."""
    return (environment.read().home or ROOT / ".nightshelf").absolute()


def runs_folder(settings: Settings) -> Path:
    """Where the run folders of this shop lie."""
    return home() / settings.run.folder
