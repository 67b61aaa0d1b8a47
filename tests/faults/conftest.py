"""Servers that may be killed, filled up and restarted: never the one that other tests share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from pipeline import config
from pipeline.databases.embedded import Server
from pipeline.runs.folder import RunFolder
from tests.serving.nights import Shop


@contextmanager
def served(home: Path, *, is_durable: bool) -> Iterator[Server]:
    """An embedded server in `home`, gone afterwards."""
    home.chmod(0o755)
    server = Server(home, is_durable=is_durable)
    try:
        server.start()
        yield server
    finally:
        server.destroy()


@pytest.fixture(scope="module")
def new_server() -> Iterator[Callable[..., Server]]:
    """`new_server(is_durable=True)`: a server of this module's own."""
    with ExitStack() as stack:

        def make(*, is_durable: bool = False) -> Server:
            home = Path(tempfile.mkdtemp(prefix="nightshelf-faults-"))
            stack.callback(shutil.rmtree, home, ignore_errors=True)
            return stack.enter_context(served(home, is_durable=is_durable))

        yield make


@pytest.fixture(scope="module")
def shop_on(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Shop]:
    """`shop_on(url, keep_versions=2)`: a shop whose serving database is at `url`, as its owner."""

    def make(url: str, **serving: object) -> Shop:
        runs = tmp_path_factory.mktemp("home") / "runs"
        values = config.load().model_dump(by_alias=True)
        values["serving"] = {**values["serving"], "keep_versions": 2, **serving}
        settings = config.Settings.model_validate(values)
        ids = settings.ids.model_dump()
        return Shop(
            url, settings, lambda run_id, as_of, settings: RunFolder.create(runs, run_id, as_of, ids, {})
        )

    return make
