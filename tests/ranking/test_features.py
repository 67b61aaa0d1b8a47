"""The features of candidates in the corner shop, worked by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from pipeline.config import ROOT
from pipeline.contract.features import AMONG_OWN, ENTRIES, FEATURES, OWN, SEEN, TASTE, TASTE_SHARE
from pipeline.models.als_factors import AlsFactors
from pipeline.models.ease import EaseWeights
from pipeline.models.top_n import NOTHING
from pipeline.ranking.candidates import CandidateSource
from pipeline.ranking.features import CandidateTable
from pipeline.ranking.statistics import count_statistics
from pipeline.runs.folder import RunFolder
from tests import corner

MILK, BREAD, TEA = range(3)
NEAR = sp.csr_matrix(np.array([[0, 0, 0.4], [0, 0, 0.2], [0.4, 0.2, 0]], np.float32))


@pytest.fixture
def table(run_folder: Callable[..., RunFolder]) -> Iterator[CandidateTable]:
    """All three items for each of the three users: everything may be shown again."""
    factors = AlsFactors(
        np.array([[1.0], [2.0], [3.0]], np.float32),
        np.array([[0.5], [0.25], [1.0]], np.float32),
        pa.array([1, 2, 3]),
        pa.array([10, 11, 12]),
    )
    with corner.history(run_folder(), [*corner.BEFORE, *corner.AFTER]) as shop:
        asked = sp.csr_matrix(np.array([[2.0, 0], [1, 0], [0, 1]], np.float32))
        weights = np.array([[0, 0.5], [-0.25, 0]], np.float32)
        ease = EaseWeights(asked, weights, np.array([MILK, TEA]), factors.item_ids)
        source = CandidateSource(count_statistics(*shop), factors, NEAR, ease, is_exclude=False)
        yield source.table(np.arange(3))


def of(table: CandidateTable, name: str, user: int) -> list[float]:
    """A feature of milk, bread and tea for user 1, 2 or 3."""
    return [float(value) for value in table.column(name)[table.slots == user - 1]]


def near(*values: float) -> object:
    return pytest.approx(list(values), abs=2e-6, nan_ok=True)


def test_every_user_has_every_item_in_their_order(table: CandidateTable) -> None:
    assert table.slots.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert table.items.tolist() == [MILK, BREAD, TEA] * 3
    assert table.features.shape == (9, len(FEATURES))
    assert table.features.dtype == np.float32


def test_own_purchases(table: CandidateTable) -> None:
    """User 1 buys milk every 30 days and did so 30 days ago: it is due. Bread has no pace of its own."""
    assert of(table, "n_days", 1) == [3, 1, 0]
    assert of(table, "last_age_days", 1) == near(30, 3.5, np.nan)
    assert of(table, "own_gap_days", 1) == near(30, np.nan, np.nan)
    assert of(table, "own_due", 1) == near(1, np.nan, np.nan)
    assert of(table, "own_due", 3) == near(np.nan, np.nan, 3 / 11)
    assert of(table, "own_due_by_item", 2) == near(7 / 30, np.nan, np.nan)
    assert of(table, "own_trip_share", 1) == near(3 / 4, 1 / 4, 0)
    assert of(table, "own_rate", 1) == near(3 / (90 + 14), 1 / (3.75 + 14), np.nan)


def test_own_purchases_in_shopping_trips(table: CandidateTable) -> None:
    """User 1 shops every 28.8 days, once in the last four weeks, and had bread then."""
    gap = (90 - 3.5) / 3
    assert of(table, "own_trips", 1) == near(30 / gap, 3.5 / gap, np.nan)
    assert of(table, "own_trips_28", 1) == near(0, 1, 0)
    assert of(table, "own_gap_in_trips", 1) == near(30 / gap, np.nan, np.nan)


def test_own_purchases_beside_those_of_the_other_candidates(table: CandidateTable) -> None:
    """User 1 bought milk on more days, bread more lately; over the season the days of milk weigh more."""
    for name, milk, bread, ranks in (
        ("n_days", 3, 1, (1, 2)),
        ("decay_30", 7 / 8, 2 ** (-3.5 / 30), (2, 1)),
        ("decay_90", 1 / 2 + 2 ** (-2 / 3) + 2 ** (-1 / 3), 2 ** (-3.5 / 90), (1, 2)),
    ):
        best = max(milk, bread)
        assert of(table, f"{name}_rank", 1) == near(*ranks, np.nan), name
        assert of(table, f"{name}_share", 1) == near(milk / best, bread / best, 0), name
        assert of(table, f"{name}_part", 1) == near(milk / (milk + bread), bread / (milk + bread), 0), name


def test_what_was_looked_at(table: CandidateTable) -> None:
    assert of(table, "seen_age_days", 2) == near(np.nan, 7, 30)
    assert of(table, "views_7", 2) == [0, 0.5, 0]
    assert of(table, "carts_30", 2) == [0, 0, 0.5]
    assert of(table, "seen_age_days", 1) == near(np.nan, np.nan, np.nan)
    assert of(table, "views_7", 1) == [0, 0, 0]


def test_als(table: CandidateTable) -> None:
    """Scores are products of the factors; ranks and shares are among the user's candidates."""
    assert of(table, "als_score", 2) == [1.0, 0.5, 2.0]
    assert of(table, "als_share", 2) == [0.5, 0.25, 1.0]
    assert of(table, "als_rank", 2) == [2, 3, 1]


