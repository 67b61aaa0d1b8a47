"""What every model returns, and the two ways of ranking that more than one model needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.models.groups import best_in_groups, position_in_group
from pipeline.runs.kept import Form
from pipeline.splits.history import History

NOTHING = -1


@dataclass(frozen=True)
class TopN:
    """Lists of the best items, best first.

    items:  column numbers, int32, NOTHING where a list is shorter, shape (n_users, n)
    scores: float32 of the same shape, 0 where there is no item; ties stand in the order of the ids
    model_rank: each item's rank in the model's own order, int32 of the same shape; None: that is the order
    """

    items: NDArray[np.int32]
    scores: NDArray[np.float32]
    model_rank: NDArray[np.int32] | None = None

    def part(self, start: int, end: int) -> TopN:
        """The lists from `start` to before `end`."""
        rank = self.model_rank
        return TopN(self.items[start:end], self.scores[start:end], None if rank is None else rank[start:end])

    @classmethod
    def empty(cls, n_users: int, n: int) -> TopN:
        return cls(np.full((n_users, n), NOTHING, np.int32), np.zeros((n_users, n), np.float32))


def _write_lists(lists: Mapping[str, TopN], path: Path) -> None:
    parts = {f"{name}/{part}": getattr(top, part) for name, top in lists.items() for part in _PARTS}
    with path.open("wb") as file:
        np.savez(file, names=np.array(list(lists), np.str_), **parts)


def _read_lists(path: Path) -> dict[str, TopN]:
    with np.load(path, allow_pickle=False) as file:
        return {name: TopN(*(file[f"{name}/{part}"] for part in _PARTS)) for name in file["names"].tolist()}


_PARTS = ("items", "scores")
LISTS: Form[dict[str, TopN]] = Form(".npz", _write_lists, _read_lists)
"""How the lists of several models, each in the model's own order, are kept."""


class Ranker(Protocol):
    """A fitted model."""

    def hide(self, columns: NDArray[np.int64]) -> Ranker:
        """The same model, which shows the items `columns` to nobody."""
        ...

    def top_n(self, rows: NDArray[np.int64], n: int, exclude: sp.csr_matrix | None) -> TopN:
        """The best `n` items for the users `rows`; never one that `exclude` (users x items) holds."""
        ...


class Model(Protocol):
    """Anything that learns to rank items for users."""

    @property
    def name(self) -> str:
        """What it is called in the metrics table."""
        ...

    def fit(self, history: History) -> Ranker:
        """Learn from the events before the history's cut."""
        ...


@dataclass(frozen=True)
class Filled:
    """The lists of one model, their empty slots filled from the next models in turn.

    A score from a model that fills lies below all before it: it tells the order, nothing more.
    """

    models: tuple[Ranker, ...]

    def hide(self, columns: NDArray[np.int64]) -> Filled:
        return Filled(tuple(model.hide(columns) for model in self.models))

    def top_n(self, rows: NDArray[np.int64], n: int, exclude: sp.csr_matrix | None) -> TopN:
        top = self.models[0].top_n(rows, n, exclude)
        for model in self.models[1:]:
            short = np.flatnonzero((top.items == NOTHING).any(axis=1))
            if not len(short):
                break
            more = model.top_n(rows[short], n, exclude)
            for row, items in zip(short, more.items, strict=True):
                _fill(top.items[row], top.scores[row], items)
        return top


def _fill(items: NDArray[np.int32], scores: NDArray[np.float32], more: NDArray[np.int32]) -> None:
    """Put what `more` has and the list has not into the list's empty slots, in place."""
    n_listed = int((items != NOTHING).sum())
    new = more[(more != NOTHING) & ~np.isin(more, items)][: len(items) - n_listed]
    last = float(scores[n_listed - 1]) if n_listed else 0.0
    step = max(abs(last), 1.0) * 1e-3
    items[n_listed : n_listed + len(new)] = new
    scores[n_listed : n_listed + len(new)] = last - step * np.arange(1, len(new) + 1)


def best_first(scores: NDArray[np.floating], ids: NDArray[np.integer], n: int) -> NDArray[np.int64]:
    """Positions of the `n` highest scores, best first; ties go to the lower id."""
    kept = np.arange(len(scores))
    if len(scores) > n:
        kept = np.flatnonzero(scores >= np.partition(scores, len(scores) - n)[len(scores) - n])
    return kept[np.lexsort((ids[kept], -scores[kept]))[:n]]


def best_items(scores: NDArray[np.floating]) -> NDArray[np.int64]:
    """Item numbers by score, best first, those at 0 or below left out; ties go to the lower id."""
    order = np.argsort(-scores, kind="stable")
    return order[scores[order] > 0]


def numbered(slots: NDArray[np.int64]) -> NDArray[np.int32]:
    """1, 2, 3, ... anew for each list; `slots` names the list of each row, ascending."""
    return (position_in_group(slots) + 1).astype(np.int32)


def rank_cells(scores: sp.csr_matrix, n: int, exclude: sp.csr_matrix | None) -> TopN:
    """The best `n` stored cells of each row that `exclude` (same shape) does not hold."""
    top = TopN.empty(scores.shape[0], n)
    is_new = np.ones(scores.shape[1], bool)
    for row in range(scores.shape[0]):
        cells = slice(scores.indptr[row], scores.indptr[row + 1])
        items, values = scores.indices[cells], scores.data[cells]
        if exclude is not None:
            known = exclude.indices[exclude.indptr[row] : exclude.indptr[row + 1]]
            is_new[known] = False
            kept = is_new[items]
            is_new[known] = True
            items, values = items[kept], values[kept]
        best = best_first(values, items, n)
        top.items[row, : len(best)] = items[best]
        top.scores[row, : len(best)] = values[best]
    return top


def rank_dense(scores: NDArray[np.float32], columns: NDArray[np.int64], n: int, *, above: float) -> TopN:
    """The `n` highest of each row of `scores` that are above `above`; ties go to the lower id.

    columns: the items' column numbers, ascending, shape (scores.shape[1],)
    """
    top, width = TopN.empty(len(scores), n), min(n, scores.shape[1])
    if not width or not len(scores):
        return top
    least = -np.partition(-scores, width - 1, axis=1)[:, width - 1]
    users, places = np.nonzero((scores > above) & (scores >= least[:, None]))
    values = scores[users, places]
    kept = best_in_groups(values, users, n)
    users, values, ranks = users[kept], values[kept], position_in_group(users[kept])
    top.items[users, ranks] = columns[places[kept]]
    top.scores[users, ranks] = values
    return top


def rank_same(scores: NDArray[np.float32], n_users: int, n: int, exclude: sp.csr_matrix | None) -> TopN:
    """One ranking for everybody (`scores`, shape (n_items,); 0: never shown), less what `exclude` holds."""
    order = best_items(scores).astype(np.int32)
    top = TopN.empty(n_users, n)
    is_new = np.ones(len(scores), bool)
    for row in range(n_users):
        best = order[:n]
        if exclude is not None:
            known = exclude.indices[exclude.indptr[row] : exclude.indptr[row + 1]]
            head = order[: n + len(known)]
            is_new[known] = False
            best = head[is_new[head]][:n]
            is_new[known] = True
        top.items[row, : len(best)] = best
        top.scores[row, : len(best)] = scores[best]
    return top
