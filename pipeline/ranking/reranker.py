"""The second step as a ranker: candidates of the first step, put in order by what earlier cuts taught."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.config import Settings
from pipeline.models.catalog import RERANKERS
from pipeline.models.top_n import TopN
from pipeline.ranking import blend, trees
from pipeline.ranking.candidates import CandidateSource
from pipeline.ranking.training_rows import TrainingRows

BATCH_USERS = 4096


class Scorer(Protocol):
    """A fitted second step: Blend or Trees."""

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Higher is better, shape (n_rows,); `features` has the columns of FEATURES."""
        ...


@dataclass(frozen=True)
class Reranker:
    """Ranks what `recall` suggests; `recall` knows what to leave out."""

    recall: CandidateSource
    scorer: Scorer

    def hide(self, columns: NDArray[np.int64]) -> Reranker:
        """The same model, which shows the items `columns` to nobody."""
        return replace(self, recall=self.recall.hide(columns))

    def top_n(self, rows: NDArray[np.int64], n: int, exclude: sp.csr_matrix | None) -> TopN:
        """The best `n` candidates of the users `rows`; fewer where there are fewer."""
        parts = [TopN.empty(0, n)]
        for start in range(0, len(rows), BATCH_USERS):
            table = self.recall.table(rows[start : start + BATCH_USERS])
            parts.append(table.best(self.scorer.score(table.features), n))
        return TopN(np.vstack([p.items for p in parts]), np.vstack([p.scores for p in parts]))


def fit_rerankers(
    learnt: Sequence[pa.Table], settings: Settings, names: Sequence[str] = RERANKERS
) -> dict[str, Scorer]:
    """The second steps, fitted on rows of `examples`; none where there is nothing to learn from."""
    examples = TrainingRows.read(*learnt) if learnt else None
    if examples is None or not examples.can_teach:
        return {}
    found: dict[str, Scorer] = {}
    for name in names:
        if name == "blend":
            found[name] = blend.fit(examples)
        if name == "ranker":
            found[name] = trees.fit(examples, settings.ranking.objective, settings.run.seed)
    return found
