"""Every model at one cut, with its judge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.config import Settings
from pipeline.evaluation.judge import Judge
from pipeline.models.als import AlsFactors
from pipeline.models.params import Params
from pipeline.ranking.fitted import FittedModels
from pipeline.splits.folds import Fold
from pipeline.splits.history import opened


@contextmanager
def at(
    fold: Fold,
    params: Params,
    settings: Settings,
    items: Path | None,
    spill: Path,
    fitted: AlsFactors | None = None,
) -> Iterator[tuple[FittedModels, Judge]]:
    """The fold with ALS fitted, and its judge in the mode that is published.

    fitted: ALS with these parameters at this fold, where it has been fitted already
    """
    mode = settings.run.repeat_purchases
    with opened(fold.before, fold.cut_at, settings.filter, settings.run, spill) as history:
        judge = Judge.of(history, fold, mode)
        factors = fitted or params.als_model(settings).fit(history)
        yield FittedModels(history, factors, params, settings, items, mode), judge
