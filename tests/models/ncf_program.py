"""What tests/models/test_ncf_training.py asks, run where torch is installed. Writes one JSON document."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from pipeline.models.ncf import Kind, Ncf, NcfWeights
from pipeline.runs.run_stage import run_stage
from tests import tastes

USERS, ITEMS = 40, 60


def checkerboard() -> tuple[np.ndarray, np.ndarray]:
    """User u has to do with items of u's parity, about two of three; sorted by user and item."""
    rng = np.random.default_rng(0)
    cells = (np.add.outer(np.arange(USERS), np.arange(ITEMS)) % 2 == 0) & (rng.random((USERS, ITEMS)) < 0.67)
    return np.nonzero(cells)


def fitted(kind: Kind = "neumf", seed: int = 0, minutes: float = 10.0) -> NcfWeights:
    users, items = checkerboard()
    ids = pa.array(np.arange(USERS)), pa.array(np.arange(ITEMS))
    return Ncf(seed, minutes, kind).fit_pairs(users, items, *ids)


def digest(weights: NcfWeights) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in weights.arrays.values())).hexdigest()


def at_threads(n: int) -> tuple[str, int]:
    """A digest of what is learnt where torch has `n` threads, and how many it has afterwards."""
    torch.set_num_threads(n)
    return digest(fitted()), torch.get_num_threads()


def rightly_ordered(kind: Kind) -> float:
    """How often an item of the user's own kind, which the user never saw, is above one of the other kind."""
    users, items = checkerboard()
    seen = np.zeros((USERS, ITEMS), bool)
    seen[users, items] = True
    is_own = np.add.outer(np.arange(USERS), np.arange(ITEMS)) % 2 == 0
    rows, columns = np.indices((USERS, ITEMS))
    scores = fitted(kind).scores(rows.ravel(), columns.ravel()).reshape(USERS, ITEMS)
    above = [
        np.mean(scores[user, is_own[user] & ~seen[user]][:, None] > scores[user, ~is_own[user]])
        for user in range(USERS)
    ]
    return float(np.mean(above))


def night(path: Path) -> dict[str, object]:
    """A night in which NCF alone races against the rules, its lists written twice."""
    settings = {"models": {"race": ["ncf"]}, "tune": {"mode": "never"}, "gate": {"on_loss": "refuse"}}
    job = tastes.night_at(path, *tastes.LEARNING, **settings)
    document = job.folder.document("best_params")
    modes = [(row["model"], row["repeat_purchases"]) for row in job.folder.table("metrics").to_pylist()]
    lists, written = job.folder.table("recommendations"), job.folder.file("recommendations")
    before = written.read_bytes()
    run_stage("recommend", job)
    return {
        "model": document["model"],
        "race": {row["model"]: row["precision_at_3"] for row in document["race"]},
        "modes": sorted(mode for model, mode in modes if model == "ncf"),
        "judged": sorted({model for model, _ in modes}),
        "n_users": len(set(lists["user_id"].to_pylist())),
        "n_rows": lists.num_rows,
        "is_same_again": written.read_bytes() == before,
    }


def main() -> None:
    document = {
        "threads": [at_threads(n) for n in (1, 2)],
        "other_seed": digest(fitted(seed=1)),
        "ordered": {kind: rightly_ordered(kind) for kind in ("gmf", "mlp", "neumf")},
        "note": fitted().note,
        "ended": fitted(minutes=1e-6).note,
        "night": night(Path(sys.argv[1])),
    }
    sys.stdout.write(json.dumps(document))


if __name__ == "__main__":
    main()
