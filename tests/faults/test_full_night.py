"""A night whose volume is full in every stage once: at its start, and when some bytes remain."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from pipeline import jobs
from pipeline.contract.stages import STAGES
from pipeline.errors import DiskFull
from pipeline.loading import load
from pipeline.runs.job import Databases, Job
from tests.tastes import settings_of
from tests.volumes import MB, filled, volume

pytestmark = pytest.mark.slow

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROOMS = (0, 4096, MB // 64, MB // 32)
"""Bytes that remain: none, a page, and too little for the last files of a stage."""
COMPARED = ("metrics", "recommendations", "popular_items", "similar_items")

Make = Callable[[Path], Job]


@pytest.fixture
def night(new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Make:
    """`night(home)`: the job of a new run in a home, on a small shop."""
    source = new_database()
    load("synthetic", source, now=NOW, say=str, settings=settings_of(), n_events=3_000, seed=1)
    config = Path(__file__).parents[2] / "config.toml"
    text = config.read_text(encoding="utf-8").replace("\nthreads = 0", "\nthreads = 1")
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")

    def make(home: Path) -> Job:
        serving = new_database()
        monkeypatch.setenv("NIGHTSHELF_HOME", str(home))
        return jobs.job_for(
            "night",
            databases=Databases(lambda: source, lambda: serving),
            now=NOW,
            say=str,
            as_of=NOW,
            overrides={"trials": 2},
            config_path=tmp_path / "config.toml",
        )

    return make


def open_files(folder: Path) -> list[str]:
    """Files on the volume that this process still has open: their room would not come back."""
    gc.collect()
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [path for path in map(os.readlink, links) if path.startswith(str(folder))]


def test_every_stage_says_so_and_the_next_attempt_ends_as_if_nothing_had_been(
    night: Make, tmp_path: Path
) -> None:
    undisturbed = night(tmp_path / "undisturbed")
    for stage in STAGES:
        jobs.play(stage.name, undisturbed)
    with volume(64 * MB) as folder:
        with filled(folder, 0), pytest.raises(DiskFull, match="no room for"):
            night(folder / "home")
        job = night(folder / "home")
        for stage in STAGES:
            for room in ROOMS:
                with filled(folder, room):
                    try:
                        jobs.play(stage.name, job)
                    except DiskFull as error:
                        what, found = error.what, error.found
                    else:
                        assert room, stage.name
                        break
                    assert f"the volume {folder} has" in found, stage.name
                    assert str(folder) in what or "SQL engine" in what, stage.name
                    assert not job.folder.receipt(stage.name)
            jobs.play(stage.name, job)
            assert open_files(folder) == [], stage.name
        for name in COMPARED:
            assert job.folder.file(name).read_bytes() == undisturbed.folder.file(name).read_bytes(), name
        with psycopg.connect(job.databases.serving()) as db:
            versions = db.execute("SELECT version, is_live FROM serving.publications").fetchall()
        assert versions == [(1, True)]
        assert not [path for path in job.folder.path.rglob(".*") if path.is_file()]
