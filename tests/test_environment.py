"""The variables NIGHTSHELF_*: read at each call; empty is unset; no URL in any text."""

from __future__ import annotations

import pickle
import re
import traceback
from pathlib import Path

import pytest

from pipeline import config, environment
from pipeline.environment import Environment, variable
from pipeline.errors import SettingsError
from pipeline.version import version

URL = "postgresql://reader:word@db/shop"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Environment.model_fields:
        monkeypatch.delenv(variable(field), raising=False)


def test_every_variable_is_explained_under_its_name() -> None:
    names = {field: about.validation_alias for field, about in Environment.model_fields.items()}
    assert names == {field: f"NIGHTSHELF_{field.upper()}" for field in names}
    for field, about in Environment.model_fields.items():
        assert about.description, field
        assert about.get_default() is None, f"{field}: the description says what unset means"


def test_no_other_variable_is_named_in_the_code() -> None:
    known = {variable(field) for field in Environment.model_fields}
    named = {
        name
        for folder in ("pipeline", "dags")
        for path in (config.ROOT / folder).rglob("*.py")
        for name in re.findall(r"NIGHTSHELF_[A-Z_]*[A-Z]", path.read_text(encoding="utf-8"))
    }
    assert named <= known


@pytest.mark.parametrize("field", Environment.model_fields)
def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    monkeypatch.setenv(variable(field), "")
    assert environment.read() == Environment.model_construct()
    assert (config.home(), config.path()) == (config.ROOT / ".nightshelf", config.ROOT / "config.toml")
    assert (environment.port("ui"), environment.port("postgres")) == (None, None)
    assert (environment.configured_url("source"), environment.configured_url("serving")) == (None, None)
    assert environment.is_scheduled()


def test_a_name_in_small_letters_is_another_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("nightshelf_home", "/elsewhere")
    assert environment.read().home is None


def test_the_environment_moves_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path))
    assert config.runs_folder(config.load()) == tmp_path / "runs"
    monkeypatch.setenv("NIGHTSHELF_SOURCE_URL", "sqlite://")
    assert environment.configured_url("source") == "sqlite://"
    assert environment.configured_url("serving") is None


def test_a_relative_home_is_below_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NIGHTSHELF_HOME", "home")
    monkeypatch.setenv("NIGHTSHELF_CONFIG", "settings")
    assert config.home() == tmp_path / "home"
    assert config.path() == tmp_path / "settings" / "config.toml"


@pytest.mark.parametrize(
    ("word", "scheduled"), [("off", False), ("on", True), ("OFF", False), (" off ", False)]
)
def test_off_takes_the_night_off_its_schedule(
    monkeypatch: pytest.MonkeyPatch, word: str, scheduled: bool
) -> None:
    monkeypatch.setenv("NIGHTSHELF_SCHEDULE", word)
    assert environment.is_scheduled() is scheduled


@pytest.mark.parametrize("word", ["no", "false", "0", "of"])
def test_what_is_neither_on_nor_off_is_refused(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("NIGHTSHELF_SCHEDULE", word)
    with pytest.raises(SettingsError, match="NIGHTSHELF_SCHEDULE is neither on nor off") as refused:
        environment.is_scheduled()
    assert refused.value.found == word
    assert config.home(), "it stops only what needs it"


def test_a_wrong_port_stops_only_what_needs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path))
    monkeypatch.setenv("NIGHTSHELF_UI_PORT", "eighty")
    monkeypatch.setenv("NIGHTSHELF_POSTGRES_PORT", "5432")
    monkeypatch.setenv("NIGHTSHELF_SERVING_URL", URL)
    assert config.home() == tmp_path
    assert environment.port("postgres") == 5432
    assert environment.configured_url("serving") == URL
    assert version().startswith("nightshelf ")
    monkeypatch.setenv("NIGHTSHELF_POSTGRES_PORT", "0")
    assert config.home() == tmp_path
    with pytest.raises(SettingsError, match="NIGHTSHELF_UI_PORT is no port") as caught:
        environment.port("ui")
    printed = "".join(traceback.format_exception(caught.value))
    assert "word" not in printed
    assert "validation error" not in printed, "pydantic's own text says nothing more"


def test_a_url_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "source_url"
    monkeypatch.setenv("NIGHTSHELF_SOURCE_URL_FILE", str(file))
    file.write_text(f"{URL}\n")
    assert environment.configured_url("source") == URL
    assert environment.configured_url("serving") is None
    monkeypatch.setenv("NIGHTSHELF_SOURCE_URL", "sqlite://")
    assert environment.configured_url("source") == "sqlite://"


@pytest.mark.parametrize(
    ("content", "found"),
    [(None, "No such file or directory"), (b" \n", "it is empty"), (b"postgresql://a:\xffword@", "no text")],
)
def test_a_file_without_a_url_is_told_without_its_content(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, found: str
) -> None:
    file = tmp_path / "serving_url"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("NIGHTSHELF_SERVING_URL_FILE", str(file))
    with pytest.raises(SettingsError, match="NIGHTSHELF_SERVING_URL_FILE") as caught:
        environment.configured_url("serving")
    assert found in caught.value.found
    printed = "".join(traceback.format_exception(caught.value))
    assert str(file) in printed
    assert "word" not in printed


@pytest.mark.parametrize("database", ["SOURCE", "SERVING", "READER"])
def test_a_url_is_in_no_text_that_a_log_could_hold(monkeypatch: pytest.MonkeyPatch, database: str) -> None:
    monkeypatch.setenv(f"NIGHTSHELF_{database}_URL", URL)
    variables = environment.read()
    for text in (repr(variables), str(variables), str(variables.model_dump()), variables.model_dump_json()):
        assert "word" not in text
        assert "**********" in text
    assert pickle.loads(pickle.dumps(variables)) == variables, "it is there, though"


def test_a_child_has_this_environment_with_the_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHELF_HOME", "/home")
    monkeypatch.setenv("SHOP", "corner")
    variables = environment.child_environment(without="NIGHTSHELF_", TZ="UTC")
    assert "NIGHTSHELF_HOME" not in variables
    assert (variables["SHOP"], variables["TZ"]) == ("corner", "UTC")


TOKEN = "0123456789abcdef"


def test_tokens_stand_one_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert environment.service_tokens() == ()
    file = tmp_path / "tokens"
    file.write_text(f"{TOKEN}\n\n {TOKEN}2 \r\n")
    monkeypatch.setenv("NIGHTSHELF_SERVICE_TOKENS_FILE", str(file))
    assert environment.service_tokens() == (TOKEN, f"{TOKEN}2")
    monkeypatch.setenv("NIGHTSHELF_SERVICE_TOKENS", f"{TOKEN}3")
    assert environment.service_tokens() == (f"{TOKEN}3",)


@pytest.mark.parametrize("tokens", [f"{TOKEN}\nshort", f"{TOKEN}é", " \n\t", TOKEN[:-1]])
def test_tokens_that_open_to_anybody_are_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, tokens: str
) -> None:
    monkeypatch.setenv("NIGHTSHELF_SERVICE_TOKENS", tokens)
    with pytest.raises(SettingsError, match="NIGHTSHELF_SERVICE_TOKENS") as caught:
        environment.service_tokens()
    printed = "".join(traceback.format_exception(caught.value))
    assert TOKEN[:-1] not in printed
    assert "short" not in printed
