"""`make demo-spark`: the cluster and the settings with which the local Airflow runs nights on Spark."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pipeline import config, disk, environment
from pipeline.config import Settings
from pipeline.local.airflow import Say
from pipeline.local.spark_cluster import HOST, Cluster

WORKERS = 2
CONF = {
    "spark.driver.host": HOST,
    "spark.driver.bindAddress": HOST,
    "spark.driver.memory": "2g",
    "spark.executor.memory": "1g",  # the worker lends 2 GB; the executor's Python has the rest
}
USERS_IN_TASK = 500
"""So few that each worker makes lists of the demo's 2,469 buyers."""
DELETE = "\x7f"
"""The one character that JSON may have in a string as it is, and TOML may not."""


class SparkNight:
    """A cluster that is there for one night, and the environment that lets Airflow's tasks use it."""

    def __init__(self, home: Path) -> None:
        self.cluster = Cluster(home, WORKERS, secret=secrets.token_hex(32))
        self.file = self.cluster.folder / "settings" / "config.toml"

    def variables(self) -> dict[str, str]:
        """Of Airflow's components: the folder of the night's settings, and what Spark's drivers need."""
        return {environment.variable("config"): str(self.file.parent), **self.cluster.variables()}

    @contextmanager
    def running(self, say: Say) -> Iterator[None]:
        """Start the cluster and write the settings file; the cluster ends with the block.

        Raises SettingsError, SparkAway and RunError, with nothing left running.
        """
        settings = settings_on(f"spark://{HOST}", config.load())  # refused before anything starts
        say(f"starting a Spark cluster: one master, {WORKERS} workers")
        self.cluster.start()
        try:
            say(f"Spark: {self.cluster.master_url}, its UI {self.cluster.ui}")
            write(self.file, settings_on(self.cluster.master_url, settings))
            yield
        finally:
            self.cluster.stop()


def settings_on(master: str, settings: Settings) -> Settings:
    """The same settings with the cluster `master` as the engine, and nothing else in `engine`.

    MLlib's penalty always grows in proportion to the number of items or users, so that ALS is set, and
    searched, with that scale. Raises SettingsError where other settings cannot be with Spark.
    """
    conf = tuple(f"{name}={value}" for name, value in CONF.items())
    settings = config.changed(settings, "als", regularization_scale=1.0)
    settings = config.changed(settings, "tune", regularization_scale=(1.0, 1.0))
    return config.changed(
        settings, "engine", kind="spark", master=master, conf=conf, users_in_task=USERS_IN_TASK
    )


def write(file: Path, settings: Settings) -> None:
    """Write a settings file that `config.load` reads as `settings`; others may not enter its folder."""
    sections: Mapping[str, Mapping[str, object]] = settings.model_dump(mode="json", by_alias=True)
    lines = ["# Written by make demo-spark for its own night: config.toml, on a Spark cluster."]
    for name, values in sections.items():
        lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in values.items())]
    with disk.writing(file):
        file.parent.mkdir(0o777 & ~environment.umask(), exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(value: object) -> str:
    """A text, number, truth or list of these, as TOML has it."""
    return json.dumps(value, ensure_ascii=False).replace(DELETE, r"\u007f")
