"""The parameters a night settles on: from a search, from the live publication, or from config.toml.

`best_params.json` and the `params` of a publication hold them as
`{"als": {...}, "weights": {...}, "source", "searched_at", "n_trials", "precision_at_3", "repeat_purchases"}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from pipeline.config import Als, Settings, Weights
from pipeline.models.als import AlsModel


@dataclass(frozen=True)
class Params:
    """What ALS is fitted with: its own parameters and the events' weights with their half-life."""

    als: Als
    weights: Weights

    @classmethod
    def configured(cls, settings: Settings) -> Params:
        """As config.toml has them."""
        return cls(settings.als, settings.weights)

    @classmethod
    def published(cls, live: Mapping[str, Any], settings: Settings) -> Params | None:
        """The live publication's; None when it has none that today's settings can read.

        Only what a search sets comes from there: the event weights stay those of config.toml.
        """
        try:
            als = Als.model_validate(live["params"]["als"])
            half_life = float(live["params"]["weights"]["half_life_days"])
            return cls(als, settings.weights.model_copy(update={"half_life_days": half_life}))
        except (KeyError, TypeError, ValueError, ValidationError):
            return None

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Params:
        """From `best_params.json`."""
        return cls(Als.model_validate(document["als"]), Weights.model_validate(document["weights"]))

    def model(self, settings: Settings) -> AlsModel:
        """ALS with these parameters."""
        return AlsModel(self.als, self.weights, settings.run.seed, settings.run.threads)

    def dump(self) -> dict[str, dict[str, object]]:
        """For JSON."""
        return {"als": self.als.model_dump(), "weights": self.weights.model_dump()}


def known_by(live: Mapping[str, Any], as_of: datetime) -> Mapping[str, Any]:
    """The live publication, or nothing when it has seen events that a run as of `as_of` may not know."""
    if live and datetime.fromisoformat(live["as_of"]) > as_of:
        return {}
    return live


def is_search_due(live: Mapping[str, Any], settings: Settings, as_of: datetime) -> bool:
    """Whether tonight searches: `tune.mode`, and in `auto` the age and the mode of the last search."""
    if settings.tune.mode != "auto":
        return settings.tune.mode == "always"
    params = live.get("params") or {}
    if Params.published(live, settings) is None or not params.get("searched_at"):
        return True
    if params.get("repeat_purchases") != settings.run.repeat_purchases:
        return True
    age = as_of - datetime.fromisoformat(params["searched_at"])
    return age >= timedelta(days=settings.tune.tune_every_days)
