"""The words of `as_of`: each door promises what it takes, and takes what it promises."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

import pytest

from pipeline import cli, jobs
from pipeline.contract.as_of import WORDS, Door, metavar, promised
from pipeline.errors import SettingsError


@pytest.mark.parametrize("door", get_args(Door))
def test_every_door_promises_its_own_words(door: Door) -> None:
    with pytest.raises(SettingsError) as refused:
        jobs.moment("yesterday", "UTC", door)
    assert refused.value.promised == promised(door)
    for word in ("now", "last"):
        assert (f"{word}," in promised(door)) == (word in WORDS[door])


def test_the_times_that_are_promised_are_taken() -> None:
    [date, time] = (word for word in promised("form").split() if word.startswith("2026"))
    assert jobs.moment(date, "UTC", "form") == datetime(2026, 11, 20, tzinfo=UTC)
    assert jobs.moment(time.rstrip(","), "UTC", "form") == datetime(2026, 11, 20, 5, tzinfo=UTC)


@pytest.mark.parametrize("door", ["run", "backtest"])
def test_the_help_names_the_words(door: Door, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.parser().parse_args([door, "--help"])
    assert metavar(door) in capsys.readouterr().out
