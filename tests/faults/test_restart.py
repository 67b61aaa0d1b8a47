"""SIGTERM to the publishing command, and restarts of its server, while it loads and while it flips."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pytest

from pipeline.config import ROOT
from pipeline.contract.datasets import DATASETS
from pipeline.databases.embedded import Server
from pipeline.runs.folder import RunFolder
from tests.faults import shelves
from tests.serving.nights import Shop
from tests.shelf import NO_FALLBACK, give

pytestmark = pytest.mark.slow

HOLDING = {
    "load": "LOCK TABLE serving_storage.similar_lists IN SHARE ROW EXCLUSIVE MODE",
    "flip": "SELECT FROM serving_storage.live FOR UPDATE",
}
"""What keeps a publisher in the middle of its load, and at its flip."""
AT_WORK = "SELECT wait_event_type FROM pg_stat_activity WHERE application_name LIKE 'nightshelf publish%'"
SHUTDOWN = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}
SPLIT = {"method": "time", "test_days": 14.0}
METRICS = pa.schema(list(DATASETS["metrics"].columns.items())).empty_table()


@pytest.fixture(scope="module")
def server(new_server: Callable[..., Server]) -> Server:
    return new_server(is_durable=True)


@pytest.fixture(scope="module")
def shop(server: Server, shop_on: Callable[[str], Shop]) -> Shop:
    """A shop with a live publication."""
    shop = shop_on(server.url("serving"))
    shop.publish(shelves.night(shop, 1))
    return shop


@pytest.fixture(scope="module")
def days() -> count[int]:
    return count(2)


@pytest.fixture
def folder(shop: Shop, days: count[int]) -> RunFolder:
    """The next night, passed by the gate."""
    folder = shelves.night(shop, next(days))
    decision = {"publish": True, "forced": False, "reasons": []}
    documents = {
        "split": SPLIT,
        "best_params": {"als": {"factors": 8}, "model": "als"},
        "fallback": NO_FALLBACK,
        "decision": decision,
    }
    give(folder, metrics=METRICS, **documents)
    return folder


def start(shop: Shop, folder: RunFolder) -> subprocess.Popen[str]:
    """The real command, on that run."""
    environment = {
        **os.environ,
        "NIGHTSHELF_HOME": str(folder.path.parent.parent),
        "NIGHTSHELF_SERVING_URL": shop.url,
    }
    command = [sys.executable, "-m", "pipeline", "run", "publish", "--run-id", folder.run_id]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@contextmanager
def stuck(shop: Shop, folder: RunFolder, where: str) -> Iterator[subprocess.Popen[str]]:
    """The command while it waits in the middle of its work."""
    holder = shop.connect("publisher")
    holder.execute("BEGIN")
    holder.execute(HOLDING[where].encode())
    publisher = start(shop, folder)
    try:
        shelves.until(lambda: at_work(shop) == [("Lock",)])
        yield publisher
    finally:
        holder.close()
        publisher.kill()
        publisher.communicate()


def at_work(shop: Shop) -> list[Any]:
    """What each publisher's session waits for."""
    return shop.read(AT_WORK, "")


def publishes(shop: Shop, folder: RunFolder) -> bool:
    """Whether the same command, given again, puts the run live and leaves nothing behind."""
    done = start(shop, folder)
    out, errors = done.communicate(timeout=shelves.PATIENCE_SECONDS)
    assert (done.returncode, errors) == (0, ""), out + errors
    return shelves.shown(shop)[1] == day_of(folder) and shelves.leftovers(shop) == []


def day_of(folder: RunFolder) -> int:
    return int(folder.run_id.removeprefix("night-"))


@pytest.mark.parametrize("where", HOLDING)
def test_sigterm(shop: Shop, folder: RunFolder, where: str) -> None:
    before = shelves.shown(shop)
    with stuck(shop, folder, where) as publisher:
        publisher.send_signal(signal.SIGTERM)
        _, errors = publisher.communicate()
        assert publisher.returncode in {-signal.SIGTERM, 143}
        assert errors == ""
        assert shelves.shown(shop) == before
    shelves.until(lambda: at_work(shop) == [])
    assert publishes(shop, folder)


@pytest.mark.parametrize("where", HOLDING)
@pytest.mark.parametrize("mode", SHUTDOWN)
def test_server_restarted(shop: Shop, server: Server, folder: RunFolder, mode: str, where: str) -> None:
    before = shelves.shown(shop)
    with stuck(shop, folder, where) as publisher:
        os.kill(server.pid() or 0, SHUTDOWN[mode])
        _, error = publisher.communicate(timeout=shelves.PATIENCE_SECONDS)
    assert publisher.returncode == 1
    assert re.match(
        r"the serving (database cannot be reached|server) at postgresql://nightshelf_owner:\*\*\*@127", error
    )
    assert "next:" in error
    assert "Traceback" not in error
    assert urlsplit(shop.url).password not in error
    shelves.until(lambda: server.pid() is None)
    server.start()
    assert shelves.shown(shop) == before
    assert publishes(shop, folder)
