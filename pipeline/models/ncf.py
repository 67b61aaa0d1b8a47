"""Neural collaborative filtering (He et al. 2017): GMF, MLP, and NeuMF, which is both under one output.

GMF weighs the products of a user's and an item's embeddings, a generalized matrix factorization. MLP sends
another pair of embeddings, side by side, through a tower of layers. Both are learnt from pairs of user and
item with an event against pairs without any, which are drawn. Training needs torch (`ncf_training`,
requirements-ncf.txt); what it leaves is arrays, and scores are worked out without it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from pipeline.config import Settings
from pipeline.errors import SettingsError
from pipeline.splits.history import History

Kind = Literal["neumf", "gmf", "mlp"]
Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

NAME = "ncf"
FACTORS = 16
"""Predictive factors, of the 8 to 64 that the paper tries: GMF's embeddings have as many numbers, those of
MLP twice as many, and the tower has 64, 32, 16."""
NEGATIVES = 4
"""Pairs without an event for each pair with one, drawn anew in each epoch."""
STEPS, LEAST_EPOCHS, STEPS_OF_AN_EPOCH = 1_000, 2, 120
"""Training takes STEPS steps, and LEAST_EPOCHS epochs: more found no more, on MovieLens 100k (which has 9
epochs) and on Complete Journey (2). An epoch has STEPS_OF_AN_EPOCH where the size of a step allows it."""
LEAST_BATCH, MOST_BATCH = 64, 4_096
RATE = 0.005
"""Adam's. With steps of 256 pairs at 0.001, as in the paper, as much is found, in five times the time."""
SCORED = 65_536
"""Pairs that are scored at a time."""
UNKNOWN = -1


@dataclass(frozen=True)
class Ncf:
    """NCF before it is fitted.

    kind: what is fitted; the race has `neumf`
    minutes: after which training ends where it stands; where it needs more, the result depends on the
             machine, otherwise on the pairs and the seed alone
    """

    seed: int
    minutes: float
    kind: Kind = "neumf"
    name: str = NAME

    @classmethod
    def of(cls, settings: Settings) -> Ncf:
        """As the settings have it."""
        return cls(settings.run.seed, settings.models.ncf_minutes)

    def fit(self, history: History) -> NcfWeights:
        """Learn from who did anything with what before the cut."""
        touched = history.touched()
        users = np.repeat(np.arange(touched.shape[0]), np.diff(touched.indptr))
        items = touched.indices.astype(np.int64)
        return self.fit_pairs(users, items, history.user_ids, history.item_ids)

    def fit_pairs(self, users: Rows, items: Rows, user_ids: pa.Array, item_ids: pa.Array) -> NcfWeights:
        """Learn from pairs of row and column numbers, each once, sorted by both.

        SettingsError where torch is missing or cannot be loaded.
        """
        try:
            from pipeline.models.ncf_training import Plan, train
        except (ImportError, OSError) as error:
            raise _no_torch(f"torch cannot be loaded: {error}") from error
        batch, epochs = schedule(len(users))
        plan = Plan(self.kind, FACTORS, NEGATIVES, epochs, batch, RATE, self.seed, self.minutes)
        trained = train(plan, users, items, (len(user_ids), len(item_ids)))
        weights = NcfWeights(trained.arrays, user_ids, item_ids, trained.note)
        return weights.with_places(_places(trained.users), _places(trained.items))


