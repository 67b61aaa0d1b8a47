"""Offline evaluation of a fitted model on a holdout: the purchases after one cut, in one mode.

The split is temporal, and only users who bought before the cut are measured; cold users and cold items are
counted apart (`HeldOut`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline import progress
from pipeline.evaluation import metrics
from pipeline.models.top_n import Ranker, TopN
from pipeline.parallel import in_order
from pipeline.splits.folds import Fold
from pipeline.splits.history import History
from pipeline.splits.holdout import UNSERVED, HeldOut, hold_out

LENGTH = 10
BATCH_USERS = 256


@dataclass(frozen=True)
class Outcome:
    """What one model's lists reached at one cut.

    scores:     the columns of `user_metrics`, of each measured user
    ceiling:    Precision@3 that each could have at most
    coverage:   share of the items known at the cut that are in anybody's first three slots
    surprise, is_popular: of each filled slot of the first three
    gini:       how unevenly the items known at the cut share the first three slots
    diversity:  of each list that has two items or more, how unlike they are
    n_cold_users, n_cold_items: see `HeldOut`
    """

    scores: Mapping[str, metrics.PerUser]
    ceiling: metrics.PerUser
    coverage: float
    surprise: metrics.PerSlot
    is_popular: metrics.PerSlot
    gini: float
    diversity: metrics.PerUser
    n_cold_users: int
    n_cold_items: int


@dataclass(frozen=True)
class Judge:
    """The holdout of one cut, in one mode.

    exclude: what lists may not hold: what each user bought before the cut (users x items), or None
    buyers:  of each item before the cut, shape (n_items,)
    threads: as in `run.threads`: batches of users are worked on side by side
    """

    held_out: HeldOut
    exclude: sp.csr_matrix | None
    buyers: NDArray[np.int64]
    threads: int = 0

    @classmethod
    def of(cls, history: History, *over: Fold, excludes_repeats: bool, threads: int = 0) -> Judge:
        """The judge of models fitted on `history`, by the purchases that the folds `over` hold out.

        over: one fold, or several: the models are then as old at the later ones as `history` is
        excludes_repeats: lists leave out what the user bought before, and buying it again is no hit
        """
        bought = history.purchases()
        held_out = [
            hold_out(
                history,
                fold.later,
                is_repeat_relevant=not excludes_repeats,
                since=fold.since,
                until=fold.until,
            )
            for fold in over
        ]
        return cls(
            held_out[0] if len(held_out) == 1 else HeldOut.joined(held_out),
            bought if excludes_repeats else None,
            np.bincount(bought.indices, minlength=history.shape[1]),
            threads,
        )

    def sampled(self, most: int, seed: int) -> Judge:
        """The same judge of at most `most` users, drawn with the seed."""
        return replace(self, held_out=self.held_out.sampled(most, seed))

    def served(self) -> Judge:
        """The same judge of those alone who are in the history."""
        return replace(self, held_out=self.held_out.of(np.flatnonzero(self.held_out.rows != UNSERVED)))

    @property
    def n_users(self) -> int:
        """Users who are measured: they bought before the cut and something relevant after it."""
        return len(self.held_out.rows)

    def lists(self, ranker: Ranker, length: int = LENGTH) -> NDArray[np.int32]:
        """The measured users' lists, shape (n_users, length); empty for a buyer the filters leave out."""
        return self.top_n({"": ranker}, length)[""].items

    def top_n(self, rankers: Mapping[str, Ranker], length: int) -> dict[str, TopN]:
        """The same lists with their scores, of several models by name.

        All models have their turn at a batch of users, because re-rankers share its candidate table.
        """
        tops = {name: TopN.empty(self.n_users, length) for name in rankers}
        served = np.flatnonzero(self.held_out.rows != UNSERVED)

        def lists_of(slots: NDArray[np.int64]) -> list[TopN]:
            rows = self.held_out.rows[slots]
            return [ranker.top_n(rows, length, self.exclude) for ranker in rankers.values()]

        batches = [served[start : start + BATCH_USERS] for start in range(0, len(served), BATCH_USERS)]
        done = zip(batches, in_order(lists_of, batches, self.threads), strict=True)
        for slots, parts in progress.over(done, "lists", len(served), "users", lambda part: len(part[0])):
            for top, part in zip(tops.values(), parts, strict=True):
                top.items[slots], top.scores[slots] = part.items, part.scores
        return tops

    def hits(self, lists: NDArray[np.int32]) -> metrics.Hits:
        """Which slots were bought."""
        return metrics.hits(lists, self.held_out.items)

    def precision_at_3(self, ranker: Ranker) -> float:
        """Mean Precision@3 of the measured users, the objective of tuning."""
        return float(metrics.precision_at_k(self.hits(self.lists(ranker, 3)), 3).mean())

    def scores(self, lists: NDArray[np.int32]) -> Mapping[str, metrics.PerUser]:
        """Every metric of each measured user."""
        return metrics.per_user(self.hits(lists), self.held_out.n_items)

    def outcome(self, lists: NDArray[np.int32], diversity: metrics.PerUser) -> Outcome:
        """What the lists reached: `pooled_row` makes a row of `metrics` of the outcomes of all cuts.

        diversity: of each list; NaN of one with fewer than two items (`Likeness.diversity`)
        """
        return Outcome(
            {"n_held_out": self.held_out.n_items, **self.scores(lists)},
            metrics.ceiling_at_k(self.held_out.items, 3),
            metrics.coverage_at_k(lists, len(self.buyers), 3),
            metrics.surprise_at_k(lists, self.buyers, 3),
            metrics.is_popular_at_k(lists, self.buyers, 3),
            metrics.gini_at_k(lists, len(self.buyers), 3),
            diversity[~np.isnan(diversity)],
            self.held_out.n_cold_users,
            self.held_out.n_cold_items,
        )
