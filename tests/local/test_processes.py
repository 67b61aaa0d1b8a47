"""Background processes: nothing inherited, everything they start ended with them, nobody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.config import ROOT
from pipeline.local import processes

CHILD = "import signal; print('child', flush=True); signal.pause()"
FAMILY = f"""
import os, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], process_group=0)
print("descriptors", sorted(os.listdir("/proc/self/fd")), flush=True)
signal.pause()
"""


@pytest.fixture
def family(tmp_path: Path) -> Callable[[], processes.Leader]:
    """A leader with one child that made a process group of its own; both have spoken."""

    def make() -> processes.Leader:
        log = tmp_path / "log"
        leader = processes.start([sys.executable, "-c", FAMILY], log, os.environ, tmp_path)
        while len(log.read_text().splitlines()) < 2:
            assert leader.is_alive()
        return leader

    return make


def test_ending_a_leader_ends_all_it_started(family: Callable[[], processes.Leader]) -> None:
    leader = family()
    assert len(leader.members()) == 2
    leader.end()
    assert leader.members() == []
    assert not leader.is_alive()


def test_children_are_found_when_the_leader_is_gone(family: Callable[[], processes.Leader]) -> None:
    leader = family()
    os.kill(leader.pid, 9)
    os.waitpid(leader.pid, 0)
    assert len(leader.members()) == 1
    leader.end()
    assert leader.members() == []


def test_a_later_process_of_the_same_number_is_left_alone(family: Callable[[], processes.Leader]) -> None:
    leader = family()
    try:
        for other in (replace(leader, started=leader.started - 1), replace(leader, boot="another boot")):
            assert other.members() == []
            other.end()
        assert leader.is_alive()
    finally:
        leader.end()


def test_the_caller_s_file_descriptors_are_not_inherited(
    family: Callable[[], processes.Leader], tmp_path: Path
) -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    try:
        leader = family()
        [line] = [t for t in (tmp_path / "log").read_text().splitlines() if t.startswith("descriptors")]
        leader.end()
        assert str(writer) not in line
    finally:
        os.close(reader)
        os.close(writer)


def test_a_command_that_starts_one_returns_although_its_output_is_a_pipe(tmp_path: Path) -> None:
    """Whoever reads the command's output to its end would otherwise wait as long as the process runs."""
    code = (
        "import json, pathlib, sys; from pipeline.local import processes\n"
        "words = [sys.executable, '-c', 'import signal; signal.pause()']\n"
        "leader = processes.start(words, pathlib.Path(sys.argv[1]), {}, pathlib.Path('/'))\n"
        "print(json.dumps(leader.as_json()))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "log")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    leader = processes.Leader(**json.loads(done.stdout))
    assert leader.is_alive()
    leader.end()
    assert not leader.is_alive()
