"""The settings, config.toml and docs/settings.md say the same of each setting."""

from __future__ import annotations

import re
import tomllib

import pytest
from pydantic import BaseModel

from docs.settings_page import PAGE, config_toml, page
from pipeline.config import ROOT
from pipeline.environment import Environment, variable
from pipeline.settings import Settings

SECTIONS: dict[str, type[BaseModel]] = {
    name: field.annotation  # type: ignore[misc]
    for name, field in Settings.model_fields.items()
}
CONFIG = ROOT / "config.toml"


def test_config_toml_says_every_default() -> None:
    assert tomllib.loads(CONFIG.read_text(encoding="utf-8")) == Settings().model_dump(
        mode="json", by_alias=True
    )


def test_config_toml_says_what_every_setting_is_and_may_be() -> None:
    assert CONFIG.read_text(encoding="utf-8").splitlines() == config_toml().splitlines()


def test_writing_config_toml_again_keeps_the_values_of_the_shop() -> None:
    chosen = {"run": {"seed": 7}, "ids": {"user": "text"}, "tune": {"factors": [8, 16]}}
    values = Settings().model_dump(mode="json", by_alias=True)
    for section, changes in chosen.items():
        values[section].update(changes)
    assert tomllib.loads(config_toml(chosen)) == values


def test_the_page_is_what_the_settings_say_of_themselves() -> None:
    assert PAGE.read_text(encoding="utf-8").splitlines() == page().splitlines(), "next: make docs"


@pytest.mark.parametrize("name", SECTIONS)
def test_every_setting_is_explained(name: str) -> None:
    section = SECTIONS[name]
    assert (section.__doc__ or "").endswith(".")
    assert "\n" not in (section.__doc__ or "")
    for key, field in section.model_fields.items():
        assert field.description, f"{name}.{key}"


def test_every_setting_is_read_by_the_code() -> None:
    """As an attribute, or by a statement as `$name`: a setting that nothing reads would promise in vain."""
    files = [
        path
        for folder, kind in (("pipeline", "py"), ("dags", "py"), ("sql", "sql"))
        for path in sorted((ROOT / folder).rglob(f"*.{kind}"))
        if not path.is_relative_to(ROOT / "pipeline" / "settings")
    ]
    code = "\n".join(path.read_text(encoding="utf-8") for path in files)
    read = set(re.findall(r"[.$]([a-z0-9_]+)", code))
    for name, section in SECTIONS.items():
        assert set(section.model_fields) <= read, name


@pytest.mark.parametrize("name", SECTIONS)
def test_the_page_has_a_row_for_every_setting_with_its_default_and_range(name: str) -> None:
    rows = [line for line in page().splitlines() if line.startswith(f"| `{name}.")]
    assert len(rows) == len(SECTIONS[name].model_fields)


def test_the_page_has_a_row_for_every_variable() -> None:
    rows = re.findall(r"^\| `(NIGHTSHELF_\w+)` \| \S", page(), re.M)
    assert rows == [variable(name) for name in Environment.model_fields]


@pytest.mark.parametrize(
    "row",
    [
        "| `run.seed` | `0` | whole number, 0 to 2147483647 | seed of everything random |",
        "| `alerts.email_to` | `[]` | list of texts | addresses that get the e-mail |",
        "| `filter.min_events` | `1` | whole number, 1 or more | users with fewer events are left out |",
        "| `tune.iterations` | `[5, 20]` | low and high: whole number, 1 to 200 | range that is searched |",
    ],
)
def test_rows_read_like_this(row: str) -> None:
    assert row in page().splitlines()


@pytest.mark.parametrize(
    ("line", "bracket"),
    [
        ("minutes = 30.0", "(above 0, to 1440)"),
        ("test_share = 0.2", "(above 0, below 0.5)"),
        ("min_items = 1", "(1 or more)"),
        ("objective = ", '("binary", "lambdarank")'),
        ("factors = [16", "(1 to 2048)"),
        ("test_days = ", '("auto", or 1 to 365)'),
    ],
)
def test_comments_end_like_this(line: str, bracket: str) -> None:
    [found] = [comment for comment in config_toml().splitlines() if comment.startswith(line)]
    assert found.endswith(bracket)
