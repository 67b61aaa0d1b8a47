"""docker-compose.yml as a user runs it: .env filled in, images built, services started and asked."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pipeline.config import ROOT
from pipeline.local.api import Api
from tests.containers.engine import Engine

PROFILES = ("demo", "mysql")
COMMIT = "abc1234"
HEALTHY_WITHIN = 180


def document() -> dict[str, Any]:
    """docker-compose.yml, its merge keys resolved."""
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8")))


def urls_of_example(password: str) -> list[str]:
    """The URLs of the profiles that the comments of .env.example give: demo, MariaDB, reader."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    found = re.findall(r"^# ((?:postgresql|mysql)://\S+)$", text, flags=re.MULTILINE)
    return [url.replace("${POSTGRES_PASSWORD}", password) for url in found]


def filled_in(*, is_mysql: bool = False) -> dict[str, str]:
    """.env.example with a value for everything, of the kinds that its comments ask for."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    values = {name: secrets.token_hex(16) for name in re.findall(r"^([A-Z_]+)=$", text, flags=re.MULTILINE)}
    demo, mysql, reader = urls_of_example(values["POSTGRES_PASSWORD"])
    return values | {
        "NIGHTSHELF_SCHEDULE": "off",
        "FERNET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "NIGHTSHELF_SOURCE_URL": mysql if is_mysql else demo,
        "NIGHTSHELF_SERVING_URL": demo,
        "NIGHTSHELF_READER_URL": reader,
    }


def write_override(path: Path, build_secrets: Path) -> None:
    """A second compose file with what only a build of the tests needs: its network and its secrets."""
    names = [file.name for file in sorted(build_secrets.iterdir())]
    build = {"network": "host", "secrets": names}
    services = {
        name: {"build": build} for name, service in document()["services"].items() if "build" in service
    }
    files = {name: {"file": str(build_secrets / name)} for name in names}
    path.write_text(json.dumps({"services": services, "secrets": files}), encoding="utf-8")


@dataclass
class Stack:
    """One project of the compose file in an engine. values: what .env holds"""

    engine: Engine
    profile: str
    values: dict[str, str] = field(default_factory=filled_in)

    def compose(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        env = self.engine.folder / f"{self.profile}.env"
        env.write_text(
            "".join(f"{name}='{value}'\n" for name, value in self.values.items()), encoding="utf-8"
        )
        files = [
            "--file",
            str(ROOT / "docker-compose.yml"),
            "--file",
            str(self.engine.folder / "override.json"),
        ]
        command = ["--project-name", f"nightshelf-{self.profile}", "--env-file", str(env), *files]
        return self.engine.compose(
            *command, "--profile", self.profile, *words, values={"NIGHTSHELF_COMMIT": COMMIT}, check=check
        )

    def up(self, *services: str) -> None:
        """`docker compose up -d --build`, and wait until every service is healthy or has ended well."""
        words = ["--detach", "--build", "--wait", f"--wait-timeout={HEALTHY_WITHIN}"]
        done = self.compose("up", *words, *services, check=False)
        if done.returncode:
            raise RuntimeError(f"{done.stderr[-3000:]}\n{self.logs()[-9000:]}")

    def down(self, *, volumes: bool = False) -> None:
        self.compose("down", "--timeout=20", *(["--volumes"] if volumes else []))

    def logs(self, *services: str) -> str:
        return self.compose("logs", "--no-color", *services, check=False).stdout

    def containers(self) -> dict[str, dict[str, Any]]:
        """Service -> what `docker inspect` says of its container."""
        ids = self.compose("ps", "--all", "--quiet").stdout.split()
        inspected = json.loads(self.engine.docker("inspect", *ids).stdout)
        return {box["Config"]["Labels"]["com.docker.compose.service"]: box for box in inspected}

    def run_in(self, service: str, *words: str) -> str:
        """What a command prints in a running container."""
        return self.compose("exec", "-T", service, *words).stdout

    def network(self) -> AbstractContextManager[None]:
        return self.engine.network()

    def airflow(self) -> Api:
        """The API as a user of this machine has it; call it within `network()`."""
        return Api("http://127.0.0.1:8080", "admin", self.values["ADMIN_PASSWORD"])


def wait(until: Callable[[], Any], what: str, seconds: float = 120) -> Any:
    """The first true answer of `until`; AssertionError where there is none within `seconds`."""
    end = time.monotonic() + seconds
    while not (answer := until()):
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.5)
    return answer


def environment_of(container: Mapping[str, Any]) -> list[str]:
    return list(container["Config"]["Env"])
