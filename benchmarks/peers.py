"""Models of other libraries on the cuts of a backtest: what lists from elsewhere would be worth to this shop.

python -m benchmarks.peers --events FILE [--horizon 14 --cuts 1] [--cache FOLDER] [--run FOLDER]

Neighbours (cosine, TF-IDF, BM25; plain and faded), ALS and BPR of implicit, and EASE (`peer_models`). The
settings of each are chosen on validation cuts before the test, then judged on the cuts of the test, with the
history before each. Users and what they bought are exactly those that the project judges its own models by.
Precision@3 over user-windows; intervals resample users with all their windows.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import peer_models
from benchmarks.peer_models import Fitter, Peer
from benchmarks.peer_shop import Shop, Trial, shop, trials_of
from pipeline.contract.datasets import PUBLISHED
from pipeline.evaluation import metrics
from pipeline.evaluation.judge import Judge
from pipeline.splits.horizon import TestDays

DRAWS = 1000
MODES = ("exclude", "allow")
SEED = 1
FAMILIES = tuple(dict.fromkeys(peer.family for peer in peer_models.grid()))


@dataclass(frozen=True)
class Effort:
    """What is tried: `peers`; EASE with `head` items; at most `most` buyers of each validation cut."""

    peers: tuple[Peer, ...]
    head: int
    most: int

    def best(self, hits: dict[Peer, float], share: float) -> dict[Peer, float]:
        """Of each family the settings with most hits: `share` of all, two at least; one where it is 0."""
        n_tried = Counter(peer.family for peer in self.peers)
        kept: dict[Peer, float] = {}
        for family, n in n_tried.items():
            of = sorted((peer for peer in hits if peer.family == family), key=lambda peer: -hits[peer])
            kept |= {peer: hits[peer] for peer in of[: max(2, round(n * share)) if share else 1]}
        return kept


def chosen(shop: Shop, trial: Trial, modes: Sequence[str], effort: Effort) -> dict[str, list[Peer]]:
    """For each mode, of each family the settings with most hits on the validation cuts.

    The newest cut tries all, the older ones the best third of each family, two at least.
    """
    hits = {mode: dict.fromkeys(effort.peers, 0.0) for mode in modes}
    for number in range(trial.n_cuts + 1, trial.n_cuts + trial.n_validation + 1):
        fold = shop.fold(trial.days, number)
        with shop.history(fold) as history:
            fitter = Fitter(history, effort.head, SEED)
            judges = {
                mode: Judge.of(history, fold, mode == "exclude").sampled(effort.most, SEED) for mode in modes
            }
            for peer in [peer for peer in effort.peers if any(peer in hits[mode] for mode in modes)]:
                fitted = fitter.fit(peer)
                for mode, judge in judges.items():
                    if peer in hits[mode] and judge.n_users:
                        hits[mode][peer] += judge.precision_at_3(fitted) * judge.n_users
        hits = {mode: effort.best(tried, 1 / 3) for mode, tried in hits.items()}
    return {mode: list(effort.best(tried, 0.0)) for mode, tried in hits.items()}


def judged(shop: Shop, trial: Trial, modes: Sequence[str], effort: Effort) -> pd.DataFrame:
    """A row for each mode, peer and user-window of the test, with its Precision@3."""
    peers = chosen(shop, trial, modes, effort)
    parts = []
    for number in range(1, trial.n_cuts + 1):
        fold = shop.fold(trial.days, number)
        with shop.history(fold) as history:
            fitter = Fitter(history, effort.head, SEED)
            judges = {mode: Judge.of(history, fold, mode == "exclude") for mode in modes}
            for peer in [peer for peer in effort.peers if any(peer in peers[mode] for mode in modes)]:
                fitted = fitter.fit(peer)
                for mode in (mode for mode in modes if peer in peers[mode]):
                    judge = judges[mode]
                    values = metrics.precision_at_k(judge.hits(judge.lists(fitted, 3)), 3)
                    users = judge.held_out.user_ids.to_pandas()
                    part = pd.DataFrame({"user_id": users, "precision_at_3": values})
                    part = part.assign(mode=mode, peer=peer.family, settings=peer.said, cut_at=fold.cut_at)
                    parts.append(part)
    return pd.concat(parts, ignore_index=True)


def interval(values: pd.Series, users: pd.Series) -> tuple[float, float]:
    """95 % bootstrap interval of the mean over user-windows; users are drawn, with all their windows."""
    of_user = values.groupby(users.to_numpy()).agg(["sum", "count"]).to_numpy()
    rng = np.random.default_rng(SEED)
    means = np.empty(DRAWS)
    for draw in range(DRAWS):
        total, count = of_user[rng.integers(0, len(of_user), len(of_user))].sum(axis=0)
        means[draw] = total / count
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def table(rows: pd.DataFrame, trial: Trial, mode: str, published: pd.DataFrame | None) -> list[str]:
    """Lines for a person: a peer each, best first, and the best one against the published lists."""
    means = (
        rows.groupby(["peer", "settings"])["precision_at_3"]
        .mean()
        .sort_values(ascending=False, kind="stable")
    )
    one = rows[rows["peer"] == rows["peer"].iloc[0]]
    lines = [
        f"repeat_purchases = {mode}, {trial.n_cuts} cut(s) of {trial.days:.3g} days,"
        f" chosen on {trial.n_validation} before: {len(one):,} measurements"
        f" of {one['user_id'].nunique():,} buyers",
        f"  {'peer':8} {'Precision@3':>11}   95% interval       settings",
    ]
    for (peer, said), mean in means.items():
        of = rows[rows["peer"] == peer]
        low, high = interval(of["precision_at_3"], of["user_id"])
        lines.append(f"  {peer:8} {mean:11.4f}   {low:.4f} to {high:.4f}   {said}")
    if published is not None:
        lines.append(_against(rows[rows["peer"] == means.index[0][0]], published))
    return lines


def _against(best: pd.DataFrame, published: pd.DataFrame) -> str:
    """One line: the published lists against the best peer, on the user-windows that both have."""
    keys = ["user_id", "cut_at"] if "cut_at" in published else ["user_id"]
    both = published.merge(best, on=keys, suffixes=("", "_of_peer"))
    if len(both) != len(best) or len(both) != len(published):
        raise SystemExit(
            f"the run measures other buyers: {len(published):,} measurements, {len(best):,} here,"
            f" {len(both):,} in both; give the run's --as-of, --horizon and --cuts"
        )
    difference = both["precision_at_3"] - both["precision_at_3_of_peer"]
    low, high = interval(difference, both["user_id"])
    theirs = both["precision_at_3_of_peer"].mean()
    return (
        f"  published {both['precision_at_3'].mean():.4f}, {difference.mean() / theirs:+.1%} against"
        f" {best['peer'].iloc[0]}: {difference.mean():+.4f} ({low:+.4f} to {high:+.4f})"
    )


def published_of(run: Path | None, mode: str) -> pd.DataFrame | None:
    """What the published lists of a run reached, a row for each user-window; None for another mode."""
    if run is None or json.loads((run / "comparison.json").read_text())["repeat_purchases"] != mode:
        return None
    rows = pd.read_parquet(run / "user_metrics.parquet")
    return rows[rows["model"] == PUBLISHED]


def cached(folder: Path | None, events: Path, words: str) -> Path | None:
    """Where the result of this file and these words is kept; changed peers make another one."""
    if folder is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    stat = events.stat()
    code = Path(peer_models.__file__).read_text()
    key = hashlib.sha256(f"{stat.st_size} {stat.st_mtime_ns} {words} {code}".encode()).hexdigest()[:12]
    return folder / f"{events.stem}-{key}.parquet"


def _days(text: str) -> TestDays:
    return "auto" if text == "auto" else int(text)


def _words() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--events", type=Path, required=True, help="as for `python -m pipeline backtest`")
    words.add_argument("--items", type=Path, help="as for `backtest`; peers do not read it")
    words.add_argument("--repeat-purchases", nargs="+", choices=MODES, default=MODES, help="default: both")
    words.add_argument(
        "--horizon", type=_days, default=14, help="days a list is judged by, or auto (default: 14)"
    )
    words.add_argument("--cuts", type=int, default=1, help="cuts of the test (default: 1; auto chooses)")
    words.add_argument("--validation-cuts", type=int, help="default: the fewest of 2 to 5 that measure 2,000")
    words.add_argument("--as-of", default="last", help="end of the test (default: just after the last event)")
    words.add_argument("--families", nargs="+", choices=FAMILIES, default=FAMILIES, help="default: all")
    words.add_argument("--head", type=int, default=3000, help="items that EASE knows (default: 3000)")
    words.add_argument("--most", type=int, default=1500, help="buyers of a validation cut (default: 1500)")
    words.add_argument("--cache", type=Path, help="folder that keeps results")
    words.add_argument("--run", type=Path, help="run folder of a night on the same cuts, to compare with")
    return words


def main() -> None:
    """A table for each mode."""
    given = _words().parse_args()
    peers = tuple(peer for peer in peer_models.grid() if peer.family in given.families)
    effort = Effort(peers, given.head, given.most)
    with shop(given.events, given.items, given.as_of) as read:
        trials = trials_of(read, given.repeat_purchases, given.horizon, given.cuts, given.validation_cuts)
        for trial, modes in trials.items():
            started = time.perf_counter()
            words = f"{trial} {modes} {given.head} {given.most} {read.as_of}"
            words += "" if set(given.families) == set(FAMILIES) else f" {sorted(given.families)}"
            place = cached(given.cache, given.events, words)
            if place is not None and place.exists():
                rows = pd.read_parquet(place)
            else:
                rows = judged(read, trial, modes, effort)
                if place is not None:
                    rows.to_parquet(place)
            for mode in modes:
                published = published_of(given.run, mode)
                print("\n".join(table(rows[rows["mode"] == mode], trial, mode, published)))
            print(f"  {time.perf_counter() - started:.0f} seconds", flush=True)


if __name__ == "__main__":
    main()
