"""Reads a shop's settings: `config.toml`, the form of a run, the environment.

Unknown keys and values out of range are refused by name. `settings` is the schema of the file. No other
module reads the environment.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from pipeline.errors import SettingsError
from pipeline.settings import (
    PRESETS,
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
    "PRESETS",
    "ROOT",
    "Als",
    "Filter",
    "IdType",
    "Ids",
    "LocalServer",
    "Run",
    "Serving",
    "Settings",
    "Source",
    "Split",
    "Weights",
    "child_environment",
    "configured_url",
    "form_schema",
    "form_value",
    "home",
    "is_scheduled",
    "load",
    "path",
    "port",
    "port_variable",
    "runs_folder",
]

LocalServer = Literal["ui", "postgres"]
ROOT = Path(__file__).resolve().parent.parent
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


def form_schema(field: str) -> dict[str, Any]:
    """JSON schema of a field of the form: type, title, description, range or choices."""
    section, name = FORM[field]
    schema = Settings.model_fields[section].annotation.model_json_schema()  # type: ignore[union-attr]
    return {key: value for key, value in schema["properties"][name].items() if key != "default"}


def path() -> Path:
    """The settings file; those of further shops lie beside it (`NIGHTSHELF_CONFIG`: their folder)."""
    return Path(os.environ.get("NIGHTSHELF_CONFIG") or ROOT).absolute() / "config.toml"


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
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(
            f"{file} cannot be read as TOML", found=str(error), then=f"mend {file}"
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
            promised="the names, types and ranges that the comments in config.toml give",
            then=f"edit {file}",
        ) from error


def changed(settings: Settings, section: str, **values: object) -> Settings:
    """The same settings with other values in one section. Raises SettingsError where they are not allowed."""
    sections = settings.model_dump(by_alias=True)
    try:
        return Settings.model_validate({**sections, section: {**sections[section], **values}})
    except ValidationError as error:
        raise SettingsError(
            "a setting that cannot be", found="; ".join(_complaint(e) for e in error.errors()), then="mend it"
        ) from error


def _complaint(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"]) or "settings"
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown setting"
    if isinstance(error["input"], dict):
        return f"{where}: {error['msg'].removeprefix('Value error, ')}"
    return f"{where} = {error['input']!r}: {error['msg'][:1].lower()}{error['msg'][1:]}"


def home() -> Path:
    """Where the embedded server, Airflow and the runs of this checkout live (`NIGHTSHELF_HOME`)."""
    return Path(os.environ.get("NIGHTSHELF_HOME") or ROOT / ".nightshelf").absolute()


def runs_folder(settings: Settings) -> Path:
    """Where the run folders of this shop lie."""
    return home() / settings.run.folder


def configured_url(database: Literal["source", "serving"]) -> str | None:
    """`NIGHTSHELF_SOURCE_URL` or `NIGHTSHELF_SERVING_URL`, else what the file `..._URL_FILE` names holds.

    None: the embedded server is used. Raises SettingsError, which never shows the content of the file, where
    the file cannot be read or is empty.
    """
    name = f"NIGHTSHELF_{database.upper()}_URL"
    url, file = os.environ.get(name), os.environ.get(f"{name}_FILE")
    if url or not file:
        return url or None
    try:
        url, found = Path(file).read_text(encoding="utf-8").strip(), "it is empty"
    except OSError as error:
        found = str(error.strerror)
    except UnicodeDecodeError:
        found = "it is no text"
    if url:
        return url
    raise SettingsError(
        f"{name}_FILE names {file}, which gives no URL",
        found=found,
        promised=f"a file with the URL of the {database} database",
        then=f"mend the file, or set {name}",
    )


def port_variable(server: LocalServer) -> str:
    """The variable that asks for a port of a local server."""
    return f"NIGHTSHELF_{server.upper()}_PORT"


def port(server: LocalServer) -> int | None:
    """`NIGHTSHELF_UI_PORT` or `NIGHTSHELF_POSTGRES_PORT`; None: the remembered port, or a free one."""
    name = port_variable(server)
    text = os.environ.get(name)
    if not text:
        return None
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 65_535:
        raise SettingsError(
            f"{name} is no port",
            found=text,
            promised="a whole number from 1 to 65535",
            then=f"set {name} to a port, or unset it: a free one is then taken",
        )
    return int(text)


def is_scheduled() -> bool:
    """Whether the DAG runs on its schedule; with `NIGHTSHELF_SCHEDULE=off` it runs only when triggered."""
    return os.environ.get("NIGHTSHELF_SCHEDULE") != "off"


def child_environment(without: str, **changes: str) -> dict[str, str]:
    """The environment of a child process: this one's less names that begin with `without`, plus `changes`."""
    return {**{k: v for k, v in os.environ.items() if not k.startswith(without)}, **changes}
