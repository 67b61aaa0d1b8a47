"""Every model by name."""

from __future__ import annotations

from pipeline.config import Als, Settings
from pipeline.models.als import AlsModel
from pipeline.models.baselines import ItemNeighbours, OwnMostBought, Popular
from pipeline.models.params import Params
from pipeline.models.top_n import Model

PLAIN_ALS = "als_500_3_001"


RULES = ("popular", "recently_popular", "own_most_bought", "item_neighbours", PLAIN_ALS)


RERANKERS = ("blend", "ranker")


MODELS = (*RULES, "als", *RERANKERS)


def rule(name: str, params: Params, settings: Settings) -> Model:
    """The rule `name`, with the half-lives that validation liked best."""
    run = settings.run
    if name == "popular":
        return Popular()
    if name == "recently_popular":
        return Popular(params.half_lives[name], name)
    if name == "own_most_bought":
        return OwnMostBought(params.half_lives[name])
    if name == "item_neighbours":
        return ItemNeighbours(threads=run.threads)
    if name != PLAIN_ALS:
        raise KeyError(name)
    plain = Als(factors=500, iterations=3, regularization=0.01, regularization_scale=0.0)
    return AlsModel(plain, None, run.seed, run.threads, PLAIN_ALS)
