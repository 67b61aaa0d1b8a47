"""How much variety the chosen model's lists get: the most that costs next to no precision on validation.

Precision@3 rests on few purchases, so that a loss of a hundredth cannot be counted in most shops. What a
score is worth can: from all slots of the pools, some fifteen times as many, isotonic regression tells how
often an item with such a score is bought (Zadrozny and Elkan 2002), and so what a list is expected to reach.
The loss is the mean of the expected one and of the one that was counted, each weighed by how sure it is: the
count by its standard error, the expectation as if it erred by as much as may be lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import takewhile
from typing import Any

import numpy as np
from sklearn.isotonic import IsotonicRegression

from pipeline.config import Settings
from pipeline.evaluation.metrics import Clusters, PerUser
from pipeline.evaluation.pooled import Measurements, pooled_row
from pipeline.models.catalog import rules
from pipeline.models.params import Variety
from pipeline.tuning.pools import Pools, Reached

STRENGTHS = (*(number / 16 for number in range(4, 33)), 2.25, 2.5, 2.75, 3.0)
"""What is tried, weakest first: a strength of 1 makes being in every list cost one standard deviation."""
NEAR = 0.25
"""How much stronger another may be than the live one before the live one gives way."""
FEWEST_HITS = 100
"""Items bought in the pools, below which nothing can be told."""
ONE_SLOT = 1 / 3
"""What one slot is worth in Precision@3: a count that was the same by luck is no surer than one more."""
MEASURE, EXPECTED = "precision_at_3", "expected_precision_at_3"
MEASURES = (
    MEASURE, "ndcg_at_10", "coverage_at_3", "diversity_at_10", "novelty_at_3", "popular_share_at_3",
    "gini_at_3",
)  # fmt: skip
"""What is told of each strength, beside what it is expected to reach."""

Row = dict[str, Any]


@dataclass(frozen=True)
class ChosenVariety:
    """What was chosen.

    why:   in a sentence
    tried: a row for each variety that was tried, none first: `strength`, `has_near_duplicates`, EXPECTED and
           MEASURES; empty where none was
    """

    variety: Variety
    why: str
    tried: tuple[Row, ...] = ()


@dataclass(frozen=True)
class _Tried:
    """One variety, at all cuts together.

    expected: mean Precision@3 by the scores; counted: of each measurement
    """

    variety: Variety
    row: Row
    expected: float
    counted: PerUser

    def is_within(self, most: float, own: _Tried, clusters: Clusters) -> bool:
        """Whether no more than the share `most` of what `own`, no variety, reaches is lost.

        clusters: whose each measurement is
        """
        expected, reached = 1.0 - self.expected / own.expected, float(own.counted.mean())
        if not reached:
            return expected <= most
        lost, n = own.counted - self.counted, len(own.counted)
        of_users = np.bincount(clusters, lost)
        variance = (float((of_users**2).sum()) + ONE_SLOT**2) / (n * reached) ** 2
        weights = 1.0 / most**2, 1.0 / variance
        return float(np.average([expected, float(lost.mean()) / reached], weights=weights)) <= most


def choose_variety(
    pools: Sequence[Pools], model: str, settings: Settings, live: Variety | None = None
) -> ChosenVariety:
    """The strongest that costs at most `recommend.max_precision_loss`, as all weaker ones do.

    pools: of the cuts of validation; model: the one that is chosen
    live:  of its lists that are live; None: there are none. It stays where it costs no more and is as good as
           the strongest (NEAR), so that lists do not change with every night

    Near-duplicates are kept apart where that, too, stays within the loss.
    """
    most = settings.recommend.max_precision_loss
    of_model = [pool for pool in pools if model in pool.tops]
    if why := _why_none(most, model, of_model):
        return ChosenVariety(Variety(), f"none: {why}")
    worth = _Worth.of(of_model, model, settings)
    if worth.n_hits < FEWEST_HITS:
        few = f"{worth.n_hits:,} of the items that the model suggested were bought on validation"
        return ChosenVariety(Variety(), f"none: {few}, too few to tell what it would cost")

    def is_within(one: _Tried) -> bool:
        return one.is_within(most, own, worth.who.clusters)

    own, *others = worth.of_each([Variety(strength) for strength in (0.0, *STRENGTHS)])
    within = [own, *takewhile(is_within, others)]
    best = within[-1].variety.strength
    near = (one for one in within if live and best - NEAR <= one.variety.strength == live.strength)
    strongest = next(near, within[-1])
    [apart] = worth.of_each([replace(strongest.variety, has_near_duplicates=False)])
    chosen = apart if is_within(apart) else strongest
    rows = tuple(one.row for one in (own, *others, apart))
    return ChosenVariety(chosen.variety, _why(chosen, own, apart, most), rows)


def _why_none(most: float, model: str, pools: Sequence[Pools]) -> str:
    if not most:
        return "recommend.max_precision_loss is 0"
    if model in rules():
        return "the lists are those of a simple rule"
    return "" if pools else "nobody could be measured on validation"


def _why(chosen: _Tried, own: _Tried, apart: _Tried, most: float) -> str:
    """The choice in a sentence."""
    kept = "near-duplicates are kept apart"
    if chosen.variety.has_near_duplicates:
        reached = f"Precision@3 {apart.expected:.4f} expected, {apart.row[MEASURE]:.4f} counted"
        kept = f"near-duplicates stay, for without them it has {reached}"
    if not chosen.variety.strength:
        return f"strength 0, for the weakest costs more than {100 * most:.3g}% of Precision@3; {kept}"
    numbers = [
        f"Precision@3 expected {chosen.expected:.4f}, without {own.expected:.4f}",
        f"counted on validation {chosen.row[MEASURE]:.4f}, without {own.row[MEASURE]:.4f}",
        f"coverage {chosen.row['coverage_at_3']:.2%}, without {own.row['coverage_at_3']:.2%}",
    ]
    return f"strength {chosen.variety.strength:g}: {'; '.join([*numbers, kept])}"


@dataclass(frozen=True)
class _Worth:
    """How often an item with a score is bought, by all slots of the model's pools at all cuts."""

    pools: Sequence[Pools]
    model: str
    settings: Settings
    who: Measurements
    curve: IsotonicRegression
    n_hits: int

    @classmethod
    def of(cls, pools: Sequence[Pools], model: str, settings: Settings) -> _Worth:
        scores, hits = (
            np.concatenate(parts) for parts in zip(*(pool.slots(model) for pool in pools), strict=True)
        )
        curve = IsotonicRegression(y_min=0.0, out_of_bounds="clip")
        if len(scores):
            curve.fit(scores, hits)
        who = Measurements.of([(pool.fold.cut_at, pool.judge.held_out) for pool in pools])
        return cls(pools, model, settings, who, curve, int(hits.sum()))

    def of_each(self, tried: Sequence[Variety]) -> list[_Tried]:
        """What each variety reaches."""
        most = self.settings.recommend.max_per_category
        by_cut = [pool.reached(self.model, tried, most) for pool in self.pools]
        return [
            self._tried(variety, reached)
            for variety, reached in zip(tried, zip(*by_cut, strict=True), strict=True)
        ]

    def _tried(self, variety: Variety, reached: Sequence[Reached]) -> _Tried:
        outcomes = [at_cut.outcome for at_cut in reached]
        row = pooled_row(outcomes, self.who.clusters, self.settings.run.seed)
        scores = np.vstack([at_cut.scores for at_cut in reached])
        is_item = ~np.isnan(scores)
        expected = float(self.curve.predict(scores[is_item]).sum() / scores.size)
        told = {**asdict(variety), EXPECTED: expected, **{name: row[name] for name in MEASURES}}
        counted = np.concatenate([outcome.scores[MEASURE] for outcome in outcomes])
        return _Tried(variety, told, expected, counted)
