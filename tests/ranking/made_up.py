"""Training rows whose right answer is known: every feature empty but those that are named."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.contract.features import FEATURES
from pipeline.ranking.training_rows import TrainingRows

PER_USER = 20


def features(n: int, **columns: NDArray[np.floating]) -> NDArray[np.float32]:
    """NaN but for `columns`, shape (n, len(FEATURES))."""
    matrix = np.full((n, len(FEATURES)), np.nan, np.float32)
    for name, values in columns.items():
        matrix[:, FEATURES.index(name)] = values
    return matrix


def examples(is_bought: NDArray[np.bool_], **columns: NDArray[np.floating]) -> TrainingRows:
    """In groups of PER_USER."""
    n = len(is_bought)
    return TrainingRows(features(n, **columns), is_bought, np.full(n // PER_USER, PER_USER))


def auc(scores: NDArray[np.floating], is_bought: NDArray[np.bool_]) -> float:
    """How often a bought candidate stands above one that was not: 0.5 is chance."""
    ranks = np.argsort(np.argsort(scores)) + 1
    n_bought = is_bought.sum()
    above = ranks[is_bought].sum() - n_bought * (n_bought + 1) / 2
    return float(above / (n_bought * (~is_bought).sum()))
