"""The fitted models at one fold: fitted there, or as `train` left them for a cut of the test.

And what re-rankers learn at a cut: the candidates there, and when they were bought after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from pipeline.config import Settings
from pipeline.evaluation.judge import Judge
from pipeline.models.als import AlsFactors
from pipeline.models.params import Params
from pipeline.ranking.fitted import FittedModels
from pipeline.ranking.saved import read_factors
from pipeline.runs.folder import RunFolder
from pipeline.splits.folds import Fold
from pipeline.splits.history import opened


@contextmanager
def at(
    fold: Fold,
    params: Params,
    settings: Settings,
    items: Path | None,
    spill: Path,
    factors: AlsFactors | None = None,
) -> Iterator[FittedModels]:
    """The models fitted on what lies before the fold's cut.

    factors: ALS with these parameters at this fold, where it has been fitted already; None: fit it
    """
    with opened(fold.before, fold.cut_at, settings.filter, settings.run, spill) as history:
        fitted = factors or params.als_model(settings).fit(history)
        yield FittedModels(history, fitted, params, settings, items)


def judge_of(models: FittedModels, fold: Fold) -> Judge:
    """The judge of models fitted at the fold's cut, in the mode that is published."""
    return Judge.of(models.history, fold, excludes_repeats=models.settings.run.excludes_repeats)


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
    folder: RunFolder, settings: Settings, fold: Fold, plain: AlsFactors | None = None
) -> Iterator[FittedModels]:
    """The models at `fold`, a cut of the test, with the ALS that `train` wrote for it.

    plain: plain ALS, where it has been fitted at an earlier cut
    DamagedFile where that was trained on other events.
    """
    params = Params.read(folder.document("best_params"))
    with opened(fold.before, fold.cut_at, settings.filter, settings.run, folder.scratch()) as history:
        factors = read_factors(folder, fold, history, settings.run.threads)
        yield FittedModels(history, factors, params, settings, folder.optional("items"), plain)
