"""Re-ranking: the candidates of each user, put in order by a scorer that earlier cuts have taught."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.config import Settings
from pipeline.models.catalog import raced, rerankers
from pipeline.models.top_n import TopN
from pipeline.ranking import blend, trees
from pipeline.ranking.candidates import CandidateSource
from pipeline.ranking.features import Scorer
from pipeline.ranking.training_rows import TrainingRows

BATCH_USERS = 1024


Fitter = Callable[[TrainingRows, Settings], Scorer]

FITTERS: Mapping[str, Fitter] = {
    "blend": lambda rows, settings: blend.fit(rows),
    "ranker": lambda rows, settings: trees.fit(rows, settings.ranking.objective, settings.run.seed),
}
"""How each re-ranker of the catalogue is fitted."""


@dataclass(frozen=True)
class Reranker:
    """A fitted model: the candidates of `candidates`, ordered by `scorer`.

    What a user may not be shown is left out when candidates are generated.
    """

    candidates: CandidateSource
    scorer: Scorer

    def hide(self, columns: NDArray[np.int64]) -> Reranker:
        """The same model, which shows the items `columns` to nobody."""
        return replace(self, candidates=self.candidates.hide(columns))

    def top_n(self, rows: NDArray[np.int64], n: int, exclude: sp.csr_matrix | None) -> TopN:
        """The best `n` candidates of the users `rows`; fewer where there are fewer."""
        parts = [TopN.empty(0, n)]
        for start in range(0, len(rows), BATCH_USERS):
            table = self.candidates.table(rows[start : start + BATCH_USERS])
            parts.append(table.best(table.scores_by(self.scorer), n))
        return TopN(np.vstack([p.items for p in parts]), np.vstack([p.scores for p in parts]))


def fit_rerankers(
    tables: Sequence[pa.Table], until: datetime, settings: Settings, names: Sequence[str] | None = None
) -> dict[str, Scorer]:
    """The scorers of the re-rankers among `names` (None: of all that race), fitted on rows of `examples`.

    until: nothing that was bought from then on is known; the rows are of cuts before it
    Empty where the rows do not hold both labels, bought and not bought.
    """
    rows = TrainingRows.read(*tables, until=until) if tables else None
    if rows is None or not rows.has_both_labels:
        return {}
    if names is None:
        names = [name for name in rerankers() if name in raced(settings)]
    return {name: FITTERS[name](rows, settings) for name in names}
