"""The application of a stage: begun when it is first needed, told of in the log, ended with the stage."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline.config import ROOT

pytestmark = pytest.mark.spark

STAGE = """
import sys, tempfile
from pathlib import Path
from pipeline.config import Run
from pipeline.engines.current import begun, tables, used
from pipeline.settings import Engine

ours = ("spark.driver.host=127.0.0.1", "spark.driver.bindAddress=127.0.0.1")
settings = Engine(kind="spark", master="local[1]", conf=("spark.ui.port=0", *ours))
said = []
with begun(settings, "a night", said.append) as engine, used(engine):
    assert not said, said
    with tables(Run(), Path(tempfile.mkdtemp())) as db:
        for number in range(2):
            print(db.query(f"SELECT {number} AS n")["n"].to_pylist())
    context = engine.session.sparkContext
    print(context.appName, context._jsc.sc().isStopped())
print(context._jsc is None, len(said), said[0])
"""


def test_an_application_lives_as_long_as_its_stage() -> None:
    ran = subprocess.run([sys.executable, "-c", STAGE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert lines[:3] == ["[0]", "[1]", "a night False"]
    assert lines[3].startswith("True 1 Spark application local-")
    assert "on local[1], its UI http://127.0.0.1:" in lines[3]
