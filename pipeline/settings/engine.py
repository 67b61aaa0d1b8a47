"""Settings of the engine that does the heavy work of a night: this machine, or a Spark cluster."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.settings.section import Section

OURS = ("spark.master", "spark.submit.deployMode", "spark.sql.session.timeZone", "spark.sql.ansi.enabled")
"""What Nightshelf sets itself; lists would differ with other values."""


class Engine(Section):
    """Where the heavy work of a night is done: set work, ALS and the lists of users."""

    kind: Literal["local", "spark"] = Field(
        "local",
        description="local: DuckDB and implicit on this machine; spark: Apache Spark, which needs"
        " requirements-spark.txt and Java 17 or newer (docs/spark.md)",
    )
    master: str = Field(
        "local[*]", description="the Spark cluster: local[*], spark://host:7077, yarn, k8s://https://host:443"
    )
    conf: tuple[str, ...] = Field(
        (), description='further settings of Spark, each as in spark-submit: "spark.executor.memory=4g"'
    )

    users_in_task: int = Field(
        20_000, ge=1, le=1_000_000, description="buyers whose lists one task of Spark makes"
    )

    @model_validator(mode="before")
    @classmethod
    def _conf_is_an_array(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("conf"), list):
            return {**values, "conf": tuple(values["conf"])}
        return values

    @field_validator("conf")
    @classmethod
    def _each_is_a_setting(cls, conf: tuple[str, ...]) -> tuple[str, ...]:
        for line in conf:
            name, is_set, _ = line.partition("=")
            if not is_set or not name.startswith("spark.") or name != name.strip():
                raise ValueError('each must be "spark.name=value"')
            if name in OURS:
                raise ValueError(f"{name} is what Nightshelf sets (the cluster is `engine.master`)")
            if "password" in name.lower() or "secret" in name.lower():
                raise ValueError(f"{name}: no secrets here, because Spark's UI shows its settings")
        return conf

    @property
    def settings_of_spark(self) -> dict[str, str]:
        """`conf` by name."""
        return {name: value for name, _, value in (line.partition("=") for line in self.conf)}
