"""Makes the advice of an error fit the shop it is about, so that a command that is pasted reaches that shop.

With `--config shops/books.toml`:

    python -m pipeline run extract     ->  python -m pipeline run extract --config shops/books.toml
    set window_days in config.toml     ->  set window_days in shops/books.toml

and with `config.books.toml`, whose DAGs have the shop's name, also:

    trigger the DAG recommendations    ->  trigger the DAG recommendations__books

What the command line prints names the Python that runs it, as one types it there (`typed_python`):

    python -m pipeline run             ->  .venv/bin/python -m pipeline run
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from pipeline import config
from pipeline.contract.stages import BY_NAME
from pipeline.errors import NightshelfError

TAKE_CONFIG = (
    rf"run(?: (?:{'|'.join(BY_NAME)})\b)?",
    r"export(?: redis)?",
    r"load (?:complete-journey|retailrocket|events|query|synthetic)",
    *("report", "backtest", "url", "migrate", "publications", "rollback", "release", "forget", "tidy"),
    "serve",
)
"""The commands that have `--config`, with the word after which it may stand."""

COMMAND = re.compile(rf"python -m pipeline (?>{'|'.join(TAKE_CONFIG)})(?![\w-])(?! --(?:config|help))")
FILE = re.compile(r"(?<![\w./-])config\.toml(?![\w/-]|\.\w)")
DAG = re.compile(r"\bthe DAG (?:recommendations|rollback|release|export_redis)\b(?!__)")
SHOP = re.compile(r"config\.(?P<name>.+)\.toml")
PYTHON = re.compile(r"(?<![\w./-])python(?= -m pipeline\b)")


def fit(error: NightshelfError, file: Path | None) -> None:
    """Change what `error` promises and proposes, in place, for the shop of the settings file `file`."""
    error.promised = in_files(error.promised, file)
    error.then = in_files(in_commands(error.then, file), file)


def in_commands(text: str, file: Path | None) -> str:
    """`text` with `--config` in its commands and the shop's name behind its DAGs.

    file: the settings file; None, or the one that is read without `--config`: the text as it is
    """
    if is_default(file):
        return text
    text = COMMAND.sub(lambda command: f"{command[0]} --config {shlex.quote(str(file))}", text)
    shop = SHOP.fullmatch(file.name) if file else None
    return DAG.sub(rf"\g<0>__{shop['name']}", text) if shop else text


def in_files(text: str, file: Path | None) -> str:
    """`text` with `file` in place of `config.toml`."""
    return text if is_default(file) else FILE.sub(lambda _: str(file), text)


def in_python(text: str, python: str) -> str:
    """`text` with `python` in place of the word python in its commands."""
    return PYTHON.sub(lambda _: python, text)


def typed_python(executable: Path, folder: Path, on_path: str | None) -> str:
    """What a person in `folder` types to run `executable`: `python`, or its path from the folder.

    executable: the Python that runs this, an absolute path
    on_path:    what the shell runs for `python`; None where it finds none
    """
    if on_path and Path(on_path).absolute().parent == executable.parent:
        return "python"
    inside = executable.is_relative_to(folder)
    return shlex.quote(str(executable.relative_to(folder) if inside else executable))


def is_default(file: Path | None) -> bool:
    """Whether a command without `--config`, typed in the checkout, reads `file` too."""
    return file is None or file.absolute() == config.ROOT / "config.toml"
