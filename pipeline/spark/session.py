"""The Spark application of a stage: begun when the stage first needs it, ended with it, however it ends."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import environment
from pipeline.config import ROOT
from pipeline.errors import SettingsError, SparkAway
from pipeline.settings.engine import Engine

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

JAVA = 17
"""The oldest Java that Spark 4 runs on."""
FIXED = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.ansi.enabled": "true",  # a number that is too large is an error, and never another number
}
LOGGING = Path(__file__).with_name("log4j2.properties")
DEFAULTS = {
    "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={LOGGING}",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.executorEnv.PYTHONPATH": str(ROOT),
    "spark.pyspark.python": sys.executable,
}
"""What `engine.conf` may set otherwise. Executors find Python and this code where the driver has them."""


@contextmanager
def application(settings: Engine, name: str) -> Iterator[SparkSession]:
    """A Spark application on the cluster `settings.master`, open while the block runs.

    Raises SettingsError where pyspark or Java is missing, SparkAway where the cluster does not answer.
    """
    check_installed()
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    conf = {**DEFAULTS, **settings.settings_of_spark, **FIXED}
    builder = SparkSession.builder.master(settings.master).appName(name)
    for key, value in conf.items():
        builder = builder.config(key, value)
    try:
        session = builder.getOrCreate()
        session.sparkContext.pythonExec = conf["spark.pyspark.python"]
    except (Py4JError, PySparkException) as error:
        raise _away(settings, error) from error
    try:
        yield session
    except (Py4JError, PySparkException, ConnectionError) as error:
        if _has_ended(session):
            raise _away(settings, error) from error
        raise
    finally:
        with suppress(Py4JError, ConnectionError):
            session.stop()


def used_by(session: SparkSession) -> dict[str, Any]:
    """What the application has used until now: executors, and megabytes that were shuffled and spilled.

    Spill is that of the last 1,000 of Spark's own stages (spark.ui.retainedStages).
    """
    context = session.sparkContext
    status = context._jsc.sc().statusStore()
    everyone = _each(status.executorList(False))
    executors = [one for one in everyone if one.id() != "driver"] or everyone  # of local[*], the driver alone
    gateway: Any = context._gateway
    quantiles = gateway.new_array(gateway.jvm.double, 0)
    stages = _each(status.stageList(None, False, False, quantiles, None))
    return {
        "application": context.applicationId,
        "executors": len(executors),
        "shuffle_mb": round(sum(one.totalShuffleWrite() for one in executors) / 1e6, 1),
        "spill_mb": round(sum(one.diskBytesSpilled() for one in stages) / 1e6, 1),
    }


def _each(of_scala: Any) -> list[Any]:
    """The elements of a Scala sequence."""
    return [of_scala.apply(place) for place in range(of_scala.size())]


def check_installed() -> None:
    """Raises SettingsError, with what to install, where pyspark or Java is missing or too old."""
    if find_spec("pyspark") is None or find_spec("sqlglot") is None:
        raise SettingsError(
            'engine.kind = "spark" needs pyspark, which is not installed',
            found=f"the packages of {sys.prefix}",
            promised="those of requirements-spark.txt too",
            then=f"{sys.executable} -m pip install -r requirements-spark.txt",
        )
    java, found = _java()
    if java is None or java < JAVA:
        raise SettingsError(
            f'engine.kind = "spark" needs Java {JAVA} or newer',
            found=found,
            promised="`java` in the PATH, or JAVA_HOME",
            then="on Debian and Ubuntu: apt install openjdk-17-jre-headless",
        )


def _java() -> tuple[int | None, str]:
    """The version of Java that Spark will run on (None: there is none), and in words what was found."""
    home = environment.java_home()
    path = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if path is None:
        return None, "no `java` in the PATH, and no JAVA_HOME"
    try:
        told = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=60, check=False)
    except OSError as error:
        return None, f"{path}: {error.strerror}"
    match = re.search(r'version "(?:1\.)?(\d+)', told.stderr)
    return (int(match[1]), f"{path}: Java {match[1]}") if match else (None, f"{path}, which tells no version")


def _has_ended(session: SparkSession) -> bool:
    """Whether the application has ended before it was told to: the driver's JVM or the cluster went away."""
    from py4j.protocol import Py4JError

    try:
        return bool(session.sparkContext._jsc.sc().isStopped())
    except (Py4JError, ConnectionError):
        return True


def _away(settings: Engine, error: BaseException) -> SparkAway:
    return SparkAway(
        f"the Spark cluster {settings.master} does not answer",
        found=next((line for line in str(error).splitlines() if line.strip()), type(error).__name__),
        promised="a cluster that runs the application to its end",
        then="look at the cluster and at engine.master in config.toml, then run the stage again",
    )
