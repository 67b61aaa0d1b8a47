"""The re-rankers as the cuts go by: what they have learnt until each, from the training rows before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from pipeline.config import Settings
from pipeline.ranking.features import Scorer
from pipeline.ranking.reranker import fit_rerankers
from pipeline.splits.folds import WEEK


@dataclass
class Learnt:
    """The re-rankers, fitted anew where the last fit has become a week old.

    rows:      training rows of the cuts so far, oldest first; who walks the cuts adds to them
    names:     of the re-rankers that are fitted; None: all that race
    fitted_at: when `scorers` were fitted; None: not yet
    """

    settings: Settings
    rows: list[pa.Table] = field(default_factory=list)
    names: Sequence[str] | None = None
    fitted_at: datetime | None = None
    scorers: Mapping[str, Scorer] = field(default_factory=dict)

    def by(self, cut_at: datetime) -> Mapping[str, Scorer]:
        """What may be known of re-ranking at `cut_at`; empty where there is nothing to learn from yet."""
        if not self.scorers or self.fitted_at is None or cut_at - self.fitted_at >= WEEK:
            self.scorers = fit_rerankers(self.rows, cut_at, self.settings, self.names)
            self.fitted_at = cut_at
        return self.scorers
