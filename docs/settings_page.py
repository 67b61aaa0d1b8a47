"""Writes docs/settings.md and config.toml from what the settings say of themselves: `make docs`.

A value that config.toml has stays, comments of your own do not; a setting that does not exist ends it before
anything is written. tests/settings holds both files to what this module makes.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pipeline import config
from pipeline.environment import Environment, variable
from pipeline.errors import SettingsError
from pipeline.settings import Settings

PAGE = Path(__file__).parent / "settings.md"
CONFIG = Path(__file__).parent.parent / "config.toml"
PAGE_HEAD = """# Settings

*For whoever sets up or tunes a shop and looks for the meaning, the range or the default of a setting.*

`config.toml` holds the settings of a shop, each further `config.<shop>.toml` those of another one. A setting
that the file leaves out has its default. An unknown name, another type or a value out of range is refused
before anything starts. The form of a run in Airflow, and the flags of `python -m pipeline run`, change
`run.window_days`, `run.repeat_purchases`, `tune.mode` and `tune.trials` for that run only.

This page is made from `pipeline/settings/` by `make docs`.
"""
TOML_HEAD = """\
# Every setting of a shop with its default; brackets give what it may be. An unknown name or a value out of
# range is refused. docs/settings.md is the same as a page. More shops: config.<shop>.toml beside this file,
# each with a DAG recommendations__<shop>; without Airflow, --config.
"""
ENVIRONMENT_HEAD = """\
Where things are on this machine is no setting of a shop: it comes from the environment. An empty variable
counts as unset.
"""
COMMENT_COLUMN = 34


def page() -> str:
    """docs/settings.md."""
    parts = [PAGE_HEAD]
    for name, section in _sections():
        rows = ["| setting | default | may be | what it is |", "| --- | --- | --- | --- |"]
        for key, schema in _properties(section):
            default = f"`{json.dumps(schema['default'])}`"
            cells = (f"`{name}.{key}`", default, _kind(schema), schema["description"])
            rows.append(f"| {' | '.join(cells)} |")
        parts.append(f"## {name}\n\n{section.__doc__}\n\n" + "\n".join(rows) + "\n")
    return "\n".join([*parts, _environment()])


def config_toml(values: Mapping[str, Mapping[str, object]] | None = None) -> str:
    """A settings file with every setting and what it is.

    values: by section and name, those that are not the default
    """
    parts = [TOML_HEAD]
    for name, section in _sections():
        lines = [f"# {section.__doc__}", f"[{name}]"]
        for key, schema in _properties(section):
            value = (values or {}).get(name, {}).get(key, schema["default"])
            setting = f"{key} = {json.dumps(value, ensure_ascii=False)}"
            lines.append(f"{setting + ' ':{COMMENT_COLUMN}}# {schema['description']}{_bracket(schema)}")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _environment() -> str:
    """The variables that are read, as a table."""
    rows = ["| variable | what it is |", "| --- | --- |"]
    for name, field in Environment.model_fields.items():
        rows.append(f"| `{variable(name)}` | {str(field.description).replace('<', '&lt;')} |")
    return f"## Environment variables\n\n{ENVIRONMENT_HEAD}\n" + "\n".join(rows) + "\n"


def _sections() -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in Settings.model_fields.items():
        section = field.annotation
        assert isinstance(section, type)
        assert issubclass(section, BaseModel)
        yield name, section


def _properties(section: type[BaseModel]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each setting's name in the file and its JSON schema."""
    yield from section.model_json_schema(by_alias=True)["properties"].items()


def _kind(schema: dict[str, Any]) -> str:
    """What values there may be, in words."""
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if "anyOf" in schema:
        return ", or ".join(_kind(one) for one in schema["anyOf"])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "prefixItems" in schema:
        return f"low and high: {_kind(schema['prefixItems'][0])}"
    if "enum" in schema.get("items", {}):
        return f"list of {_kind(schema['items'])}"
    words = {
        "integer": "whole number",
        "number": "number",
        "boolean": "`true`, `false`",
        "string": "text",
        "array": "list of texts",
    }
    return ", ".join(part for part in (words[schema["type"]], _range(schema)) if part)


def _bracket(schema: dict[str, Any]) -> str:
    """What values there may be, as a comment ends."""
    if "enum" in schema:
        return f" ({', '.join(json.dumps(value) for value in schema['enum'])})"
    if "anyOf" in schema:
        may_be = (json.dumps(one["const"]) if "const" in one else _range(one) for one in schema["anyOf"])
        return f" ({', or '.join(may_be)})"
    if "enum" in schema.get("items", {}):
        return _bracket(schema["items"])
    span = _range(schema["prefixItems"][0] if "prefixItems" in schema else schema)
    return f" ({span})" if span else ""


def _range(schema: dict[str, Any]) -> str:
    """`1 to 365`, `above 0, to 1440`, `above 0, below 0.5`, `1 or more`; empty where there is none."""
    if "exclusiveMinimum" in schema:
        low = f"above {schema['exclusiveMinimum']:g},"
    elif "minimum" in schema:
        low = f"{schema['minimum']:g}"
    else:
        return ""
    if "exclusiveMaximum" in schema:
        return f"{low} below {schema['exclusiveMaximum']:g}"
    return f"{low} to {schema['maximum']:.10g}" if "maximum" in schema else f"{low} or more"


def main() -> None:
    """Write both files. Ends with the error of `config.load` where config.toml is no settings file."""
    try:
        config.load(CONFIG)
    except SettingsError as error:
        sys.exit(str(error))
    PAGE.write_text(page(), encoding="utf-8")
    chosen = tomllib.loads(CONFIG.read_text(encoding="utf-8"))
    CONFIG.write_text(config_toml(chosen), encoding="utf-8")


if __name__ == "__main__":
    main()
