"""Dockerfile and docker-compose.yml performed without Docker: a folder, a virtual environment, processes.

What cannot be had this way is left out: the layers below the image, users, networks. A path of the image
lies under the folder; where a service is called by its name, there is a real server on 127.0.0.1.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pipeline.config import ROOT

PLACES = ("/opt/", "/run/secrets")
"""Where the image keeps what is its own; everything else is the machine's."""

SHELL = ["bash", "-o", "pipefail", "-o", "errexit", "-o", "nounset", "-c"]
"""What runs a RUN of the official image."""


@dataclass
class Stage:
    """One `FROM ... AS name` of a Dockerfile and its instructions: ("RUN", "..."), in order."""

    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)


def stages(dockerfile: str) -> dict[str, Stage]:
    """The stages by name, the last one last."""
    joined = re.sub(r"\\\n\s*", "", "".join(re.findall(r"^(?!\s*#).*\n", dockerfile, re.MULTILINE)))
    by_name: dict[str, Stage] = {}
    for line in filter(None, joined.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            by_name[name] = Stage(base)
        else:
            by_name[name].instructions.append((word, rest))
    return by_name


def context(to: Path) -> Path:
    """A copy of what `docker build` would be given of the checkout: what .dockerignore lets through."""
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert rules[0] == "*", "the list says what is let through"
    left_out = shutil.ignore_patterns(*(rule.removeprefix("**/") for rule in rules if rule.startswith("**/")))
    to.mkdir()
    for path in ROOT.iterdir():
        if any(fnmatch.fnmatch(path.name, rule[1:]) for rule in rules if rule.startswith("!")):
            if path.is_dir():
                shutil.copytree(path, to / path.name, ignore=left_out)
            else:
                shutil.copy(path, to)
    return to


@dataclass
class Image:
    """The result of the Dockerfile under `root`, and the environment that its processes have."""

    root: Path
    environment: dict[str, str]
    folder: Path
    packages: list[str] = field(default_factory=list)
    arguments: dict[str, str] = field(default_factory=dict)

    def at(self, text: str) -> str:
        """`text` with the image's paths as they are on this machine."""
        for place in PLACES:
            text = re.sub(rf"(?<![\w./]){re.escape(place)}", f"{self.root}{place}", text)
        return text

    def run(self, command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        """A command in a container: the image's environment and working directory."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def build(given: Path, root: Path, **arguments: str) -> Image:
    """Perform the Dockerfile's default stage on the build context `given`, under `root`.

    arguments: what `docker build --build-arg` would be given

    The official image is a new virtual environment here, as its own is. `apt-get` is left out: what it
    would install is kept in `packages`.
    """
    by_name = stages((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    image = _official(root)
    instructions = _chain(by_name, list(by_name)[-1])
    assert set(arguments) <= {rest.partition("=")[0] for word, rest in instructions if word == "ARG"}
    image.arguments |= arguments
    for word, rest in instructions:
        perform(image, given, word, rest)
    return image


def perform(image: Image, given: Path, word: str, rest: str) -> None:
    """One instruction."""
    if word == "COPY":
        flag, *sources, target = shlex.split(rest)
        assert flag == "--chown=airflow:root"
        _copy(given, sources, Path(image.at(target)), is_folder=target.endswith("/"))
    elif word == "ENV":
        for name, value in (pair.split("=", 1) for pair in shlex.split(rest)):
            image.environment[name] = image.at(re.sub(r"\$(\w+)", lambda m: image.arguments[m[1]], value))
    elif word == "ARG":
        name, _, default = rest.partition("=")
        image.arguments.setdefault(name, default)
    elif word == "WORKDIR":
        image.folder = Path(image.at(rest))
        image.folder.mkdir(parents=True, exist_ok=True)
    elif word == "RUN" and rest.startswith("apt-get"):
        [packages] = re.findall(r"apt-get install ([^&]+)", rest)
        image.packages += [word for word in packages.split() if not word.startswith("-")]
    elif word == "RUN":
        # the cache is what the machine has; a build in a container has none
        done = image.run([*SHELL, image.at(rest).replace(" --no-cache", "")])
        assert done.returncode == 0, done.stderr
    else:
        assert word == "USER", word


def _official(root: Path) -> Image:
    """What stands for the official image: a virtual environment, Airflow's home and the paths to both."""
    venv, home = root / "home/airflow/.local", root / "opt/airflow"
    home.mkdir(parents=True)
    uv = shutil.which("uv", path=str(Path(sys.executable).parent))
    assert uv, "make dev installs it"
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(venv)], check=True)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "NIGHTSHELF", "PYTHON"))}
    path = f"{venv / 'bin'}:{Path(uv).parent}:{os.environ['PATH']}"
    return Image(root, {**kept, "PATH": path, "VIRTUAL_ENV": str(venv), "AIRFLOW_HOME": str(home)}, home)


def _chain(by_name: Mapping[str, Stage], name: str) -> list[tuple[str, str]]:
    """The instructions of a stage and of all it is made from."""
    stage = by_name[name]
    before = _chain(by_name, stage.base) if stage.base in by_name else []
    return [*before, *stage.instructions]


def _copy(given: Path, sources: list[str], target: Path, *, is_folder: bool) -> None:
    paths = [path for source in sources for path in sorted(given.glob(source))]
    assert paths, f"COPY {sources}: nothing of that name in the build context"
    assert is_folder or len(paths) == 1
    for path in paths:
        to = target / path.name if is_folder else target
        to.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, to, dirs_exist_ok=True)
        else:
            shutil.copy(path, to)


@dataclass(frozen=True)
class Compose:
    """A compose file over an image: its services as processes.

    hosts:     `name:port` or `@name` as a service is called by others -> where it is on this machine
    variables: those of .env and the shell; any other has the default that the file gives
    """

    image: Image
    hosts: Mapping[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)

    def service(self, name: str) -> dict[str, Any]:
        return dict(document()["services"][name])

    def environment(self, name: str) -> dict[str, str]:
        """What a container of the service finds in its environment."""
        own = self.service(name).get("environment", {})
        return {**self.image.environment, **{key: self.here(value) for key, value in own.items()}}

    def here(self, text: str) -> str:
        """A value of the file as it is on this machine; `$$` is how the file writes `$`."""
        for host, place in self.hosts.items():
            text = text.replace(host, place)
        text = re.sub(
            r"(?<!\$)\$\{(\w+):-([^}]*)\}", lambda name: self.variables.get(name[1]) or name[2], text
        )
        return self.image.at(text).replace("$$", "$")

    def command(self, name: str) -> list[str]:
        """The service's entrypoint and command; the official image's entrypoint hands on to `airflow`."""
        service = self.service(name)
        return [*service.get("entrypoint", ["airflow"]), *map(self.here, service["command"])]

    def health(self, name: str) -> list[str]:
        """The command of the service's health check."""
        kind, *words = self.service(name)["healthcheck"]["test"]
        assert kind == "CMD"
        return [self.here(word) for word in words]

    def run(self, name: str, command: list[str] | None = None) -> subprocess.CompletedProcess[str]:
        """A service, or another command in it, to its end."""
        return self.image.run(command or self.command(name), **self.environment(name))


def document() -> dict[str, Any]:
    """docker-compose.yml, its merge keys resolved."""
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8")))
