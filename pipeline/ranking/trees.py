"""The re-ranker of gradient boosted trees: LightGBM (Ke et al. 2017).

In a small shop boosting starts from the blend's log-odds, so that the trees only correct the blend; where
much was bought boosting starts from zero, which ranks better there. The default
objective is `binary`, the chance that a candidate is bought: it ranked better than `lambdarank` on every
shop it was tried on. The same rows and seed give the same trees. One thread: LightGBM's threads wait
for each other by spinning, which on a shared machine takes twice as long as one alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from pipeline import progress
from pipeline.contract.features import FEATURES
from pipeline.ranking import blend
from pipeline.ranking.blend import Blend
from pipeline.ranking.training_rows import TrainingRows

ROUNDS, RATE = 120, 0.05
LEAVES, FEW_LEAVES, MANY_BOUGHT = 15, 7, 10_000
"""Trees have FEW_LEAVES where fewer than MANY_BOUGHT candidates were bought."""
ENOUGH_BOUGHT = 50_000
"""From so many bought candidates on the trees need no blend to start from."""


@dataclass(frozen=True)
class Trees:
    """Fitted trees: their raw scores, added to the log-odds of `start` where there is one."""

    start: Blend | None
    booster: lgb.Booster

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Higher is likelier to be bought, shape (n_rows,)."""
        scores = self.start.score(features) if self.start else np.zeros(len(features))
        if len(scores):
            scores += np.asarray(self.booster.predict(features, raw_score=True, num_threads=1))
        return scores

    def save(self, path: Path) -> None:
        """Write the trees as LightGBM's own text; the blend is not in it."""
        path.write_text(self.booster.model_to_string(), encoding="utf-8")

    @classmethod
    def load(cls, path: Path, start: Blend | None) -> Trees:
        """Read what `save` wrote."""
        return cls(start, lgb.Booster(model_str=path.read_text(encoding="utf-8")))

    def importance(self) -> dict[str, float]:
        """Share of the trees' gain that each feature brought."""
        gain = self.booster.feature_importance("gain")
        return {name: float(g) for name, g in zip(FEATURES, gain / max(gain.sum(), 1e-9), strict=True)}


def fit(rows: TrainingRows, objective: str, seed: int) -> Trees:
    """Fit the trees on training rows of earlier cuts."""
    n_bought = int(rows.is_bought.sum())
    start = blend.fit(rows) if n_bought < ENOUGH_BOUGHT else None
    n_rows, is_ranked = len(rows.is_bought), objective == "lambdarank"
    data = lgb.Dataset(
        rows.features,
        rows.is_bought.astype(np.float32),
        group=rows.group if is_ranked else None,
        init_score=start.score(rows.features) if start else None,
        feature_name=list(FEATURES),
        params={"max_bin": 63, "verbosity": -1},
    )
    params = {
        "objective": objective,
        "num_leaves": LEAVES if n_bought >= MANY_BOUGHT else FEW_LEAVES,
        "learning_rate": RATE,
        "min_data_in_leaf": int(np.clip(n_rows / 2000, 10, 200)),
        "feature_fraction": 0.7,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "seed": seed,
        "verbosity": -1,
    }
    with progress.step("trees", ROUNDS, "rounds") as add:
        booster = lgb.train(params, data, num_boost_round=ROUNDS, callbacks=[lambda _: add(1)])
    return Trees(start, booster)
