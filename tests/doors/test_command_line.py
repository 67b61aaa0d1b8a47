"""Generated command lines: every command, each of its options and arguments, with any values."""

from __future__ import annotations

import argparse
import io
import os
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hypothesis import strategies as st

from pipeline import cli
from pipeline.__main__ import main
from tests.doors.tries import SECRET, files_below, texts, through, tries

NOT_RUN = {"demo", "up", "serve", "down", "status", "airflow"}
"""They start and stop servers; their command line alone is read, and that of the load of a whole year."""


def commands() -> dict[tuple[str, ...], argparse.ArgumentParser]:
    """The parser of every command, and of every kind of `load`."""

    def below(
        words: tuple[str, ...], parser: argparse.ArgumentParser
    ) -> dict[tuple[str, ...], argparse.ArgumentParser]:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                found = {}
                for name, inner in action.choices.items():
                    found |= below((*words, name), inner)
                return found
        return {words: parser}

    return below((), cli.parser())


COMMANDS = commands()


def arguments(words: tuple[str, ...], parser: argparse.ArgumentParser) -> st.SearchStrategy[list[str]]:
    """Some of the options and arguments of a command, in any order, with values that fit or do not."""
    files = st.sampled_from(
        ["settings.toml", "nothing.csv", "empty.csv", "events.csv", "damaged.parquet", "folder", "."]
    )
    numbers = st.integers(-5, 500).map(str) | st.integers(10**10, 10**40).map(str)
    moments = st.datetimes().map(str) | st.sampled_from(["now", "last"])
    given = st.one_of(texts, files, numbers, moments)
    tokens: list[st.SearchStrategy[list[str]]] = [texts.map(lambda text: [text]), st.just(["--nothing"])]
    required = []
    for action in parser._actions:
        fitting = (
            st.sampled_from([str(choice) for choice in action.choices]) | given if action.choices else given
        )
        names = st.sampled_from(list(action.option_strings) or [""])
        if action.nargs == 0:
            token = names.map(lambda name: [name])
        else:
            token = st.tuples(names, fitting).map(lambda pair: [word for word in pair if word or not pair[0]])
            if not action.option_strings:
                token = fitting.map(lambda value: [value])
        tokens.append(token)
        if action.required:
            required.append(token)
    some = st.lists(st.one_of(tokens), max_size=4)
    return st.tuples(st.tuples(*required), some).map(
        lambda parts: [*words, *(word for token in (*parts[0], *parts[1]) for word in token)]
    )


any_command = st.one_of([arguments(words, parser) for words, parser in COMMANDS.items()])


@tries
def test_any_command_line(n: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 0, or 1 with one error, or argparse's 2; no database answers, no file of the caller changes."""
    here = tmp_path / "here"
    (here / "folder").mkdir(parents=True)
    head = "user_id,item_id,event_type,occurred_at\n"
    (here / "settings.toml").write_text("[run]\nwindow_days = 30\n")
    (here / "empty.csv").write_text(head)
    (here / "events.csv").write_text(head + "1,2,purchase,\n")
    (here / "damaged.parquet").write_bytes(b"PAR1 and no more")
    monkeypatch.chdir(here)
    monkeypatch.setenv("NIGHTSHELF_SOURCE_URL", f"mysql://shop:{SECRET}@127.0.0.1:1/shop")
    monkeypatch.setenv("NIGHTSHELF_SERVING_URL", f"postgresql://apps:{SECRET}@127.0.0.1:1/serving")
    before = files_below(here)

    def check(words: list[str]) -> None:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdin", io.StringIO("4711"))
            try:
                if words[0] in NOT_RUN or words[:2] == ["load", "complete-journey"]:
                    cli.parser().parse_args(words)
                    return
                status = main(words)
            except SystemExit as ended:
                status = ended.code
        assert status in (0, 1, 2), words
        assert (status != 0) == bool(err.getvalue()), err.getvalue()
        assert SECRET not in err.getvalue()
        assert SECRET not in out.getvalue() or words[0] == "url"
        if words[0] != "backtest" or "--json" not in words:
            assert files_below(here) == before

    through(n, check, words=any_command)


def test_every_command_is_among_them() -> None:
    assert {words[0] for words in COMMANDS} == set(cli.SUMMARIES)
    assert {words[1] for words in COMMANDS if words[0] == "load"} == set(cli.KINDS)


def test_a_file_name_that_is_no_unicode_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"caf\xe9.csv")
    assert main(["backtest", "--events", str(tmp_path / name)]) == 1
    assert "caf\\udce9.csv" in capsys.readouterr().err
