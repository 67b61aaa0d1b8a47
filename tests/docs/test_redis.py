"""docs/redis.md: its commands are run, its programs read a shelf, its keys are those that there are."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import ROOT
from pipeline.export.redis import export
from tests.docs.pages import blocks, text
from tests.export.conftest import new_shop, shop, store
from tests.export.servers import RedisServer
from tests.serving.nights import Shop

__all__ = ["new_shop", "shop", "store"]

PAGE = ROOT / "docs" / "redis.md"
FIRST = {1: [11, 12], 2: [12, 21], 7: [22, 12], 99: [11, 15]}
"""What users read: user 2 is filled up, 7 has a segment, 99 is unknown."""


def program(first: str) -> str:
    """The block of the page with this first line."""
    [block] = [block for block in blocks("python", (PAGE,)) if block.startswith(first)]
    return block


def test_the_page_has_three_programs() -> None:
    firsts = [block.splitlines()[0] for block in blocks("python", (PAGE,))]
    assert firsts == ["import json", "# settings.py", "# shelves.py"]


def test_python_reads_a_shelf(shop: Shop, store: RedisServer) -> None:
    export(shop.url, store.url(), shop.settings)
    names: dict[str, object] = {"REDIS_URL": store.url()}
    exec(compile(program("import json"), "docs/redis.md", "exec"), names)
    shelf: Callable[..., list[dict[str, object]]] = names["shelf"]  # type: ignore[assignment]
    for user, items in FIRST.items():
        assert [item["item_id"] for item in shelf(user, n=2)] == items
    with shop.connect("owner") as db:
        db.execute("INSERT INTO serving.blocked_items (item_id, reason) VALUES (11, 'sold out')")
    export(shop.url, store.url(), shop.settings)
    assert [item["item_id"] for item in shelf(1, n=2)] == [12, 13]


def test_django_reads_a_shelf_through_its_cache(shop: Shop, store: RedisServer, tmp_path: Path) -> None:
    export(shop.url, store.url(), shop.settings)
    settings = program("# settings.py").replace("REDIS_URL", repr(store.url()))
    (tmp_path / "settings.py").write_text(settings, encoding="utf-8")
    (tmp_path / "shelves.py").write_text(program("# shelves.py"), encoding="utf-8")
    code = f"""import json, shelves
print(json.dumps([[item["item_id"] for item in shelves.shelf(user, n=2)] for user in {list(FIRST)}]))"""
    given = {**os.environ, "DJANGO_SETTINGS_MODULE": "settings", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == list(FIRST.values())


def test_the_table_has_every_key(shop: Shop, store: RedisServer) -> None:
    """Numbers and names apart; `editions` and `counter` are not for apps."""
    export(shop.url, store.url(), shop.settings)
    named = {
        re.sub(r"^serving:17-3:", "serving:E:", key)
        for key in re.findall(r"^\| `(serving:[^`]+)` \|", text(PAGE), re.M)
    }
    kinds = {re.sub(r":[^:]*$", ":", key) if key.count(":") == 3 else key for key in named}
    there = {re.sub(r"^serving:1-1:", "serving:E:", key) for key in store.all_keys()}
    there -= {"serving:editions", "serving:counter"}
    assert {re.sub(r":[^:]*$", ":", key) if key.count(":") == 3 else key for key in there} == kinds


def test_the_login_of_the_page_is_enough(shop: Shop, store: RedisServer) -> None:
    [line] = [block for block in blocks("text", (PAGE,)) if block.startswith("ACL SETUSER")]
    store.client().execute_command(*line.replace("PASSWORD", "secret").split())
    assert export(shop.url, store.url("nightshelf:secret@"), shop.settings).n_keys > 0
    shop.publish(shop.night(2, {1: [14]}))
    assert export(shop.url, store.url("nightshelf:secret@"), shop.settings).version == 2


@pytest.mark.parametrize("words", ["redis", "redis --again"])
def test_the_command_copies(
    shop: Shop,
    store: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
) -> None:
    from pipeline import serving_commands
    from pipeline.cli import parser

    monkeypatch.setenv("NIGHTSHELF_SERVING_URL", shop.url)
    monkeypatch.setenv("NIGHTSHELF_REDIS_URL", store.url())
    monkeypatch.setattr("pipeline.config.load", lambda file: shop.settings)
    lines: list[str] = []
    serving_commands.export(parser().parse_args(["export", *words.split()]), lines.append)
    assert lines == ["Redis holds version 1: 19 keys written; blocked items: 0"]
