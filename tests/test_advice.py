"""A command that an error proposes reaches the shop that the error is about."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline import advice, cli, config
from pipeline.__main__ import main
from pipeline.config import ROOT
from pipeline.errors import SettingsError
from pipeline.runs import receipts
from pipeline.runs.folder import RunFolder

PROPOSED = re.compile(r"python -m pipeline (?P<command>[a-z-]+)")
BOOKS = Path("a shop/config.books.toml")
NAMED = re.compile(r"( [a-z_-]+)? --config 'a shop/config.books.toml'")


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def texts() -> Iterator[tuple[str, str]]:
    """Every text of the code but docstrings that names a command: where it stands, and the text."""
    for folder in ("pipeline", "dags"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            skipped: set[ast.AST] = set()
            for node in ast.walk(tree):
                if isinstance(node, ast.Expr):
                    skipped |= set(ast.walk(node.value)) if isinstance(node.value, ast.Constant) else set()
                if isinstance(node, ast.JoinedStr):
                    skipped |= set(ast.walk(node)) - {node}
                if node not in skipped and (text := text_of(node)) and "python -m pipeline " in text:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", text  # type: ignore[attr-defined]


def text_of(node: ast.AST) -> str:
    """The text of a literal; `events` in place of what an f-string fills in."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) or "events" for part in node.values)
    return ""


def test_every_text_that_proposes_a_command_names_the_settings_file() -> None:
    commands = subcommands(cli.parser())
    found = list(texts())
    assert len(found) > 30
    for place, text in found:
        adapted = advice.in_commands(text, BOOKS)
        for proposed in PROPOSED.finditer(adapted):
            rest = adapted[proposed.end("command") :]
            if "--config" in str(commands[proposed["command"]].format_help()) and not rest.startswith(
                " --help"
            ):
                assert NAMED.match(rest), f"{place}: {adapted}"
        assert advice.in_commands(adapted, BOOKS) == adapted, f"{place}: twice is once"
        assert advice.in_commands(text, None) == text
        assert advice.in_commands(text, ROOT / "config.toml") == text


def test_it_knows_which_commands_have_the_option() -> None:
    def has_config(parser: argparse.ArgumentParser) -> bool:
        return any("--config" in action.option_strings for action in parser._actions)

    for name, parser in subcommands(cli.parser()).items():
        for words, innermost in {
            name: parser,
            **{f"{name} {k}": p for k, p in subcommands(parser).items()},
        }.items():
            line = f"python -m pipeline {words}"
            assert advice.COMMAND.fullmatch(line) is not None or not has_config(innermost), words
            assert has_config(innermost) or advice.in_commands(line, BOOKS) == line, words


@pytest.mark.parametrize(
    ("text", "adapted"),
    [
        (
            "mend it: python -m pipeline run extract --run-id a.",
            "mend it: python -m pipeline run extract --config 'a shop/config.books.toml' --run-id a.",
        ),
        ("`python -m pipeline migrate`", "`python -m pipeline migrate --config 'a shop/config.books.toml'`"),
        (
            "python -m pipeline load events FILE",
            "python -m pipeline load events --config 'a shop/config.books.toml' FILE",
        ),
        ("python -m pipeline load --help", "python -m pipeline load --help"),
        ("python -m pipeline run --help", "python -m pipeline run --help"),
        ("make up, then python -m pipeline status", "make up, then python -m pipeline status"),
        ("trigger the DAG recommendations", "trigger the DAG recommendations__books"),
        ("trigger the DAG recommendations__books", "trigger the DAG recommendations__books"),
    ],
)
def test_commands_and_dags(text: str, adapted: str) -> None:
    assert advice.in_commands(text, BOOKS) == adapted
    assert shlex.split(adapted)


@pytest.mark.parametrize(
    ("text", "adapted"),
    [
        ("set ids.user in config.toml", "set ids.user in my.toml"),
        ("in config.toml: another", "in my.toml: another"),
        ("in config.toml.", "in my.toml."),
        ("mend /etc/config.toml", "mend /etc/config.toml"),
        ("mend config.toml.bak", "mend config.toml.bak"),
        ("mend my-config.toml", "mend my-config.toml"),
    ],
)
def test_files(text: str, adapted: str) -> None:
    assert advice.in_files(text, Path("my.toml")) == adapted
    assert advice.in_files(text, None) == text


