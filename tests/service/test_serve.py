"""`python -m pipeline serve`, in a full checkout, on the embedded server."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.config import ROOT
from pipeline.databases.embedded import Server
from pipeline.environment import child_environment
from tests.faults.conftest import shop_on
from tests.service.conftest import LISTS, USERS
from tests.serving.nights import Shop

__all__ = ["shop_on"]

pytestmark = pytest.mark.slow


@pytest.fixture
def home() -> Iterator[Path]:
    """A home with an embedded server of its own."""
    home = Path(tempfile.mkdtemp(prefix="nightshelf-serve-"))
    home.chmod(0o755)
    yield home
    Server(home).destroy()
    shutil.rmtree(home)


def test_it_serves_what_the_embedded_server_holds(home: Path, shop_on: Callable[..., Shop]) -> None:
    command = [sys.executable, "-m", "pipeline", "serve", "--port", "0"]
    environment = child_environment("NIGHTSHELF_", NIGHTSHELF_HOME=str(home))
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "make demo" in done.stderr
    shop = shop_on(Server(home).url("serving"))
    shop.publish(shop.night(1, USERS, **LISTS))
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        url = line.removeprefix("the service answers at ").strip()
        with urllib.request.urlopen(f"{url}/users/1/recommendations", timeout=30) as reply:
            assert b"BANANAS" in reply.read()
    finally:
        process.terminate()
        assert process.wait(timeout=20) == 0
