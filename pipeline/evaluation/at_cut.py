"""The fitted models at one fold: fitted there, or as `train` left them for a cut of the test.

And what re-rankers learn at a cut: the candidates there, and when they were bought after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from pipeline.config import Settings
from pipeline.evaluation.judge import Judge
from pipeline.models.als_factors import AlsFactors
from pipeline.models.catalog import EASE, NCF, is_reranker, names_candidates
from pipeline.models.item_factors import ItemFactors
from pipeline.models.params import Params
from pipeline.ranking.features import Scorer
from pipeline.ranking.fitted import Earlier, FittedModels
from pipeline.ranking.saved import read_factors
from pipeline.runs.folder import RunFolder
from pipeline.runs.kept import NOT_KEPT, Kept
from pipeline.splits.folds import Fold
from pipeline.splits.history import opened


@dataclass(frozen=True)
class Before:
    """What a cut of the test is judged with that was fitted before it.

    scorers: of the re-rankers; earlier: what an earlier cut left, None at the oldest
    """

    scorers: Mapping[str, Scorer]
    earlier: Earlier | None


@contextmanager
def at(
    fold: Fold,
    params: Params,
    settings: Settings,
    items: Path | None,
    spill: Path,
    earlier: Earlier | None = None,
    kept: Kept = NOT_KEPT,
    start: ItemFactors | None = None,
) -> Iterator[FittedModels]:
    """The models fitted on what lies before the fold's cut.

    earlier: what an earlier cut left, which is used as long as it is fresh; None: everything is fitted
    kept:    where ALS is kept
    start:   where ALS with these parameters left the items at an earlier cut; None: they begin at random
    """
    with opened(fold.before, fold.cut_at, settings.filter, settings.run, spill) as history:
        als, fresh = params.als_model(settings), _fresh(earlier, fold)

        def fitted() -> AlsFactors:
            return als.carried(fresh.factors, history) if fresh else als.fit(history, start)

        form = AlsFactors.form(settings.run.threads)
        factors = kept.once(f"als-{fold.name}", form, fitted)
        yield FittedModels(history, factors, params, settings, items, fresh)


def _fresh(earlier: Earlier | None, fold: Fold) -> Earlier | None:
    return earlier if earlier and earlier.is_fresh(fold.cut_at) else None


def left_by(
    models: FittedModels, fold: Fold, earlier: Earlier | None, *, with_plain: bool = False
) -> Earlier:
    """What later cuts may use: `earlier` where `models` used it, else what was fitted at `fold`.

    with_plain: plain ALS too, once it has been fitted
    NCF is left where it was asked for: where it does not race, and where nobody is judged, it is not fitted.
    """
    plain = earlier.plain if earlier else None
    plain = plain or (models.plain_als if with_plain else None)
    has_ease = names_candidates(EASE, models.settings) or is_reranker(models.params.model)
    fitted = _fresh(earlier, fold) or Earlier(
        fold.cut_at, models.factors, models.neighbours, models.ease.learnt() if has_ease else None
    )
    return replace(fitted, plain=plain, ncf=fitted.ncf or vars(models).get(NCF))


def judge_of(models: FittedModels, fold: Fold) -> Judge:
    """The judge of models fitted at the fold's cut, in the mode that is published."""
    run = models.settings.run
    return Judge.of(models.history, fold, excludes_repeats=run.excludes_repeats, threads=run.threads)


def sample_of(models: FittedModels, fold: Fold) -> Judge:
    """The same of at most `ranking.most_users` users, for choosing and learning."""
    settings = models.settings
    return judge_of(models, fold).sampled(settings.ranking.most_users, settings.run.seed)


def training_rows(models: FittedModels, fold: Fold) -> pa.Table:
    """Rows of the dataset `examples`: what buyers were offered at the cut of `fold`, and bought after it.

    models: fitted at that cut; fold: one of those that re-rankers learn from
    """
    return models.training_rows(sample_of(models, fold).held_out, fold)


@contextmanager
def trained(
    folder: RunFolder,
    settings: Settings,
    fold: Fold,
    earlier: Earlier | None = None,
    kept: Kept = NOT_KEPT,
) -> Iterator[FittedModels]:
    """The models at `fold`, a cut of the test, with the ALS that `train` wrote.

    earlier: as for `at`, and plain ALS where it is in it; kept: where plain ALS is kept
    DamagedFile where that was trained on other events.
    """
    params = Params.read(folder.document("best_params"))
    with opened(fold.before, fold.cut_at, settings.filter, settings.run, folder.scratch()) as history:
        fresh, items = _fresh(earlier, fold), folder.optional("items")
        factors = (
            params.als_model(settings).carried(fresh.factors, history)
            if fresh
            else read_factors(folder, fold, history, settings.run.threads)
        )
        plain = earlier.plain if earlier else None
        yield FittedModels(history, factors, params, settings, items, fresh, plain, kept)
