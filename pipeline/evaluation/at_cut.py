"""The fitted models at one fold: fitted there, or as `train` left them for a cut of the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
) -> Iterator[tuple[FittedModels, Judge]]:
    """The models fitted on what lies before the fold's cut, and their judge in the mode that is published.

    factors: ALS with these parameters at this fold, where it has been fitted already; None: fit it
    """
    with opened(fold.before, fold.cut_at, settings.filter, settings.run, spill) as history:
        judge = Judge.of(history, fold, settings.run.excludes_repeats)
        fitted = factors or params.als_model(settings).fit(history)
        yield FittedModels(history, fitted, params, settings, items), judge


@contextmanager
def trained(folder: RunFolder, settings: Settings, fold: Fold) -> Iterator[FittedModels]:
    """The models at `fold`, a cut of the test, with the ALS that `train` wrote for it.

    DamagedFile where that was trained on other events.
    """
    params = Params.read(folder.document("best_params"))
    with opened(fold.before, fold.cut_at, settings.filter, settings.run, folder.scratch()) as history:
        factors = read_factors(folder, fold, history, settings.run.threads)
        yield FittedModels(history, factors, params, settings, folder.optional("items"))
