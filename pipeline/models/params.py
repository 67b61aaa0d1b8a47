"""The parameters of a run: from a search, from the live publication, or from config.toml.

`best_params.json` and the `params` of a publication hold them as
`{"als": {...}, "weights": {...}, "half_lives": {...}, "model", "variety", "race": [...],
"source", "searched_at", "n_trials", "n_pruned", "ended_by", "precision_at_3", "repeat_purchases",
"tuned_until", "split_method", "test_days", "is_unjudged"}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from pipeline.config import Als, Settings, Weights
from pipeline.models.als import AlsModel

SEARCHED_WEIGHTS = ("view", "cart", "half_life_days")
HALF_LIVES = {"recently_popular": 30.0, "own_most_bought": 60.0}
"""Rules with a half-life, and its value in days until one has been chosen on the validation set."""


MOST = 100.0
"""No strength of variety is above it."""


@dataclass(frozen=True)
class Variety:
    """What is done for the variety of lists (`pipeline/variety`).

    strength: how much exposure and likeness cost; 0: nothing
    has_near_duplicates: whether two kinds of one product may stand side by side
    """

    strength: float = 0.0
    has_near_duplicates: bool = True

    @classmethod
    def read(cls, value: object) -> Variety:
        """From JSON; none where it is nothing that this release knows."""
        known = value if isinstance(value, Mapping) else {}
        strength, has = known.get("strength", 0.0), known.get("has_near_duplicates", True)
        is_sound = isinstance(strength, int | float) and isinstance(has, bool) and 0 <= strength <= MOST
        return cls(float(strength), has) if is_sound else cls()


@dataclass(frozen=True)
class Params:
    """What the models of a run are fitted with, and which of them is published.

    half_lives: in days, of the rules that have one
    variety:    of the lists of `model`
    """

    als: Als
    weights: Weights
    half_lives: Mapping[str, float] = field(default_factory=lambda: dict(HALF_LIVES))
    model: str = "als"
    variety: Variety = field(default_factory=Variety)

    @classmethod
    def configured(cls, settings: Settings) -> Params:
        """As config.toml has them."""
        return cls(settings.als, settings.weights)

    @classmethod
    def published(cls, live: Mapping[str, Any], settings: Settings) -> Params | None:
        """The live publication's; None when it has none that today's settings can read.

        Only what a search sets comes from there: the other event weights stay those of config.toml.
        """
        try:
            params = live["params"]
            als = Als.model_validate({"regularization_scale": 0.0, **params["als"]})
            searched = {name: float(params["weights"][name]) for name in SEARCHED_WEIGHTS}
            weights = Weights.model_validate({**settings.weights.model_dump(), **searched})
            half_lives = {**HALF_LIVES, **params.get("half_lives", {})}
            model = str(params.get("model", "als"))
            return cls(als, weights, half_lives, model, Variety.read(params.get("variety")))
        except (KeyError, TypeError, ValueError, ValidationError):
            return None

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Params:
        """From `best_params.json`."""
        als, weights = Als.model_validate(document["als"]), Weights.model_validate(document["weights"])
        variety = Variety.read(document.get("variety"))
        return cls(als, weights, document["half_lives"], document["model"], variety)

    def als_model(self, settings: Settings) -> AlsModel:
        """ALS with these parameters."""
        return AlsModel(self.als, self.weights, settings.run.seed, settings.run.threads)

    def but(self, **changes: Any) -> Params:
        """The same with other values."""
        return replace(self, **changes)

    def dump(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "als": self.als.model_dump(),
            "weights": self.weights.model_dump(),
            "half_lives": dict(self.half_lives),
            "model": self.model,
            "variety": asdict(self.variety),
        }


def live_as_of(live: Mapping[str, Any], as_of: datetime) -> Mapping[str, Any]:
    """The live publication, or nothing when it has seen events that a run as of `as_of` may not know."""
    if live and datetime.fromisoformat(live["as_of"]) > as_of:
        return {}
    return live
