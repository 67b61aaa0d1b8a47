"""Spark itself, for tests of what is written for it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.engines.tables import Engine
from pipeline.spark.engine import Spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def session(spark: Engine, tmp_path_factory: pytest.TempPathFactory) -> SparkSession:
    """The session of the application that all tests share (a process has one at a time), with checkpoints."""
    assert isinstance(spark, Spark)
    spark.session.sparkContext.setCheckpointDir(str(tmp_path_factory.mktemp("checkpoints")))
    return spark.session
