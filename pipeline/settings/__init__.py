"""What a shop can set: the sections of `config.toml`, frozen and typed, with ranges and defaults.

The form in the Airflow UI and docs/settings.md show their titles and descriptions. `config` reads the file.
"""

from __future__ import annotations

from pydantic import model_validator

from pipeline.settings.data import MOST_TEST_DAYS, Filter, Ids, IdType, Source, Split, Weights
from pipeline.settings.engine import Engine
from pipeline.settings.learning import Als, Models, Ranking, Tune
from pipeline.settings.publishing import Approval, Gate, Recommend, Serving
from pipeline.settings.redis import Redis
from pipeline.settings.running import Alerts, Run, Schedule
from pipeline.settings.section import PRESETS, Section
from pipeline.settings.service import Service

__all__ = [
    "MOST_TEST_DAYS",
    "PRESETS",
    "Alerts",
    "Als",
    "Engine",
    "Filter",
    "IdType",
    "Ids",
    "Redis",
    "Run",
    "Service",
    "Serving",
    "Settings",
    "Source",
    "Split",
    "Weights",
]


class Settings(Section):
    """All settings of one shop."""

    run: Run = Run()
    engine: Engine = Engine()
    ids: Ids = Ids()
    source: Source = Source()
    schedule: Schedule = Schedule()
    filter: Filter = Filter()
    weights: Weights = Weights()
    split: Split = Split()
    als: Als = Als()
    tune: Tune = Tune()
    models: Models = Models()
    ranking: Ranking = Ranking()
    recommend: Recommend = Recommend()
    gate: Gate = Gate()
    approval: Approval = Approval()
    alerts: Alerts = Alerts()
    serving: Serving = Serving(schema="serving")
    service: Service = Service()
    redis: Redis = Redis()

    @model_validator(mode="after")
    def _spark_fits_what_it_can(self) -> Settings:
        if self.engine.kind == "spark":
            scales = {self.als.regularization_scale, *self.tune.regularization_scale}
            if scales != {1.0}:
                raise ValueError(
                    'engine.kind: "spark" needs als.regularization_scale = 1.0 and'
                    " tune.regularization_scale = [1.0, 1.0]: the penalty of its ALS grows in proportion"
                )
            if "ncf" in self.models.race:
                raise ValueError(
                    'engine.kind: with "spark" the neural network cannot race: take ncf out of models.race'
                )
        return self

    @model_validator(mode="after")
    def _runs_outlive_the_question(self) -> Settings:
        if self.approval.is_required and 0 < 24 * self.run.keep_runs_days <= self.approval.hours:
            raise ValueError("approval.hours: less than run.keep_runs_days, or the run that waits is removed")
        return self
