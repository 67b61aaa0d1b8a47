"""The help of every command: its groups, its width, plain text where nobody sees colours, nothing loaded for it."""

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


def children(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Its commands by name, as argparse keeps them."""
    choices = (action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(next(choices, {}))


def every_command() -> Iterator[list[str]]:
    """The words of every command: [], ["run"], ["load"], ["load", "events"], ..."""
    yield []
    for name, command in children(cli.parser()).items():
        yield [name]
        yield from ([name, kind] for kind in children(command))


def pipeline(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`python -m pipeline` into pipes, without what the tests' own environment says about colours."""
    variables = {**child_environment(without="COLUMNS"), **variables}
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        if name not in variables or os.environ.get(name) == variables[name]:
            variables.pop(name, None)
    command = [sys.executable, "-m", "pipeline", *words]
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)


def on_a_terminal(*words: str, stderr: Path | None = None, **variables: str) -> str:
    """What `python -m pipeline` shows on a terminal of 80 columns; its stderr may go to a file."""
    environment = {**child_environment(without="COL"), "TERM": "xterm-256color", **variables}
    if "NO_COLOR" not in variables:
        environment.pop("NO_COLOR", None)
    leader, follower = pty.openpty()
    try:
        with open(stderr or os.devnull, "w") as errors:  # noqa: PTH123
            subprocess.run(
                [sys.executable, "-m", "pipeline", *words],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=follower,
                stderr=errors,
                check=False,
            )
        return os.read(leader, 65_536).decode() if words != ("nope",) else ""
    finally:
        os.close(leader)
        os.close(follower)
