"""A whole night on Spark beside one on this machine, by the command line: the same sets, much the same lists.

A small made-up shop, judged by some fifty people; docs/spark.md has the figures of larger ones.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipeline.config import ROOT
from pipeline.contract.stages import STAGES

pytestmark = pytest.mark.spark

SAME = """
[run]
window_days = 200
[als]
regularization_scale = 1.0
[tune]
mode = "never"
regularization_scale = [1.0, 1.0]
[recommend]
audience = "engaged"
"""
ON_SPARK = """
[engine]
kind = "spark"
master = "local[1]"
users_in_task = 100
conf = [
    "spark.driver.host=127.0.0.1", "spark.driver.bindAddress=127.0.0.1", "spark.ui.enabled=false",
    "spark.sql.shuffle.partitions=1", "spark.sql.adaptive.enabled=false",
    "spark.sql.codegen.wholeStage=false",
]
"""
SETS = ("purchaser_events", "browser_events", "train", "validation_set", "test")
ON_THE_CLUSTER = ("filter_purchasers", "split", "tune", "train", "evaluate", "recommend")
"""Stages whose heavy work Spark does; their receipts tell what it took."""


def pipeline(home: Path, *words: str) -> str:
    """What `python -m pipeline` says; it must end well."""
    ran = subprocess.run(
        [sys.executable, "-m", "pipeline", *words],
        cwd=ROOT,
        env={**os.environ, "NIGHTSHELF_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture
def home(shop_url: str, serving_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two settings files in a home whose source is a small made-up shop."""
    monkeypatch.setenv("NIGHTSHELF_SOURCE_URL", shop_url)
    monkeypatch.setenv("NIGHTSHELF_SERVING_URL", serving_url)
    (tmp_path / "local.toml").write_text(SAME)
    (tmp_path / "spark.toml").write_text(SAME + ON_SPARK)
    pipeline(tmp_path, "load", "synthetic", "--events", "20000", "--seed", "1")
    return tmp_path


def test_a_night_on_spark(home: Path, serving_url: str) -> None:
    for name in ("local", "spark"):
        settings = str(home / f"{name}.toml")
        pipeline(home, "run", "--run-id", name, "--as-of", "last", "--config", settings, "--dry-run")
    here, there = (home / "runs" / name for name in ("local", "spark"))
    for name in SETS:
        assert (here / f"{name}.parquet").read_bytes() == (there / f"{name}.parquet").read_bytes(), name
    for stage in STAGES[:-1]:
        receipt = json.loads((there / "receipts" / f"{stage.name}.json").read_text())
        assert ("spark" in receipt) == (stage.name in ON_THE_CLUSTER), stage.name
        if "spark" in receipt:
            assert receipt["spark"]["executors"] == 1
            assert receipt["spark"]["shuffle_mb"] > 0
    assert_intervals_overlap(here, there)
    assert_lists_of_the_same_users(here, there)

    said = pipeline(home, "run", "publish", "--run-id", "spark", "--config", str(home / "spark.toml"))
    assert "is_live true" in said
    with psycopg.connect(serving_url) as db:
        [(n_users, n_items)] = db.execute("SELECT n_users, n_items FROM serving.publications WHERE is_live")
        listed = db.execute("SELECT count(DISTINCT user_id) FROM serving.recommendations").fetchone()
    assert listed == (n_users,)
    assert n_items > 50


def assert_intervals_overlap(here: Path, there: Path) -> None:
    """Precision@3 of ALS, of the published lists and of every rule; of rules it is the same.

    Fifty people make wide intervals, and two fits of ALS differ by a hit or two: the intervals must overlap.
    """
    one, other = (
        {(row["model"], row["repeat_purchases"]): row for row in pq.read_table(file).to_pylist()}
        for file in (here / "metrics.parquet", there / "metrics.parquet")
    )
    assert one.keys() == other.keys()
    for key in one:
        assert max(one[key]["ci_low"], other[key]["ci_low"]) <= min(
            one[key]["ci_high"], other[key]["ci_high"]
        )
    for rule in ("popular", "recently_popular", "own_most_bought", "item_neighbours"):
        assert one[rule, "exclude"]["precision_at_3"] == other[rule, "exclude"]["precision_at_3"]


def assert_lists_of_the_same_users(here: Path, there: Path) -> None:
    """As many rows of as many users, of the same types, in the same order."""
    one, other = (pq.read_table(run / "recommendations.parquet") for run in (here, there))
    assert one.schema == other.schema
    assert one["user_id"].equals(other["user_id"])
    assert one["rank"].equals(other["rank"])
    assert pc.count_distinct(other["item_id"]).as_py() > 50