@pytest.mark.parametrize(
    ("executable", "on_path", "typed"),
    [
        ("/home/a/shop/.venv/bin/python", "/usr/bin/python", ".venv/bin/python"),
        ("/home/a/shop/.venv/bin/python3", None, ".venv/bin/python3"),
        ("/home/a/shop/.venv/bin/python3", "/home/a/shop/.venv/bin/python", "python"),
        ("/usr/local/bin/python", "/usr/local/bin/python", "python"),
        ("/opt/my venv/bin/python", "/usr/bin/python", "'/opt/my venv/bin/python'"),
    ],
)
def test_python_is_named_as_one_types_it(executable: str, on_path: str | None, typed: str) -> None:
    assert advice.typed_python(Path(executable), Path("/home/a/shop"), on_path) == typed


def test_every_command_of_a_text_names_that_python_once() -> None:
    text = "python -m pipeline load events FILE, or: `python -m pipeline run`; python -m venv"
    there = "bin/python -m pipeline load events FILE, or: `bin/python -m pipeline run`; python -m venv"
    assert advice.in_python(text, "bin/python") == there
    assert advice.in_python(there, "bin/python") == there


def test_what_a_command_proposes_runs_when_it_is_pasted(tmp_path: Path) -> None:
    """In the folder where it was printed, by a shell that has another `python`."""
    environment = {"PATH": "/usr/bin:/bin", "NIGHTSHELF_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "pipeline", "report"]
    refused = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    [pasted] = re.findall(r"next: +(.*)", refused.stderr)
    answer = subprocess.run(
        f"{pasted} --help", shell=True, cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert pasted.endswith(" -m pipeline run")
    assert (answer.returncode, answer.stdout[:30]) == (0, "Usage: python -m pipeline run "), answer


def test_an_error_keeps_what_it_found() -> None:
    words = dict.fromkeys(("found", "promised", "draft"), "config.toml")
    error = SettingsError("config.toml", then="mend config.toml", **words)
    advice.fit(error, Path("my.toml"))
    assert vars(error) == {
        "what": "config.toml",
        "found": "config.toml",
        "promised": "my.toml",
        "then": "mend my.toml",
        "draft": "config.toml",
    }


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """A settings file with a space in its path."""
    path = tmp_path / "a shop" / "config.books.toml"
    path.parent.mkdir()
    path.write_text(config.path().read_text().replace('folder = "runs"', 'folder = "runs-books"'))
    return path


def proposed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The arguments of the command that the error proposes."""
    [line] = re.findall(r"next: +(.*)", capsys.readouterr().err)
    return shlex.split(line[line.index("python -m pipeline") :])[3:]


def test_the_command_that_is_pasted_reaches_the_same_shop(
    books: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (["run", "train"], ["report"], ["run", "train", "--run-id", "gone"]):
        assert main([*arguments, "--config", str(books)]) == 1
        assert proposed(capsys) == ["run", "--config", str(books)]
    assert main(["run", "train"]) == 1
    assert proposed(capsys) == ["run"]


def test_what_is_said_and_what_the_page_says_names_it_too(
    books: Path,
    tmp_path: Path,
    shop_url: str,
    serving_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("NIGHTSHELF_SOURCE_URL", shop_url)
    monkeypatch.setenv("NIGHTSHELF_SERVING_URL", serving_url)
    synthetic = ["load", "synthetic", "--events", "2000", "--config", str(books)]
    assert main(synthetic) == 0
    assert main(["run", "extract", "--config", str(books), "--as-of", "last", "--run-id", "good"]) == 0
    said = capsys.readouterr().out
    follower = f" -m pipeline run validate --config '{books}' --run-id good"
    assert follower in said
    assert main(["run", "--config", str(books), "--as-of", "2001-01-01", "--run-id", "empty"]) == 1
    assert proposed(capsys)[:5] == ["run", "--config", str(books), "--as-of", "last"]
    folder = tmp_path / "home" / "runs-books" / "empty"
    assert f"--config '{books}'" in receipts.why_stopped(RunFolder(folder, {}, datetime.now(UTC)))["then"]
    assert f"--config &#39;{books}&#39;" in (folder / "report.html").read_text()
