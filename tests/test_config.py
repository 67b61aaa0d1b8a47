"""Settings: what is unknown, of a wrong type or out of range is refused by name, all at once."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.sdk import CronTriggerTimetable

from pipeline import config
from pipeline.config import FORM, Settings
from pipeline.errors import SettingsError

WHOLE = config.path().read_text(encoding="utf-8")


def changed(tmp_path: Path, *lines: tuple[str, str]) -> Path:
    """config.toml with whole lines (found by their beginning) replaced."""
    text = WHOLE
    for begins, instead in lines:
        text, count = re.subn(rf"(?m)^{re.escape(begins)}.*$", instead, text, count=1)
        assert count == 1, begins
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_config_toml_holds_every_setting_with_its_default_and_a_comment() -> None:
    values = tomllib.loads(WHOLE)
    defaults = Settings().model_dump(by_alias=True, mode="json")
    assert {s: set(v) for s, v in values.items()} == {s: set(v) for s, v in defaults.items()}
    assert values == defaults


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    (tmp_path / "config.toml").touch()
    assert config.load(tmp_path / "config.toml") == Settings() == config.load()


@pytest.mark.parametrize(
    ("begins", "instead", "message"),
    [
        ("seed = 0", "sede = 0", "run.sede: unknown setting"),
        ("window_days", 'window_days = "365"', "run.window_days = '365'"),
        ("window_days", "window_days = 0", "run.window_days = 0"),
        ("window_days", "window_days = 365.5", "run.window_days = 365.5"),
        ("repeat_purchases", 'repeat_purchases = "some"', "run.repeat_purchases = 'some'"),
        ("user =", 'user = "number"', "ids.user = 'number'"),
        (
            'timezone = "UTC"                  # time zone of',
            'timezone = "Mars/Base"',
            "source.timezone = 'Mars/Base'",
        ),
        *(
            (
                "test_days =",
                f"test_days = {value}",
                f'split.test_days = {shown}: must be "auto" or a whole number of days, 1 to 365',
            )
            for value, shown in (
                ("0", "0"),
                ("366", "366"),
                ("14.0", "14.0"),
                ("true", "True"),
                ('"14"', "'14'"),
                ("[1]", "[1]"),
            )
        ),
        *(
            (
                "race =",
                f"race = {value}",
                f"models.race = {shown}: must hold one or more of"
                ' "ncf", "ease", "als", "blend", "ranker", each once',
            )
            for value, shown in (
                ('["als", "oracle"]', "['als', 'oracle']"),
                ('["als", "als"]', "['als', 'als']"),
                ('["popular"]', "['popular']"),
                ("[]", "[]"),
                ("[[1], {}]", "[[1], {}]"),
                ('"als"', "'als'"),
                ("true", "True"),
            )
        ),
        ("ncf_minutes =", "ncf_minutes = 0", "models.ncf_minutes = 0"),
        ("factors = [16, 128]", "factors = [128, 16]", "tune"),
        ("factors = [16, 128]", "factors = [16]", "tune.factors"),
        ("half_life_days = 60.0", "half_life_days = nan", "weights.half_life_days"),
        ("schema =", 'schema = "serving; drop schema public"', "serving.schema"),
        ("role_prefix =", 'role_prefix = "a\\"b"', "serving.role_prefix"),
        ("[split]", "[splits]", "splits: unknown setting"),
        ("factors = [16, 128]", "factors = [16, 5000]", "tune.factors.1 = 5000"),
        ("iterations = [5, 20]", "iterations = [5, 900]", "tune.iterations.1 = 900"),
        ("regularization = [0.1, 300.0]", "regularization = [0.1, 1e5]", "tune.regularization.1 = 100000.0"),
        ("regularization = [0.1, 300.0]", "regularization = [0, 1]", "tune.regularization.0 = 0"),
        ("alpha = [0.02, 40.0]", "alpha = [0.02, 1e5]", "tune.alpha.1 = 100000.0"),
        ("half_life_days = [7.0, 365.0]", "half_life_days = [7, 40000]", "tune.half_life_days.1 = 40000"),
        ("cron =", 'cron = "nonsense"', "schedule.cron = 'nonsense'"),
        ("cron =", 'cron = "@once"', "schedule.cron = '@once'"),
        ("cron =", 'cron = "0 25 * * *"', "schedule.cron = '0 25 * * *'"),
        ("cron =", 'cron = "0 0 31 2 *"', "schedule.cron = '0 0 31 2 *'"),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path: Path, begins: str, instead: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        config.load(changed(tmp_path, (begins, instead)))
    assert message in caught.value.found
    assert str(tmp_path / "config.toml") in caught.value.then


@pytest.mark.parametrize("cron", ["", *config.PRESETS, "30 3 * * *", "0 4 * * mon-fri"])
def test_schedules_that_airflow_reads(tmp_path: Path, cron: str) -> None:
    assert config.load(changed(tmp_path, ("cron =", f'cron = "{cron}"'))).schedule.cron == cron
    if cron:
        CronTriggerTimetable(cron, timezone="UTC").validate()


def test_a_preset_costs_no_import() -> None:
    code = "import sys; from pipeline import config; config.load(); assert 'croniter' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=config.ROOT)


def numbers() -> Iterator[tuple[str, str, dict[str, float]]]:
    """(section, name, bounds as JSON schema calls them) of every setting that is a number or a range."""
    for section, field in Settings.model_fields.items():
        schema = field.annotation.model_json_schema(by_alias=True)  # type: ignore[union-attr]
        for name, setting in schema["properties"].items():
            bounds = setting.get("prefixItems", [setting])[0]
            if bounds.get("type") in ("integer", "number"):
                yield section, name, bounds


def range_in_words(bounds: dict[str, float]) -> str:
    """`(1 to 200)`, `(above 0, below 0.5)`, `(1 or more)`"""
    low = f"above {bounds['exclusiveMinimum']:.15g}," if "exclusiveMinimum" in bounds else ""
    low = low or f"{bounds['minimum']:.15g}"
    if "exclusiveMaximum" in bounds:
        return f"({low} below {bounds['exclusiveMaximum']:.15g})"
    return f"({low} to {bounds['maximum']:.15g})" if "maximum" in bounds else f"({low} or more)"


@pytest.mark.parametrize(("section", "name", "bounds"), numbers())
def test_the_comment_of_every_number_ends_with_its_range(
    section: str, name: str, bounds: dict[str, float]
) -> None:
    lines = WHOLE.split(f"\n[{section}]")[1].split("\n[")[0]
    [line] = re.findall(rf"(?m)^{name} = .*$", lines)
    assert line.endswith(range_in_words(bounds)), range_in_words(bounds)


def test_what_may_be_searched_may_also_be_set() -> None:
    limits = {(section, name): bounds for section, name, bounds in numbers()}
    of = [("als", name) for name in ("factors", "iterations", "regularization", "alpha")]
    for section, name in (*of, ("weights", "half_life_days")):
        searched, may_be = limits["tune", name], limits[section, name]
        assert searched["maximum"] == may_be["maximum"], name
        assert searched.get("minimum") == may_be.get("minimum"), name


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"3 setting\(s\)") as caught:
        config.load(
            changed(tmp_path, ("seed", "seed = -1"), ("threads", "thread = 1"), ("trials", "trials = 0"))
        )
    assert all(name in caught.value.found for name in ("run.seed", "run.thread", "tune.trials"))


@pytest.mark.parametrize(
    "text",
    [
        *("[run\n", "window_days = \x00", "run = 3", "[run]\nseed = 2026-11-20", "[run]\nfolder = 06:00:00"),
        *("[run]\nseed = " + "9" * 5000, "[run]\nseed = 0x" + "f" * 4000, "[run]\nseed = -" + "9" * 4000),
        *(
            "a = " + "[" * 3000 + "]" * 3000,
            "a = " + "{b = " * 2000,
            "[run]\nfolder = " + "[" * 300 + "]" * 300,
        ),
        *("[" + "a." * 3000 + "a]", '[run]\nrepeat_purchases = "' + "x" * 100_000 + '"', "[run]\n[run]"),
    ],
    ids=lambda text: text[:30],
)
def test_a_file_that_is_no_settings_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        config.load(tmp_path / "config.toml")
    assert len(str(refused.value)) < 1_000


def test_a_missing_file_names_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no settings file"):
        config.load(tmp_path / "nothing.toml")


def test_the_form_wins_for_one_run_and_is_checked_like_the_file() -> None:
    assert config.load(overrides={"window_days": 30, "tune": "never"}).run.window_days == 30
    with pytest.raises(SettingsError, match="setting"):
        config.load(overrides={"window_days": -1})
    with pytest.raises(SettingsError, match="unknown form field `windows`"):
        config.load(overrides={"windows": 1})


def test_every_form_field_is_a_setting() -> None:
    for section, name in FORM.values():
        assert name in type(getattr(Settings(), section)).model_fields


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        config.load().run.seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[alerts]\nwebhook = "hook"\n', {"webhook": "hook"}),
        ('[run]\nsurprise = 1\n[alerts]\nwebhook = "hook"\n', {"webhook": "hook"}),
        ('[run\n[alerts]\nwebhook = "hook"\n[split]\n', {"webhook": "hook"}),
        ('\ufeff[run\n  [alerts]  # us\nslack = "s"\n[[split]]\n', {"slack": "s"}),
        ('alerts.webhook = "hook"\nsurprise = 1\n', {"webhook": "hook"}),
        (
            '[run\n[alerts]\nsmtp = "mail"\nemail_to = [\n  "a@shop.example",\n]\n[run]\n',
            {"smtp": "mail", "email_to": ("a@shop.example",)},
        ),
        (
            '[run\n[alerts]\nwebhook = "hook"\nlate_after_hours = "six"\nsurprise = 1\n',
            {"webhook": "hook"},
        ),
        (
            '[run\n[alerts]\nwebhook = "hook"\nlate_after_hours = 6\n',
            {"webhook": "hook", "late_after_hours": 6.0},
        ),
        ("[alerts]\nwebhook = 3\n", {}),
        ('[alerts]\nsmtp = "mail"\n', {}),
        ("alerts = 3", {}),
        ("[run", {}),
        ("", {}),
    ],
)
def test_channels_are_read_from_a_file_that_is_broken_elsewhere(
    tmp_path: Path, text: str, found: dict[str, object]
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text, encoding="utf-8")
    assert config.alerts_alone(file).model_dump(exclude_defaults=True) == found


def test_channels_of_a_file_that_is_not_there_or_no_file(tmp_path: Path) -> None:
    assert config.alerts_alone(tmp_path / "config.toml") == config.Settings().alerts
    assert config.alerts_alone(tmp_path) == config.Settings().alerts
