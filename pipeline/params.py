"""The parameters a night settles on: from a search, from the live publication, or from config.toml.

`best_params.json` and the `params` of a publication hold them as
`{"als": {...}, "weights": {...}, "half_lives": {...}, "model", "race": [...], "source", "searched_at",
"n_trials", "n_pruned", "ended_by", "precision_at_3", "repeat_purchases", "tuned_until"}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from pipeline.config import Als, Settings, Weights
from pipeline.models.als import AlsModel

SEARCHED_WEIGHTS = ("view", "cart", "half_life_days")
HALF_LIVES = {"recently_popular": 30.0, "own_most_bought": 60.0}
"""Rules with a half-life, and what it is before validation has a say."""


@dataclass(frozen=True)
class Params:
    """What the models of a night are fitted with, and which of them is published.

    half_lives: in days, of the rules that have one
    """

    als: Als
    weights: Weights
    half_lives: Mapping[str, float] = field(default_factory=lambda: dict(HALF_LIVES))
    model: str = "als"

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
            found = live["params"]
            als = Als.model_validate({"regularization_scale": 0.0, **found["als"]})
            searched = {name: float(found["weights"][name]) for name in SEARCHED_WEIGHTS}
            weights = Weights.model_validate({**settings.weights.model_dump(), **searched})
            half_lives = {**HALF_LIVES, **found.get("half_lives", {})}
            return cls(als, weights, half_lives, str(found.get("model", "als")))
        except (KeyError, TypeError, ValueError, ValidationError):
            return None

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Params:
        """From `best_params.json`."""
        als, weights = Als.model_validate(document["als"]), Weights.model_validate(document["weights"])
        return cls(als, weights, document["half_lives"], document["model"])

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
        }


def known_by(live: Mapping[str, Any], as_of: datetime) -> Mapping[str, Any]:
    """The live publication, or nothing when it has seen events that a run as of `as_of` may not know."""
    if live and datetime.fromisoformat(live["as_of"]) > as_of:
        return {}
    return live


def unseen_by_search(live: Mapping[str, Any], test_from: datetime) -> Mapping[str, Any]:
    """The live publication, without parameters whose search knew days that are tonight's test.

    So it is after `split.test_days` was raised; an hour is nothing: shops do not begin at the same second.
    """
    until = (live.get("params") or {}).get("tuned_until")
    if until and datetime.fromisoformat(until) > test_from + timedelta(hours=1):
        return {**live, "params": {}}
    return live


def due(
    live: Mapping[str, Any], settings: Settings, as_of: datetime, validated: Callable[[Params], float]
) -> tuple[bool, str]:
    """Whether tonight searches, and why: `tune.mode`; in `auto` the last search's age, mode and worth.

    validated: Precision@3 of ALS with these parameters on tonight's validation set
    """
    mode, tune = settings.run.repeat_purchases, settings.tune
    if tune.mode != "auto":
        return tune.mode == "always", f"tune = {tune.mode}"
    params, known = live.get("params") or {}, Params.published(live, settings)
    if known is None or not params.get("searched_at"):
        return True, "searched: there is no earlier search to go by"
    if params.get("repeat_purchases") != mode:
        return True, f"searched: the last search was for repeat_purchases = {params.get('repeat_purchases')}"
    age = as_of - datetime.fromisoformat(params["searched_at"])
    if age >= timedelta(days=tune.tune_every_days):
        return True, f"searched: the last search is {age / timedelta(days=1):.1f} days old"
    was, now = float(params.get("precision_at_3") or 0.0), validated(known)
    told = f"ALS reaches {now:.4f} on validation with the live parameters, {was:.4f} when they were found"
    if now < (1.0 - tune.max_drop) * was:
        return True, f"searched: {told}"
    return False, f"reused: {told}"
