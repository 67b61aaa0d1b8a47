"""AWS's own tools, in an environment of their own: requirements-aws.txt, which uv downloads once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pipeline.config import ROOT
from pipeline.environment import child_environment

UV = str(Path(sys.executable).parent / "uv")
RUNTIME = str(Path(__file__).parent / "lambda_runtime.py")


def with_tools(*command: str) -> list[str]:
    """The command line of a program of requirements-aws.txt."""
    own = ["--quiet", "--no-project", "--isolated", "--python", sys.executable]
    return [UV, "run", *own, "--with-requirements", str(ROOT / "requirements-aws.txt"), "--", *command]


@dataclass(frozen=True)
class Process:
    """A process of the function. log: what it wrote is in this file"""

    calls: IO[str]
    answers: IO[str]
    log: Path

    def timed(self, call: Mapping[str, Any]) -> tuple[float, Any]:
        """Seconds and the reply; the first time from the beginning of the import on."""
        self.calls.write(json.dumps(call) + "\n")
        self.calls.flush()
        line = self.answers.readline()
        assert line, self.log.read_text(encoding="utf-8")
        answer = json.loads(line)
        return answer["seconds"], answer["reply"]

    def __call__(self, call: Mapping[str, Any]) -> Any:
        """The reply to a call."""
        return self.timed(call)[1]


@contextmanager
def function_of(folder: Path, log: Path, *python: str, **variables: str) -> Iterator[Process]:
    """A process that has what was unpacked into `folder`. python: its command line, without the program"""
    command = [*(python or (sys.executable, "-I", "-S", "-B")), RUNTIME, str(folder)]
    environment = child_environment("NIGHTSHELF_", PYTHONDONTWRITEBYTECODE="1", **variables)
    with (
        log.open("w", encoding="utf-8") as lines,
        subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=lines,
            text=True,
        ) as process,
    ):
        assert process.stdin
        assert process.stdout
        try:
            yield Process(process.stdin, process.stdout, log)
        finally:
            process.stdin.close()
            process.wait(timeout=20)