def test_ease(table: CandidateTable) -> None:
    """Bread takes no part. User 1 bought milk, which speaks for tea; user 3 tea: it speaks against milk."""
    assert of(table, "ease_score", 1) == [0, 0, 1]
    assert of(table, "ease_score", 3) == [-0.25, 0, 0]
    assert of(table, "ease_share", 1) == [0, 0, 1]
    assert of(table, "ease_rank", 1) == near(np.nan, np.nan, 1)
    assert of(table, "ease_rank", 3) == near(3, np.nan, np.nan)


def test_neighbours(table: CandidateTable) -> None:
    """Milk counts 0.2 + its decayed purchases, bread likewise; both are near tea, not near each other."""
    milk, bread = 0.2 + 7 / 8, 0.2 + 2 ** (-3.5 / 30)
    assert of(table, "near_score", 1) == near(0, 0, 0.4 * milk + 0.2 * bread)
    assert of(table, "near_share", 1) == near(0, 0, 1)
    assert of(table, "near_rank", 1) == near(np.nan, np.nan, 1)
    assert of(table, "near_rank", 3) == near(1, 2, np.nan)


def test_of_items_and_users_are_looked_up(table: CandidateTable) -> None:
    assert of(table, "item_age_days", 2) == [90, 7, 30]
    assert of(table, "item_gap_days", 2) == near(30, np.nan, 11)
    assert of(table, "user_trips", 2) == [1, 1, 1]
    assert of(table, "popular_rank", 3) == [1, 3, 2]


def test_taste(table: CandidateTable) -> None:
    """User 1's share of dairy and baked; tea is in no category; user 3 bought from none."""
    dairy, baked = 1 / 2 + 2 ** (-2 / 3) + 2 ** (-1 / 3), 2 ** (-3.5 / 90)
    assert of(table, "taste_share", 1) == near(dairy / (dairy + baked), baked / (dairy + baked), np.nan)
    assert of(table, "taste_last_age_days", 1) == near(30, 3.5, np.nan)
    assert of(table, "taste_share", 2) == near(1, np.nan, np.nan)
    assert of(table, "taste_share", 3) == near(np.nan, np.nan, np.nan)


def test_every_feature_is_worked_by_hand() -> None:
    """Here or in the tests beside; what a statement of sql/transform/ counts, in tests/transform/."""
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    statements = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("sql/transform/*.sql"))
    of_others = {feature.name for feature in AMONG_OWN}
    for name in set(FEATURES) - of_others:
        assert f'"{name}"' in tests or f" AS {name}" in statements, name


def test_what_is_unknown_is_nan_and_what_counts_nothing_is_0_as_the_entries_say(
    table: CandidateTable,
) -> None:
    """Where user 1 has no event with tea, and user 3 none in a category."""
    for feature in ENTRIES:
        if feature.absent == 0.0:
            assert not np.isnan(table.column(feature.name)).any(), feature.name
    for feature in (*OWN, *SEEN):
        assert of(table, feature.name, 1)[TEA] == near_one(feature.absent), feature.name
    for feature in (*TASTE, *TASTE_SHARE):
        assert of(table, feature.name, 3)[MILK] == near_one(feature.absent), feature.name


def near_one(value: float) -> object:
    return pytest.approx(value, nan_ok=True)


def test_the_best_of_each_user_ties_by_id(table: CandidateTable) -> None:
    top = table.best(np.array([1, 3, 3, 0, 0, 0, 5, 4, 6.0]), 2)
    assert top.items.tolist() == [[BREAD, TEA], [MILK, BREAD], [TEA, MILK]]
    assert top.scores.tolist() == [[3, 3], [0, 0], [6, 5]]
    assert (table.best(np.zeros(9), 5).items[:, 3:] == NOTHING).all()
