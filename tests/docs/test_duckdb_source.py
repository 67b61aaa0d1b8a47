"""The night on files that docs/operations.md describes: its views, its commands, its URL."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from pipeline import config
from pipeline.__main__ import main
from pipeline.config import ROOT
from tests.docs.pages import blocks, shell_lines
from tests.docs.test_commands import write_events


def test_the_night_on_files_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serving_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "operations.md",)
    [views] = blocks("duckdb", page)
    [make] = [line for line in shell_lines(page) if line.startswith(".venv/bin/python -c ")]
    [url] = [line.partition("=")[2] for line in shell_lines(page) if "duckdb:///" in line]
    write_events(tmp_path / "my_events.csv")
    (tmp_path / "my_views.sql").write_text(views, encoding="utf-8")
    command = [sys.executable, *shlex.split(make)[1:]]
    subprocess.run(command, cwd=tmp_path, check=True)
    whole = config.path().read_text(encoding="utf-8")
    small = re.sub(r"(?m)^role_prefix = .*$", 'role_prefix = "files"', whole)
    (tmp_path / "config.toml").write_text(re.sub(r"(?m)^trials = 20", "trials = 1", small), encoding="utf-8")
    monkeypatch.setenv("NIGHTSHELF_CONFIG", str(tmp_path))
    monkeypatch.setenv("NIGHTSHELF_SOURCE_URL", url)
    monkeypatch.setenv("NIGHTSHELF_SERVING_URL", serving_url)
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--as-of", "last"]) == 0, capsys.readouterr()
    with psycopg.connect(serving_url) as db:
        db.execute("SET ROLE files_reader")
        assert db.execute("SELECT count(DISTINCT user_id) FROM serving.recommendations").fetchone() == (60,)
    assert sorted(path.name for path in tmp_path.iterdir() if not path.is_dir()) == [
        *("config.toml", "my_events.csv", "my_views.sql", "shop.duckdb")
    ]
