"""NCF in the race: the candidates of each user, ordered by their scores, so that nobody scores every item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.models.ncf import NcfWeights
from pipeline.models.top_n import TopN
from pipeline.ranking.candidates import CandidateSource
from pipeline.ranking.reranker import BATCH_USERS


@dataclass(frozen=True)
class NeuralRanker:
    """A fitted model: candidates ordered by NCF.

    candidates: by whether they leave out what the user bought
    A user or item that training did not know has no score, and is not listed.
    """

    candidates: Mapping[bool, CandidateSource]
    weights: NcfWeights

    def hide(self, columns: NDArray[np.int64]) -> NeuralRanker:
        """The same model, which shows the items `columns` to nobody."""
        hidden = {mode: source.hide(columns) for mode, source in self.candidates.items()}
        return replace(self, candidates=hidden)

    def top_n(self, rows: NDArray[np.int64], n: int, exclude: sp.csr_matrix | None) -> TopN:
        """The best `n` candidates of the users `rows`. exclude: what each user bought; None: nothing"""
        source, parts = self.candidates[exclude is not None], [TopN.empty(0, n)]
        for start in range(0, len(rows), BATCH_USERS):
            batch = rows[start : start + BATCH_USERS]
            table = source.table(batch)
            is_known = self.weights.knows(batch[table.slots], table.items)
            known = replace(
                table,
                slots=table.slots[is_known],
                items=table.items[is_known],
                features=table.features[is_known],
            )
            parts.append(known.best(self.weights.scores(batch[known.slots], known.items), n))
        return TopN(np.vstack([p.items for p in parts]), np.vstack([p.scores for p in parts]))
