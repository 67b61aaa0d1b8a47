"""The help of every command: its groups, width and defaults; colours on a terminal only."""

from __future__ import annotations

import argparse
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import __main__, cli
from pipeline.config import ROOT
from pipeline.environment import child_environment

COLOUR = "\x1b["


@pytest.fixture(autouse=True)
def _plain_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the environment of whoever runs the tests asks for colours."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def children(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The commands of a parser by name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def every_parser() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command, in words, with its parser: "", "run", "load", "load events", ..."""
    top = cli.parser()
    yield "", top
    for name, command in children(top).items():
        yield name, command
        for kind, kind_parser in children(command).items():
            yield f"{name} {kind}", kind_parser


PARSERS = dict(every_parser())


def test_every_command_is_in_one_group() -> None:
    grouped = [name for group in cli.GROUPS.values() for name in group]
    assert sorted(grouped) == sorted(children(cli.parser())) == sorted(__main__.COMMANDS)
    assert set(children(PARSERS["load"])) == set(cli.KINDS)


def test_the_first_page_shows_every_group_and_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = cli.parser().format_help().splitlines()
    for group, summaries in cli.GROUPS.items():
        start = lines.index(f"{group[:1].upper()}{group[1:]}:") + 1
        shown = [line.split(maxsplit=1) for line in lines[start : start + len(summaries)]]
        assert shown == [[name, summary] for name, summary in summaries.items()]


@pytest.mark.parametrize("columns", [0, 1, 20])
@pytest.mark.parametrize("words", PARSERS)
def test_help_is_whole_where_the_terminal_says_that_it_has_no_room(
    words: str, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    wide = PARSERS[words].format_help().split()
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = " ".join(PARSERS[words].format_help().split())
    assert len(shown) > 0.8 * len(" ".join(wide))


@pytest.mark.parametrize("columns", [80, 100])
@pytest.mark.parametrize("words", PARSERS)
def test_help_fits_the_terminal_and_explains_everything(
    words: str, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    parser = PARSERS[words]
    text = parser.format_help()
    assert not [line for line in text.splitlines() if len(line) > columns]
    assert COLOUR not in text
    assert parser.description
    assert parser.description in text
    for action in parser._actions:
        assert action.help, action.dest
        if action.help is not argparse.SUPPRESS:
            beginning = action.help.split("%")[0].split("(")[0].strip()
            assert beginning in " ".join(text.split()), action.dest


def test_a_default_that_argparse_knows_is_shown() -> None:
    """The others are those of config.toml, or none."""
    for words, parser in PARSERS.items():
        text = " ".join(parser.format_help().split())
        for action in parser._actions:
            if type(action.default) in (int, str) and action.default is not argparse.SUPPRESS:
                value = {"last": "just after the last event"}.get(str(action.default), action.default)
                assert f"default: {value}" in text, f"{words} {action.dest}"


def pipeline(*words: str, **streams: int) -> subprocess.CompletedProcess[str]:
    """`python -m pipeline`; words such as `NO_COLOR=1` are variables, the only ones about colours."""
    variables = dict(word.split("=") for word in words if "=" in word)
    environment = {
        name: value
        for name, value in child_environment(without="COL").items()
        if name not in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE")
    }
    command = [sys.executable, "-m", "pipeline", *(word for word in words if "=" not in word)]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**environment, "TERM": "xterm-256color", **variables},
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
        **streams,
    )


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A terminal: the end a person reads from, and the end a program writes to."""
    reader, writer = pty.openpty()
    yield reader, writer
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize(("variable", "is_coloured"), [("LANG=C", True), ("NO_COLOR=1", False)])
def test_colours_are_for_a_terminal_and_for_who_wants_them(
    terminal: tuple[int, int], variable: str, is_coloured: bool
) -> None:
    reader, writer = terminal
    pipeline(variable, "report", "--help", stdout=writer)
    shown = os.read(reader, 4096).decode()
    assert "Make a run's page again" in shown
    assert (COLOUR in shown) is is_coloured


def test_a_pipe_gets_plain_text() -> None:
    done = pipeline("run", "--help", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.stdout.startswith("Usage: python -m pipeline run")
    assert COLOUR not in done.stdout
    assert done.stderr == ""


def test_a_log_of_errors_gets_plain_text_beside_a_terminal(terminal: tuple[int, int], tmp_path: Path) -> None:
    with (tmp_path / "errors.log").open("w+") as errors:
        done = pipeline("nope", stdout=terminal[1], stderr=errors.fileno())
        errors.seek(0)
        text = errors.read()
    assert done.returncode == 2
    assert "invalid choice: 'nope'" in text
    assert COLOUR not in text


def test_only_help_loads_rich() -> None:
    code = "import sys; from pipeline import cli; cli.parser().parse_args({}); print('rich' in sys.modules)"
    for arguments in (["run", "--dry-run"], ["load", "events", "a.csv"]):
        done = subprocess.run(
            [sys.executable, "-c", code.format(arguments)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == "False\n"
