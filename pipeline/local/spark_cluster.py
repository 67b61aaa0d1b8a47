"""A Spark cluster on this machine: one master and a few workers, each a process, all on 127.0.0.1.

    <home>/spark/local.json    ports and running processes
    <home>/spark/*.log         one log for each process
    <home>/spark/worker-1/     executors of the first worker: their logs, and what they were sent
    <home>/spark/scratch/      what Spark spills; removed with the cluster
    <home>/spark/conf/         what Spark reads of itself: with a secret, who may use the cluster

For a first look, and for the tests. In production Spark is an installation of its own.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from pipeline import disk, environment
from pipeline.databases import ports
from pipeline.errors import SparkAway
from pipeline.home import make_home
from pipeline.local.processes import Leader, end, start
from pipeline.spark.session import check_installed

HOST = "127.0.0.1"
PORTS = range(32_100, 32_700)
CORES = 1
MEMORY = "2G"
"""Of each worker: what it may lend to executors."""
DAEMON_MEMORY = "512m"
"""The heap of the master and of each worker, executors not counted."""
START_SECONDS = 120.0
TICK_SECONDS = 0.1
LAST_LINES = 8


class Cluster:
    """The Spark cluster of one home folder.

    workers: how many; secret: what processes must know to use the cluster, empty: every process of this
    machine may run code on it, as this user
    """

    def __init__(self, home: Path, workers: int = 2, *, secret: str = "") -> None:
        self.home = home.absolute()
        self.folder = self.home / "spark"
        self._workers, self._secret = workers, secret

    @property
    def master_url(self) -> str:
        """What `engine.master` must be. Raises KeyError where the cluster has not been started."""
        return f"spark://{HOST}:{self._state()['port']}"

    @property
    def ui(self) -> str:
        """Where a browser sees workers and applications. Raises KeyError where it has not been started."""
        return f"http://{HOST}:{self._state()['ui_port']}"

    @property
    def master(self) -> Leader | None:
        """The process of the master, as it was started; None where there is none."""
        leader = self._state().get("master")
        return Leader(**leader) if leader else None

    @property
    def workers(self) -> list[Leader]:
        """The first process of each worker, as it was started; executors belong to its session."""
        return [Leader(**leader) for leader in self._state().get("workers", ())]

    def variables(self) -> dict[str, str]:
        """The environment of all that takes part: master, workers and applications (their drivers)."""
        return {
            "SPARK_HOME": str(_spark_home()),
            "SPARK_CONF_DIR": str(self.folder / "conf"),
            "SPARK_LOCAL_DIRS": str(self.folder / "scratch"),
            "SPARK_LOCAL_IP": HOST,
        }

    def start(self) -> None:
        """Start the processes and wait until the master has every worker; what ran before is stopped.

        Raises SettingsError where pyspark or Java is missing; SparkAway, with the end of its log, where a
        process ends or the workers do not come. Nothing is left running then.
        """
        check_installed()
        self.stop()
        self._make_folders()
        port, ui_port = islice(_free_ports(self.folder), 2)
        try:
            state: dict[str, Any] = {"port": port, "ui_port": ui_port, "workers": []}
            where = ["--host", HOST, "--port", str(port), "--webui-port", str(ui_port)]
            state["master"] = self._start("master", "master.Master", where)
            self._write(state)
            for name in self._names():
                size = ["-c", str(CORES), "-m", MEMORY, "-d", str(self.folder / name)]
                where = ["--host", HOST, "--webui-port", "0", f"spark://{HOST}:{port}"]
                state["workers"].append(self._start(name, "worker.Worker", size + where))
                self._write(state)
            self._wait()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End master, workers and executors, all that they started; does nothing where none runs."""
        end([leader for leader in (*self.workers, self.master) if leader])
        shutil.rmtree(self.folder / "scratch", ignore_errors=True)
        (self.folder / "local.json").unlink(missing_ok=True)

    def kill_worker(self, number: int) -> None:
        """Kill a worker with its executors, as a machine that is switched off; 0 is the first."""
        end([self.workers[number]], patience_seconds=0.0)

    def n_alive(self) -> int:
        """Workers that the master counts as alive; 0 where it does not answer yet."""
        try:
            with urlopen(f"{self.ui}/json/", timeout=5) as answer:
                return int(json.load(answer)["aliveworkers"])
        except (URLError, OSError, ValueError, KeyError):
            return 0

    def _names(self) -> list[str]:
        return [f"worker-{number}" for number in range(1, self._workers + 1)]

    def _make_folders(self) -> None:
        """Folders that only those enter whom NIGHTSHELF_UMASK lets in; those of the last cluster go."""
        make_home(self.home)
        mode = 0o777 & ~environment.umask()
        with disk.writing(self.folder):
            self.folder.mkdir(mode, exist_ok=True)
            for old in {*self.folder.glob("worker-*"), *self.folder.glob("*.log")}:
                shutil.rmtree(old) if old.is_dir() else old.unlink()
            for name in ("conf", "scratch", *self._names()):
                (self.folder / name).mkdir(mode, exist_ok=True)
            defaults = self.folder / "conf" / "spark-defaults.conf"
            defaults.unlink(missing_ok=True)
            defaults.touch(0o600)
            if self._secret:
                defaults.write_text(
                    f"spark.authenticate true\nspark.authenticate.secret {self._secret}\n", encoding="utf-8"
                )

    def _start(self, name: str, main: str, words: list[str]) -> dict[str, Any]:
        options = "-Dspark.port.maxRetries=0 -Dspark.master.rest.enabled=false"
        variables = environment.child_environment(
            without="SPARK_",
            SPARK_DAEMON_MEMORY=DAEMON_MEMORY,
            SPARK_MASTER_OPTS=options,
            **self.variables(),
        )
        program = str(_spark_home() / "bin" / "spark-class")
        command = [program, f"org.apache.spark.deploy.{main}", *words]
        return start(command, self._log(name), variables, self.folder).as_json()

    def _wait(self) -> None:
        until = time.monotonic() + START_SECONDS
        while self.n_alive() < self._workers:
            for name, leader in zip(("master", *self._names()), (self.master, *self.workers), strict=True):
                if leader is None or not leader.is_alive():
                    raise self._away(f"{name} of the local Spark cluster ended", name)
            if time.monotonic() > until:
                raise self._away(
                    f"{self.n_alive()} of {self._workers} Spark workers came within {START_SECONDS:.0f} s",
                    "master",
                )
            time.sleep(TICK_SECONDS)

    def _away(self, what: str, name: str) -> SparkAway:
        log = self._log(name)
        last = " / ".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:])
        return SparkAway(what, found=last[-1500:], then=f"read {log}, then start it again")

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _state(self) -> dict[str, Any]:
        """The content of local.json; empty where no cluster runs."""
        try:
            state: dict[str, Any] = json.loads((self.folder / "local.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return state

    def _write(self, state: dict[str, Any]) -> None:
        with disk.writing(self.folder):
            unfinished = self.folder / "local.json.new"
            unfinished.write_text(json.dumps(state, indent=2), encoding="utf-8")
            unfinished.replace(self.folder / "local.json")


@contextmanager
def cluster(home: Path, workers: int = 2) -> Iterator[str]:
    """The URL of the master of a cluster that is there for the block, without a secret; see Cluster.start.

    `Cluster(home)` has its processes meanwhile, in every process of this machine.
    """
    running = Cluster(home, workers)
    running.start()
    try:
        yield running.master_url
    finally:
        running.stop()


def _spark_home() -> Path:
    """The installed package pyspark, which has Spark's jars and scripts."""
    spec = find_spec("pyspark")
    assert spec is not None, "check_installed() has said that it is there"
    assert spec.origin is not None
    return Path(spec.origin).parent


def _free_ports(folder: Path) -> Iterator[int]:
    """Ports that nobody listens on, first those of this folder."""
    first = ports.preferred(folder, PORTS) - PORTS.start
    among = (PORTS[(first + offset) % len(PORTS)] for offset in range(len(PORTS)))
    return filter(ports.is_free, among)
