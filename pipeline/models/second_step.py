"""The second step as a ranker: candidates of the first step, put in order by what earlier cuts taught."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.candidates import Recall
from pipeline.models.top_n import TopN

BATCH_USERS = 4096


class Scorer(Protocol):
    """A fitted second step: Blend or Trees."""

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Higher is better, shape (n_rows,); `features` has the columns of FEATURES."""
        ...


@dataclass(frozen=True)
class SecondStep:
    """Ranks what `recall` suggests; `recall` knows what to leave out."""

    recall: Recall
    scorer: Scorer

    def hide(self, columns: NDArray[np.int64]) -> SecondStep:
        """The same model, which shows the items `columns` to nobody."""
        return replace(self, recall=self.recall.hide(columns))

    def top_n(self, rows: NDArray[np.int64], n: int, exclude: sp.csr_matrix | None) -> TopN:
        """The best `n` candidates of the users `rows`; fewer where there are fewer."""
        parts = [TopN.empty(0, n)]
        for start in range(0, len(rows), BATCH_USERS):
            table = self.recall.table(rows[start : start + BATCH_USERS])
            parts.append(table.best(self.scorer.score(table.features), n))
        return TopN(np.vstack([p.items for p in parts]), np.vstack([p.scores for p in parts]))
