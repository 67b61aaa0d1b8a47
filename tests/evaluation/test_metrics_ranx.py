"""The metrics against an independent implementation, ranx, on random lists with gaps.

ranx's MAP@10 divides by all that is relevant, ours by what ten slots can hold: brought to the same here.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import scipy.sparse as sp

from pipeline.evaluation import metrics

N_USERS, N_ITEMS, LENGTH = 300, 60, 12
THEIRS = {
    "precision_at_3": "precision@3",
    "recall_at_10": "recall@10",
    "ndcg_at_10": "ndcg@10",
    "map_at_10": "map@10",
    "hit_rate_at_10": "hit_rate@10",
}


@pytest.fixture
def ranx(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """Without its compiler, which takes a minute the first time, and leaving nothing at home."""
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    for variable in ("IR_DATASETS_HOME", "MPLCONFIGDIR"):
        monkeypatch.setenv(variable, str(tmp_path))
    return import_module("ranx")


def test_every_metric_is_that_of_ranx(ranx: ModuleType) -> None:
    rng = np.random.default_rng(3)
    lists = np.full((N_USERS, LENGTH), -1, np.int32)
    held_out = sp.lil_matrix((N_USERS, N_ITEMS), dtype=np.float32)
    n_unreachable = rng.integers(0, 3, N_USERS)
    for user in range(N_USERS):
        length = rng.integers(0, LENGTH + 1)
        lists[user, :length] = rng.choice(N_ITEMS, length, replace=False)
        held_out[user, rng.choice(N_ITEMS, rng.integers(1, 20), replace=False)] = 1
    held_out = held_out.tocsr()
    n_held_out = np.diff(held_out.indptr) + n_unreachable

    wanted = {
        f"u{user:03}": {
            **{f"i{item}": 1 for item in held_out[user].indices},
            **{f"new{place}": 1 for place in range(n_unreachable[user])},
        }
        for user in range(N_USERS)
    }
    run = {
        f"u{user:03}": {f"i{item}": float(-place) for place, item in enumerate(items) if item >= 0}
        or {"nothing": 0.0}
        for user, items in enumerate(lists)
    }
    scores = ranx.evaluate(ranx.Qrels(wanted), ranx.Run(run), list(THEIRS.values()), return_mean=False)
    ours = metrics.per_user(metrics.hits(lists, held_out), n_held_out)
    theirs = {name: np.asarray(scores[metric]) for name, metric in THEIRS.items()}
    theirs["map_at_10"] = theirs["map_at_10"] * n_held_out / np.minimum(n_held_out, 10)
    for name in THEIRS:
        assert 0 < ours[name].mean() < 1
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-12, err_msg=name)
