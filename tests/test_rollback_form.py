"""The form of the DAG `rollback`: what it proposes is read back, and a bad choice is refused clearly."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from pipeline import config
from pipeline.config import Settings
from pipeline.errors import SettingsError
from pipeline.rollback_form import choice, choices_file, save_choices, saved_choices, version_of
from pipeline.serving import Stored

AT = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("measured", "is_unjudged", "method", "days", "told"),
    [
        (None, False, None, None, "not measured"),
        (None, True, "time", 14.0, "unjudged"),
        (0.25, False, None, None, "0.2500"),
        (0.25, False, "time", 14.0, "0.2500 (14 days)"),
        (0.25, False, "time", 1.0, "0.2500 (1 day)"),
        (0.25, False, "random", None, "0.2500 (random)"),
    ],
)
def test_a_choice_is_read_back(
    measured: float | None, is_unjudged: bool, method: str | None, days: float | None, told: str
) -> None:
    about = (5, 3, "a, version 9", "als", False, "", is_unjudged, method, days)
    stored = Stored(12, "stored", AT, AT, measured, "exclude", *about)
    assert choice(stored).startswith(f"version 12, stored: as of 2026-01-02 00:00, Precision@3 {told}, run a")
    assert version_of(choice(stored)) == 12


@pytest.mark.parametrize(
    ("text", "version"),
    [("5", 5), (" 7 ", 7), (7, 7), (5.0, 5), (0, 0), ("", None), (None, None), ("  ", None)],
)
def test_a_number_or_nothing(text: str | float | None, version: int | None) -> None:
    assert version_of(text) == version


@pytest.mark.parametrize(
    "text",
    [
        *("-1", "five", "version", "1.5", "5; DROP TABLE live", "+5", "5_0", "\u00b2", "version version 5"),
        *("9" * 19, "9" * 5000, 2**63, -1, 10**5000, -(10**5000), "5\0", "version " + "x" * 5000),
        *(5.5, 1e300, float("inf"), float("nan")),
    ],
    ids=lambda value: f"{value.bit_length()} bits" if isinstance(value, int) else str(value)[:20].strip("\0"),
)
def test_anything_else_is_refused(text: str | float) -> None:
    with pytest.raises(SettingsError, match="is no version") as refused:
        version_of(text)
    assert "python -m pipeline publications" in refused.value.then
    assert len(str(refused.value)) < 400


def test_choices_that_cannot_be_saved_are_logged_and_harm_nothing(
    serving_url: str, make_settings: Callable[..., Settings]
) -> None:
    said: list[str] = []
    settings = make_settings(serving={"role_prefix": "nobody"})
    save_choices(serving_url, settings, said.append)
    assert said[0].startswith("the form of the DAG rollback proposes old versions")
    assert saved_choices(settings) == []


def test_a_damaged_file_proposes_nothing() -> None:
    settings = config.load()
    choices_file(settings).parent.mkdir(parents=True)
    for text in ("", "[]", "{}", "not json"):
        choices_file(settings).write_text(text)
        assert saved_choices(settings) == []
