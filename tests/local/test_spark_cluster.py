"""A Spark cluster of this machine: workers, who may use it, one that is killed, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from stat import S_IMODE
from urllib.request import urlopen

import pytest

from pipeline.config import ROOT
from pipeline.environment import child_environment
from pipeline.errors import SparkAway
from pipeline.local import spark_cluster
from pipeline.local.processes import Leader
from pipeline.local.spark_cluster import Cluster, cluster

pytestmark = pytest.mark.spark
COUNT = """
import sys
from pipeline.settings import Engine
from pipeline.spark.session import application

conf = ("spark.executor.memory=512m", "spark.driver.host=127.0.0.1", "spark.driver.bindAddress=127.0.0.1")
with application(Engine(kind="spark", master=sys.argv[1], conf=conf), "count") as session:
    print("counted", session.range(1000).repartition(4).count(), flush=True)
    print("python", session.sparkContext.parallelize(range(10), 4).map(lambda n: n * 2).sum(), flush=True)
    sys.stdin.readline()
"""
"""In a process of its own: the other tests have one Spark application for the whole process."""


@pytest.fixture(scope="module")
def running() -> Iterator[Cluster]:
    """One cluster of two workers for this file, which asks for a secret."""
    with tempfile.TemporaryDirectory(prefix="nightshelf-spark-") as home:
        cluster = Cluster(Path(home) / "home", secret="0123456789abcdef")
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


def application(master: str, scratch: Path, variables: dict[str, str]) -> subprocess.Popen[str]:
    """A process that counts on the cluster and then waits for a line; scratch: for its temporary files."""
    variables = {
        "SPARK_LOCAL_DIRS": str(scratch),
        "JAVA_TOOL_OPTIONS": f"-Djava.io.tmpdir={scratch}",
        **variables,
    }
    return subprocess.Popen(
        [sys.executable, "-c", COUNT, master],
        cwd=ROOT,
        env=child_environment(without="SPARK_", **variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def kill(process: subprocess.Popen[str]) -> None:
    """Kill an application that may not have ended, its JVM too."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def n_members(leaders: list[Leader]) -> list[int]:
    return [len(leader.members()) for leader in leaders]


def until(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Whether it becomes true in time."""
    end = time.monotonic() + seconds
    while not (is_true := condition()) and time.monotonic() < end:
        time.sleep(0.1)
    return is_true


def test_an_application_counts_on_both_workers_and_all_of_it_goes(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with cluster(home, workers=2) as master:
        handle = Cluster(home)
        assert (master, handle.n_alive()) == (handle.master_url, 2)
        assert S_IMODE(handle.folder.stat().st_mode) == 0o700
        assert handle.master is not None
        leaders = [handle.master, *handle.workers]
        assert n_members(leaders) == [1, 1, 1]
        process = application(master, tmp_path, {})
        assert process.stdout is not None
        assert process.stdout.readline() == "counted 1000\n"
        assert process.stdout.readline() == "python 90\n"
        assert min(n_members(handle.workers)) > 1, "each has an executor"
        process.communicate("\n", timeout=60)
        assert process.returncode == 0
    assert n_members(leaders) == [0, 0, 0]
    assert not (home / "spark" / "scratch").exists()
    assert (handle.master, handle.workers, handle.n_alive()) == (None, [], 0)


def test_only_who_knows_the_secret_may_use_it(running: Cluster, tmp_path: Path) -> None:
    defaults = running.folder / "conf" / "spark-defaults.conf"
    assert S_IMODE(defaults.stat().st_mode) == 0o600
    process = application(running.master_url, tmp_path, running.variables())
    assert process.stdout is not None
    assert process.stdout.readline() == "counted 1000\n"
    process.communicate("\n", timeout=60)
    log = running.folder / "master.log"
    assert "Expected SaslMessage" not in log.read_text()
    stranger = application(running.master_url, tmp_path, {})
    try:
        assert until(lambda: "Expected SaslMessage" in log.read_text())
    finally:
        kill(stranger)
    with urlopen(f"{running.ui}/json/") as answer:
        assert answer.read().count(b'"name" : "count"') == 1


def test_a_worker_is_killed_with_its_executor_and_the_other_goes_on(running: Cluster, tmp_path: Path) -> None:
    process = application(running.master_url, tmp_path, running.variables())
    try:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in "12"] == ["counted 1000\n", "python 90\n"]
        running.kill_worker(0)
        first, second = n_members(running.workers)
        assert first == 0
        assert second > 1
        assert until(lambda: running.n_alive() == 1)
    finally:
        kill(process)


def test_another_process_that_has_the_home_stops_it_and_a_new_one_replaces_it(running: Cluster) -> None:
    """As after a demo that was killed: `make down`, and the next demo."""
    assert running.master is not None
    old = [running.master, *running.workers]
    running.start()
    assert max(n_members(old)) == 0
    assert running.n_alive() == 2
    new = [running.master, *running.workers]
    Cluster(running.home).stop()
    assert max(n_members(new)) == 0


def test_a_worker_that_does_not_start_is_told_with_its_log_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = watched(monkeypatch)
    monkeypatch.setattr(spark_cluster, "MEMORY", "much")
    with pytest.raises(SparkAway, match=r"worker-1 of the local Spark cluster ended") as error:
        Cluster(tmp_path / "home", 1).start()
    assert "Usage: Worker" in (tmp_path / "home" / "spark" / "worker-1.log").read_text()
    assert "--" in error.value.found
    assert "worker-1.log" in error.value.then
    assert n_members(started) == [0, 0]


def test_ctrl_c_while_it_starts_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = watched(monkeypatch)

    def interrupted(self: Cluster) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Cluster, "_wait", interrupted)
    with pytest.raises(KeyboardInterrupt), cluster(tmp_path / "home", workers=1):
        raise AssertionError("it has not started")
    assert n_members(started) == [0, 0]


def watched(monkeypatch: pytest.MonkeyPatch) -> list[Leader]:
    """The processes that clusters start from now on."""
    started: list[Leader] = []
    start = spark_cluster.start

    def remembering(*given: object) -> Leader:
        started.append(start(*given))  # type: ignore[arg-type]
        return started[-1]

    monkeypatch.setattr(spark_cluster, "start", remembering)
    return started
