"""The model that makes tonight's lists: fitted again on all events, items that are not available hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.config import Settings
from pipeline.lists.personal import Audience
from pipeline.lists.reasons import BOUGHT_AGAIN, LOOKED_AT, SIMILAR_TO_PURCHASE, SIMILAR_TO_VIEW
from pipeline.models.als_factors import AlsFactors
from pipeline.models.baselines import MostTouched
from pipeline.models.catalog import RECENTLY_POPULAR, is_reranker
from pipeline.models.item_factors import ItemFactors
from pipeline.models.params import Params
from pipeline.models.top_n import Filled, Ranker
from pipeline.ranking.availability import unavailable
from pipeline.ranking.features import Scorer
from pipeline.ranking.fitted import FittedModels
from pipeline.ranking.reranker import fit_rerankers
from pipeline.runs.kept import NOT_KEPT, Kept
from pipeline.splits.history import History

FEW_TRIPS = 2
NEW_DAYS = 14.0


@dataclass(frozen=True)
class FinalModel:
    """The published model on all events.

    fitted:    everything that is fitted; its ALS factors hide the items that are not available
    hidden:    column numbers of those items, ascending
    audiences: the buyers, and engaged browsers where `recommend.audience` asks for them
    scorer:    of the re-ranker that is published; None: another model is, or nothing is judged
    is_judged: whether anybody could be measured
    """

    fitted: FittedModels
    hidden: NDArray[np.int64]
    audiences: list[Audience]
    scorer: Scorer | None = None
    is_judged: bool = True

    @property
    def factors(self) -> AlsFactors:
        """ALS, fitted on all events."""
        return self.fitted.factors

    def cold_counts(self) -> dict[str, int]:
        """How many buyers and items the model knows little of (cold start); all have lists all the same.

        n_thin_users: at most FEW_TRIPS days with a purchase; n_users_items_gone: all they bought is not
        available now; n_new_items: first seen within NEW_DAYS
        """
        statistics = self.fitted.statistics
        is_available = ~np.isin(statistics.bought.other, self.hidden)
        n_available = np.bincount(
            statistics.bought.user, is_available, minlength=self.fitted.history.shape[0]
        )
        return {
            "n_thin_users": int((statistics.users["user_trips"] <= FEW_TRIPS).sum()),
            "n_users_items_gone": int((n_available == 0).sum()),
            "n_new_items": int((statistics.items["item_age_days"] < NEW_DAYS).sum()),
        }


def fit_final_model(
    history: History,
    params: Params,
    settings: Settings,
    items: Path | None,
    training_rows: Sequence[Path],
    browsers: Path | None,
    as_of: datetime,
    kept: Kept = NOT_KEPT,
    start: ItemFactors | None = None,
) -> FinalModel:
    """Fit the model that `params` names on all events of `history`.

    items:         the shop's items; None: it has none
    training_rows: files of `examples` and `latest_examples`, from which a re-ranker learns
    browsers:      events of engaged browsers; None: lists are for buyers only
    kept:          where ALS is kept
    start:         where ALS left the items at a cut of the test; None: it is fitted from the beginning
    """
    als, form = params.als_model(settings), AlsFactors.form(settings.run.threads)
    factors = kept.once("als", form, lambda: als.fit(history, start))
    hidden = unavailable(items, history.item_ids)
    fitted = FittedModels(history, factors.hide(hidden), params, settings, items)
    scorer = _scorer(params, settings, training_rows, as_of)
    return FinalModel(fitted, hidden, audiences_of(fitted, scorer, browsers, as_of), scorer)


def audiences_of(
    fitted: FittedModels,
    scorer: Scorer | None,
    browsers: Path | None,
    as_of: datetime,
    mean_of_browsers: float | None = None,
) -> list[Audience]:
    """Who gets lists, and of which model, by what is `fitted`: its ALS factors hide what others hide too.

    mean_of_browsers: cells of a browser on average, where these are some of them; None: they are all
    """
    model, hidden = fitted.params.model, fitted.factors.hidden
    audiences = [_buyers(fitted, fitted.published(model, fitted.ranker(model, scorer)).hide(hidden))]
    if browsers is not None:
        audiences += _browsers(fitted, browsers, as_of, mean_of_browsers)
    return audiences


def unjudged_model(
    history: History,
    params: Params,
    settings: Settings,
    items: Path | None,
    browsers: Path | None,
    as_of: datetime,
) -> FinalModel:
    """The rule that `params` names on all events of `history`, with nothing else that nobody has measured.

    Slots that the rule leaves empty are filled with what most users touched. ALS is not fitted: no list and
    no reason comes from it. The arguments are those of `fit_final_model`.
    """
    hidden = unavailable(items, history.item_ids)
    fitted = FittedModels(history, AlsFactors.unknown(history).hide(hidden), params, settings, items)
    filled = Filled((fitted.ranker(params.model), MostTouched().fit(history)))
    model = fitted.capped(filled).hide(hidden)
    audiences = [_buyers(fitted, model)]
    if browsers is not None:
        user_ids, looked_at = history.fold_in([browsers], params.weights, as_of, min_views=0, min_carts=0)
        if len(user_ids):
            audiences.append(Audience(user_ids, model, looked_at, None, LOOKED_AT, SIMILAR_TO_VIEW))
    return FinalModel(fitted, hidden, audiences, is_judged=False)


def _scorer(
    params: Params, settings: Settings, training_rows: Sequence[Path], as_of: datetime
) -> Scorer | None:
    """The published re-ranker, fitted on all cuts, the test's too. None: a rule or ALS is published."""
    if not is_reranker(params.model):
        return None
    tables = [pq.read_table(file) for file in training_rows]
    return fit_rerankers(tables, as_of, settings, [params.model])[params.model]


def _buyers(fitted: FittedModels, model: Ranker) -> Audience:
    bought = fitted.history.purchases()
    exclude = bought if fitted.settings.run.excludes_repeats else None
    user_ids = fitted.history.user_ids
    return Audience(user_ids, model, bought, exclude, BOUGHT_AGAIN, SIMILAR_TO_PURCHASE)


def _browsers(
    fitted: FittedModels, browsers: Path, as_of: datetime, mean_cells: float | None
) -> list[Audience]:
    """Engaged browsers, whose events are folded into the finished ALS model; none where there are none."""
    params = fitted.params
    user_ids, weights = fitted.history.fold_in([browsers], params.weights, as_of, min_views=0, min_carts=0)
    if not len(user_ids):
        return []
    users = params.als_model(fitted.settings).fold_in(fitted.factors, weights, mean=mean_cells)
    factors = replace(fitted.factors, user_factors=users, user_ids=user_ids)
    filled = Filled((factors, fitted.ranker(RECENTLY_POPULAR)))
    model = fitted.capped(filled).hide(factors.hidden)
    return [Audience(user_ids, model, weights, None, LOOKED_AT, SIMILAR_TO_VIEW)]
