"""The engine, the images and the stack that these tests share, and what the report says of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.containers import stand_ins
from tests.containers.engine import Engine, NoEngine, missing
from tests.containers.stack import PROFILES, Stack, write_override

SECONDS: dict[str, float] = {}
"""Step -> how long it took in this run."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the containers stood on, in every run that had any."""
    if not SECONDS:
        return
    terminalreporter.section("containers")
    terminalreporter.line(
        f"On stand-ins, not on the official images: {', '.join(stand_ins.names().values())}"
    )
    for step, seconds in SECONDS.items():
        terminalreporter.line(f"{seconds:6.0f} s  {step}")


@contextmanager
def timed(step: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    SECONDS[step] = time.monotonic() - began


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """An engine with the stand-ins and the images of the real Dockerfile, in a network of its own."""
    if lacks := missing():
        pytest.skip(lacks)
    engine = Engine()
    try:
        try:
            engine.start(isolated=True)  # what this machine refuses is told before anything is built
            engine.stop()
            engine.start(isolated=False)
        except NoEngine as why:
            pytest.skip(str(why))
        with timed("stand-ins of the base images"):
            secrets = stand_ins.build_secrets(engine.folder / "secrets")
            stand_ins.build(engine, secrets)
        write_override(engine.folder / "override.json", secrets)
        with timed("images of the Dockerfile"):
            for profile in PROFILES:
                Stack(engine, profile).compose("build")
        engine.stop()
        engine.start(isolated=True)
        yield engine
    finally:
        engine.destroy()


@pytest.fixture(scope="session")
def stack(engine: Engine) -> Iterator[Stack]:
    """The profile `demo`, all of it up and healthy."""
    stack = Stack(engine, "demo")
    with timed("profile demo: up until all is healthy"):
        stack.up()
    yield stack
    with timed("profile demo: down"):
        stack.down(volumes=True)
    for kind in ("container", "network", "volume"):
        left = engine.docker(kind, "ls", "--quiet", "--filter=label=com.docker.compose.project").stdout
        assert left == "", f"docker compose down --volumes leaves a {kind}"
