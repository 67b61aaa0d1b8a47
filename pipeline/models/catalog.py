"""The registry of models: every model by name, with its kind, its title for readers, and what builds it.

A new rule is one entry here and the module that fits it; the race, `evaluate`, `recommend` and the report
go through the registry. A rule with a half-life has its default in `HALF_LIVES` too. A new re-ranker is one
entry here; `FITTERS` (`ranking/reranker.py`) and `STORAGES` (`ranking/saved.py`) fit and store it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pipeline.config import Als, Settings
from pipeline.models import ncf
from pipeline.models.als import AlsModel
from pipeline.models.baselines import ItemNeighbours, OwnMostBought, Popular
from pipeline.models.ease import Ease
from pipeline.models.params import Params
from pipeline.models.top_n import Model

Kind = Literal["rule", "base model", "challenger", "re-ranker"]
Build = Callable[[Params, Settings], Model]

ALS = "als"
EASE = "ease"
ITEM_NEIGHBOURS = "item_neighbours"
NCF = ncf.NAME
RECENTLY_POPULAR = "recently_popular"
PLAIN_ALS = "als_500_3_001"
SIMPLEST = RECENTLY_POPULAR
"""Whose lists are published where nobody can be measured, and so nothing says which model is good."""


@dataclass(frozen=True)
class ModelEntry:
    """One model.

    name:  in `metrics`, `best_params` and `comparison`
    kind:  a rule is a baseline that every other model has to beat; a base model generates candidates too;
           a challenger orders candidates and is learnt from the events; a re-ranker orders candidates and is
           learnt from training rows
    title: what the report calls it
    is_same_for_all: whether everybody gets the same list, less what one's own may not hold
    build: the model before it is fitted, from parameters and settings; None: what orders candidates
    """

    name: str
    kind: Kind
    title: str
    build: Build | None = None
    is_same_for_all: bool = False


def plain_als(params: Params, settings: Settings) -> AlsModel:
    """ALS as in the first example of implicit: fixed parameters, every touched cell weighs 1."""
    als = Als(factors=500, iterations=3, regularization=0.01, regularization_scale=0.0)
    return AlsModel(als, None, settings.run.seed, settings.run.threads, PLAIN_ALS)


MODELS: dict[str, ModelEntry] = {
    entry.name: entry
    for entry in (
        ModelEntry("popular", "rule", "Best sellers", lambda params, settings: Popular(), True),
        ModelEntry(
            RECENTLY_POPULAR,
            "rule",
            "Best sellers of late",
            lambda params, settings: Popular(params.half_lives[RECENTLY_POPULAR], RECENTLY_POPULAR),
            True,
        ),
        ModelEntry(
            "own_most_bought",
            "rule",
            "What each buyer buys most",
            lambda params, settings: OwnMostBought(params.half_lives["own_most_bought"]),
        ),
        ModelEntry(
            ITEM_NEIGHBOURS,
            "rule",
            "Items with the same buyers",
            lambda params, settings: ItemNeighbours(threads=settings.run.threads),
        ),
        ModelEntry(PLAIN_ALS, "rule", "ALS, untuned", plain_als),
        ModelEntry(NCF, "challenger", "Neural network (NeuMF)"),
        ModelEntry(EASE, "base model", "EASE", lambda params, settings: Ease()),
        ModelEntry(ALS, "base model", "ALS, tuned", lambda params, settings: params.als_model(settings)),
        ModelEntry("blend", "re-ranker", "Blend"),
        ModelEntry("ranker", "re-ranker", "Boosted trees"),
    )
}
"""By name, in the order in which they are judged.

Of learnt models that the validation cannot tell apart the last one here is published (`tuning/race.py`): the
order says which proved best on other shops, so a new one comes last only with figures.
"""


def rules() -> tuple[str, ...]:
    """Names of the baselines, in order."""
    return tuple(name for name, entry in MODELS.items() if entry.kind == "rule")


def raced(settings: Settings) -> tuple[str, ...]:
    """Names of the models that are fitted and judged, in order: the rules, and those of `models.race`."""
    return tuple(name for name in MODELS if name in rules() or name in settings.models.race)


def has_rerankers(settings: Settings) -> bool:
    """Whether a model races that learns from training rows."""
    return any(name in raced(settings) for name in rerankers())


def names_candidates(name: str, settings: Settings) -> bool:
    """Whether the base model `name` is fitted: it races, or a model does that orders its candidates."""
    return name in raced(settings) or has_rerankers(settings) or NCF in raced(settings)


def rerankers() -> tuple[str, ...]:
    """Names of the re-rankers, in order."""
    return tuple(name for name, entry in MODELS.items() if entry.kind == "re-ranker")


def is_reranker(name: str) -> bool:
    """Whether the model `name` orders candidates, and so needs training rows."""
    return name in rerankers()


def is_same_for_all(name: str | None) -> bool:
    """Whether the lists of the model `name` are the same for everybody; not of one that is not known."""
    return name in MODELS and MODELS[name].is_same_for_all


def build(name: str, params: Params, settings: Settings) -> Model:
    """The rule or base model `name` before it is fitted; KeyError for every other name."""
    make = MODELS[name].build
    if make is None:
        raise KeyError(name)
    return make(params, settings)