@dataclass(frozen=True)
class NcfWeights:
    """Fitted NCF.

    arrays: float32 by name. Of GMF `user_gmf` and `item_gmf`, shape (n, FACTORS); of MLP `user_mlp` and
            `item_mlp`, and of each layer `weight_0`, shape (n_out, n_in), and `bias_0`, ...; of the output
            `weight_out`, shape (n_in,), and `bias_out`, shape (1,)
    note:   how training went, in words
    users, items: of each row of the history the row of the arrays, UNKNOWN where training saw no event of it
    """

    arrays: dict[str, Floats]
    user_ids: pa.Array
    item_ids: pa.Array
    note: str = ""
    users: Rows | None = None
    items: Rows | None = None

    def with_places(self, users: Rows, items: Rows) -> NcfWeights:
        """The same with other `users` and `items`."""
        return replace(self, users=users, items=items)

    def onto(self, history: History) -> NcfWeights:
        """The same weights for the users and items of a later history; those new to it have no score."""
        moved = []
        for places, known, ids in (
            (self.users, self.user_ids, history.user_ids),
            (self.items, self.item_ids, history.item_ids),
        ):
            assert places is not None
            at = pc.fill_null(pc.index_in(ids, value_set=known), UNKNOWN).to_numpy().astype(np.int64)
            moved.append(np.where(at == UNKNOWN, UNKNOWN, places[at]) if len(places) else at)
        return replace(self.with_places(*moved), user_ids=history.user_ids, item_ids=history.item_ids)

    def knows(self, rows: Rows, columns: Rows) -> NDArray[np.bool_]:
        """Whether each of the pairs (rows, columns) has a score."""
        assert self.users is not None
        assert self.items is not None
        is_known: NDArray[np.bool_] = (self.users[rows] != UNKNOWN) & (self.items[columns] != UNKNOWN)
        return is_known

    def scores(self, rows: Rows, columns: Rows) -> Floats:
        """Log-odds that the user has to do with the item, of the pairs (rows, columns), shape of both.

        Only of pairs that it `knows`. One thread, so that they do not depend on how many cores there are.
        """
        assert self.users is not None
        assert self.items is not None
        scores = np.empty(len(rows), np.float32)
        with threadpool_limits(1, "blas"):
            for start in range(0, len(rows), SCORED):
                part = slice(start, start + SCORED)
                scores[part] = self._scored(self.users[rows[part]], self.items[columns[part]])
        return scores

    def _scored(self, users: Rows, items: Rows) -> Floats:
        arrays, parts = self.arrays, []
        if "user_gmf" in arrays:
            parts.append(arrays["user_gmf"][users] * arrays["item_gmf"][items])
        if "user_mlp" in arrays:
            hidden = np.concatenate([arrays["user_mlp"][users], arrays["item_mlp"][items]], axis=1)
            layer = 0
            while f"weight_{layer}" in arrays:
                hidden = hidden @ arrays[f"weight_{layer}"].T + arrays[f"bias_{layer}"]
                hidden, layer = np.maximum(hidden, 0), layer + 1
            parts.append(hidden)
        scores: Floats = np.concatenate(parts, axis=1) @ arrays["weight_out"] + arrays["bias_out"]
        return scores


def schedule(n_pairs: int) -> tuple[int, int]:
    """How many pairs a step has, a power of two, and how many epochs there are. n_pairs: with an event"""
    n_learnt = max((1 + NEGATIVES) * n_pairs, 1)
    batch = 2 ** int(np.log2(max(n_learnt / STEPS_OF_AN_EPOCH, 1)))
    batch = min(max(batch, LEAST_BATCH), MOST_BATCH)
    return batch, max(LEAST_EPOCHS, -(-STEPS * batch // n_learnt))


def refuse_without_torch(settings: Settings) -> None:
    """SettingsError where NCF races and torch is not installed: before a night begins, not in its middle."""
    if NAME in settings.models.race and find_spec("torch") is None:
        raise _no_torch(f"no package torch in {sys.prefix}")


def _no_torch(found: str) -> SettingsError:
    return SettingsError(
        f"`models.race` names {NAME}, which is trained with torch",
        found=found,
        promised="torch as in requirements-ncf.txt",
        then=f"docs/models.md says how to install it into an environment of its own; or take {NAME} out of"
        " `models.race`",
    )


def _places(is_known: NDArray[np.bool_]) -> Rows:
    """0, 1, 2, ...; UNKNOWN where training came to no pair."""
    return np.where(is_known, np.arange(len(is_known)), UNKNOWN)
