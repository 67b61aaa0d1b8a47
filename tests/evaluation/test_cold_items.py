"""Cold items judged: on purchases that can be counted by hand, without a look at what comes after the cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.evaluation.cold_items import (
    NO_COLD_ITEMS,
    NO_ITEMS,
    NOTHING_BOUGHT,
    ColdCut,
    Found,
    cold_at,
    cold_before,
    cold_items_document,
    counts,
)
from pipeline.runs.job import Job
from pipeline.splits.folds import Fold
from tests.cold.shop import BOUGHT, CUT, at_cut, embeddings, items, written
from tests.shelf import day, events, give

LATER = [(1, 32, 101), (1, 30, 102), (2, 31, 103), (3, 20, 104), (2, 99, 105)]
"""Bought after the cut: three cold items, one that sold for long, and one that the shop does not name."""
Make = Callable[..., Job]


def measured(job: Make, path: Path, *later: Any, before: Any = BOUGHT, **given: pa.Table) -> ColdCut:
    """What was measured at CUT. later: rows of events after it; given: datasets of the run"""
    night = job(as_of=day(120))
    give(night.folder, **{"items": items(), **given})
    file = written(path / "later.parquet", events(*sorted(later, key=lambda row: (row[0], row[2]))))
    with at_cut(path, *before) as history:
        fold = Fold((path / "events.parquet",), CUT, (file,), CUT, day(115))
        cold = cold_before(night, history, fold)
        assert cold is not None
        return cold_at(night, history, cold, fold)


def test_each_purchase_of_a_cold_item_is_looked_for_in_every_list(job: Make, tmp_path: Path) -> None:
    """Four items are cold, two of them tea; ten drawn of two are both of them."""
    cut = measured(job, tmp_path, *LATER)
    assert (cut.n_items, cut.n_never_bought, cut.n_unknown) == (4, 3, 1)
    assert cut.all_items.user_ids.to_pylist() == [1, 1, 2]
    assert cut.never_bought.user_ids.to_pylist() == [1, 2]
    for found in (cut.all_items, cut.never_bought):
        assert {name: values.tolist() for name, values in found.lists.items()} == {
            "content": [[1.0, 1.0]] * len(found.user_ids),
            "popular_in_categories": [[1.0, 1.0]] * len(found.user_ids),
            "random_in_categories": [[1.0, 1.0]] * len(found.user_ids),
            "random": [[1.0, 1.0]] * len(found.user_ids),
        }


def many(n: int) -> pa.Table:
    """The shop with `n` more things that nobody bought, half of them teas."""
    more = [(100 + k, f"number {k}", "Tea" if k % 2 else "Tools") for k in range(n)]
    return items(*[(row["item_id"], row["name"], row["category"]) for row in items().to_pylist()], *more)


def test_chance_is_computed_for_all_items_and_for_the_buyers_categories(job: Make, tmp_path: Path) -> None:
    """104 items are cold; of teas there are 52, of tools 51. User 1 buys no tools."""
    cut = measured(job, tmp_path, (1, 30, 101), (1, 31, 102), items=many(100))
    lists = cut.all_items.lists
    assert lists["random"].tolist() == [[10 / 104, 50 / 104]] * 2
    assert lists["random_in_categories"].tolist() == [[10 / 52, 50 / 52], [0.0, 0.0]]
    assert lists["content"][0].tolist() == [1.0, 1.0]


def test_what_happens_after_the_cut_changes_no_list(job: Make, tmp_path: Path) -> None:
    """Later events stand in the files of the history too, as at every cut but the last."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    plain = measured(job, tmp_path / "a", *LATER, items=many(60))
    planted = [*BOUGHT, *LATER, *((user, 130, 101 + user) for user in range(4, 40))]
    given = measured(job, tmp_path / "b", *LATER, before=planted, items=many(60))
    for name, values in plain.all_items.lists.items():
        assert values.tolist() == given.all_items.lists[name].tolist(), name


def test_content_that_became_known_later_is_found_out(job: Make, tmp_path: Path) -> None:
    """Pictures that give away who will buy what: with `known_at` after the cut they count for nothing."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "c").mkdir()
    later = (1, 141, 101)
    away = [[1.0, 0.0], [0.0, 1.0]]
    rows = [(10, "picture", away[0]), (20, "picture", away[1]), (141, "picture", away[0])]
    rows += [(100 + k, "picture", away[1]) for k in range(60) if k != 41]
    leak = embeddings(*((*row, None) for row in rows))
    dated = embeddings(*((*row, day(101)) for row in rows))
    with_leak = measured(job, tmp_path / "a", later, items=many(60), item_embeddings=leak)
    planted = measured(job, tmp_path / "b", later, items=many(60), item_embeddings=dated)
    plain = measured(job, tmp_path / "c", later, items=many(60))
    assert with_leak.all_items.lists["content"].tolist() == [[1.0, 1.0]]
    assert planted.all_items.lists["content"].tolist() == plain.all_items.lists["content"].tolist()
    assert plain.all_items.lists["content"][0, 0] == 0.0


def found(*hits: tuple[int, float, float]) -> Found:
    """Rows `(user, ours, by chance)` at 10; twice as much at 50."""
    users, ours, chance = zip(*hits, strict=True) if hits else ((), (), ())
    lists = {
        "content": np.column_stack([ours, ours]),
        "popular_in_categories": np.zeros((len(users), 2)),
        "random_in_categories": np.column_stack([chance, 2 * np.array(chance)]),
        "random": np.zeros((len(users), 2)),
    }
    return Found(pa.array(users, pa.int64()), lists)


def test_the_document_pools_the_cuts_and_counts_purchases_not_buyers() -> None:
    cuts = [
        ColdCut(found((1, 1.0, 0.1), (1, 1.0, 0.1)), found(), 10, 4, 1),
        ColdCut(found((1, 0.0, 0.1), (2, 1.0, 0.1)), found((2, 1.0, 0.0)), 20, 8, 2),
    ]
    document = cold_items_document(cuts, 1)
    names = ("why", "n_cuts", "n_items", "n_never_bought", "n_unknown")
    assert [document[name] for name in names] == ["", 2, 15, 6, 3]
    row, never = document["all"], document["never_bought"]
    assert (row["n_purchases"], row["n_buyers"], never["n_purchases"]) == (4, 2, 1)
    [ours, _, chance, _] = row["lists"]
    assert (ours["recall_at_10"], chance["recall_at_50"]) == (0.75, pytest.approx(0.2))
    assert ours["ci_low"] < 0.75 < ours["ci_high"]
    assert row["times_random"] == pytest.approx(7.5)
    assert row["against"]["difference"] == 0.75
    assert never["times_random"] is None, "chance finds nothing there"
    assert counts(document) == {
        "n_cold_purchases": 4,
        "cold_recall_at_10": 0.75,
        "cold_random_recall_at_10": 0.1,
    }


def test_why_nothing_is_measured() -> None:
    empty = Found(pa.array([], pa.int64()), {name: np.empty((0, 2)) for name in found().lists})
    for cuts, why in (
        ([], NO_ITEMS),
        ([ColdCut(empty, empty, 0, 0, 0)], NO_COLD_ITEMS),
        ([ColdCut(empty, empty, 5, 5, 0)], NOTHING_BOUGHT),
    ):
        document = cold_items_document(cuts, 1)
        assert (document["why"], document["all"], document["never_bought"]) == (why, None, None)
        assert counts(document) == {"n_cold_purchases": 0}
