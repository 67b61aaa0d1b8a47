"""The linear re-ranker: a weighted sum of a few signals, its weights fitted by logistic regression.

Each signal is brought to about [0, 1], so that weights can be compared. They are never below 0: a signal
may be ignored, not turned around.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from threadpoolctl import threadpool_limits

from pipeline.contract.features import FEATURES
from pipeline.ranking.training_rows import TrainingRows

SIGNALS = {
    "als": "als_share",
    "neighbours": "near_share",
    "own_purchases": "decay_90",
    "due_again": "own_due",
    "recently_popular": "item_decay_30",
    "rising": "item_trend_short",
    "looked_at": "views_30",
    "category": "taste_share",
}
"""Name of each signal -> the feature it is read from."""
RIDGE = 1e-3


@dataclass(frozen=True)
class Blend:
    """Fitted weights: the log-odds that a candidate is bought are bias + weights x signals.

    weights: by the names of SIGNALS; scale: what each signal's feature is divided by
    """

    weights: dict[str, float]
    scale: dict[str, float]
    bias: float

    def dump(self) -> dict[str, Any]:
        """For JSON; `Blend(**dumped)` is the same blend."""
        return {"weights": self.weights, "scale": self.scale, "bias": self.bias}

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log-odds of each candidate, shape (n_rows,); `features` has the columns of FEATURES."""
        weights = np.array([self.weights[name] for name in SIGNALS])
        log_odds: NDArray[np.float64] = _signals(features, self.scale) @ weights + self.bias
        return log_odds


def fit(rows: TrainingRows) -> Blend:
    """Fit the weights on training rows of earlier cuts (logistic loss, weights at least 0)."""
    features = rows.features
    scale = {name: _top(features[:, FEATURES.index(of)]) for name, of in SIGNALS.items()}
    signals = _signals(features, scale)
    sign = np.where(rows.is_bought, 1.0, -1.0)

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = sign * (signals @ values[:-1] + values[-1])
        slope = -sign * expit(-margin) / len(sign)
        weights = values[:-1]
        gradient = np.append(signals.T @ slope + RIDGE * weights, slope.sum())
        return float(np.logaddexp(0.0, -margin).mean() + RIDGE * (weights @ weights) / 2), gradient

    bounds = [(0.0, None)] * len(SIGNALS) + [(None, None)]
    start = np.append(np.full(len(SIGNALS), 0.5), -2.0)
    with threadpool_limits(1, "blas"):
        solution = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B")
    return Blend(
        dict(zip(SIGNALS, (float(w) for w in solution.x[:-1]), strict=True)), scale, float(solution.x[-1])
    )


def _signals(features: NDArray[np.float32], scale: dict[str, float]) -> NDArray[np.float64]:
    """Each signal between 0 and 1, shape (n_rows, len(SIGNALS)); concave, as second purchases say less."""
    columns = []
    for name, of in SIGNALS.items():
        values = np.nan_to_num(features[:, FEATURES.index(of)].astype(np.float64), nan=0.0)
        part = np.clip(values, 0.0, None) / scale[name]
        columns.append(np.minimum(np.log1p(part * 10.0) / np.log1p(10.0), 1.5))
    return np.column_stack(columns)


def _top(values: NDArray[np.float32]) -> float:
    """The 99th percentile of what is above 0; 1 where nothing is."""
    above = values[values > 0]
    return float(np.percentile(above, 99)) if len(above) else 1.0
