"""What a model sees of the past: nothing after the cut, nobody who did not buy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.config import Filter, Run, Weights
from pipeline.engines import local
from pipeline.runs.folder import RunFolder
from pipeline.splits.history import History, opened
from pipeline.splits.holdout import UNSERVED, hold_out
from tests.cold import shop as cold
from tests.shelf import day, events

BEFORE = events(
    (30, 7, 0, "view"),
    (10, 5, 0),
    (10, 5, 10),
    (10, 9, 10, "view"),
    (20, 5, 5, "cart"),
    (20, 7, 10),
)
CUT = day(10) + timedelta(microseconds=1)


@contextmanager
def history(
    folder: RunFolder, before: pa.Table = BEFORE, cut_at: datetime = CUT, who: Filter | None = None
) -> Iterator[History]:
    folder.write("purchaser_events", before)
    with opened([folder.file("purchaser_events")], cut_at, who or Filter(), Run(), folder.scratch()) as past:
        yield past


def test_rows_and_columns_are_numbered_by_id_and_browsers_take_no_part(
    run_folder: Callable[..., RunFolder],
) -> None:
    with history(run_folder()) as past:
        assert past.user_ids.to_pylist() == [10, 20]
        assert past.item_ids.to_pylist() == [5, 7, 9]
        assert past.shape == (2, 3)


def test_weights_by_event_type_and_half_life(run_folder: Callable[..., RunFolder]) -> None:
    weights = Weights(view=1, cart=3, purchase=5, half_life_days=10)
    with history(run_folder()) as past:
        assert past.interactions(weights).toarray().tolist() == [
            [pytest.approx(5 * 0.5 + 5), 0, 1],
            [pytest.approx(3 * 0.5**0.5, abs=1e-6), 5, 0],
        ]


def test_without_half_life_nothing_fades(run_folder: Callable[..., RunFolder]) -> None:
    with history(run_folder()) as past:
        assert past.interactions(Weights(half_life_days=0)).toarray().tolist() == [[10, 0, 1], [3, 5, 0]]


def test_a_weight_of_zero_stores_no_cell(run_folder: Callable[..., RunFolder]) -> None:
    with history(run_folder()) as past:
        cells = past.interactions(Weights(view=0, cart=0, half_life_days=0))
    assert cells.nnz == 2
    assert cells.toarray().tolist() == [[10, 0, 0], [0, 5, 0]]


def test_quantity_weighs_only_when_asked(run_folder: Callable[..., RunFolder]) -> None:
    bought = events((1, 5, 0, "purchase", None, 4.0), (1, 6, 0, "view", None, 4.0), (2, 5, 0))
    with history(run_folder(), bought) as past:
        assert past.interactions(Weights(half_life_days=0)).toarray()[0].tolist() == [5, 1]
        assert past.interactions(Weights(half_life_days=0, is_quantity_weighed=True)).toarray()[
            0
        ].tolist() == [20, 1]


def test_a_rating_weighs_only_when_asked(run_folder: Callable[..., RunFolder]) -> None:
    """That of a purchase; the counts of purchases know nothing of it."""
    rated = (None, 1.0, None, None)
    bought = events((1, 5, 0, "purchase", *rated, 4.0), (1, 6, 0, "view", *rated, 4.0), (2, 5, 0))
    asked = Weights(half_life_days=0, rating_weight="multiply")
    with history(run_folder(), bought) as past:
        assert past.interactions(Weights(half_life_days=0)).toarray().tolist() == [[5, 1], [5, 0]]
        assert past.interactions(asked).toarray().tolist() == [[20, 1], [5, 0]]
        assert past.purchases().toarray().tolist() == [[1, 0], [1, 0]]


def test_what_events_carry_changes_no_matrix_unless_ratings_weigh(
    run_folder: Callable[..., RunFolder],
) -> None:
    """The models of a shop that gives prices, discounts and ratings are those of one that does not."""
    shop = [
        (user, item, float((user * item) % 9), "purchase", None, 1.0) for user in (1, 2, 3) for item in (5, 6)
    ]
    given = [(*row, row[0] + 0.5, 0.5, float(row[1])) for row in shop]
    with (
        history(run_folder("plain"), events(*shop), day(10)) as plain,
        history(run_folder("given"), events(*given), day(10)) as carried,
    ):
        for one, other in (
            (plain.interactions(Weights()), carried.interactions(Weights())),
            (plain.purchases(30.0), carried.purchases(30.0)),
            (plain.touched(), carried.touched()),
        ):
            assert one.data.tobytes() == other.data.tobytes()
            assert one.indices.tobytes() == other.indices.tobytes()
        rated = carried.interactions(Weights(rating_weight="multiply"))
        assert rated.data.tobytes() != carried.interactions(Weights()).data.tobytes()


def test_purchases_count_and_touched_is_one(run_folder: Callable[..., RunFolder]) -> None:
    with history(run_folder()) as past:
        assert past.purchases().toarray().tolist() == [[2, 0, 0], [0, 1, 0]]
        assert past.touched().toarray().tolist() == [[1, 0, 1], [1, 1, 0]]


def test_the_sum_of_many_events_does_not_depend_on_their_order(run_folder: Callable[..., RunFolder]) -> None:
    rng = np.random.default_rng(0)
    rows = [(int(u), int(i), float(d)) for u, i, d in rng.integers(0, 30, (5000, 3))]
    shuffled = [rows[n] for n in rng.permutation(len(rows))]
    with (
        history(run_folder("a"), events(*rows), day(30)) as one,
        history(run_folder("b"), events(*shuffled), day(30)) as two,
    ):
        left, right = one.interactions(Weights()), two.interactions(Weights())
    assert left.data.tobytes() == right.data.tobytes()


@pytest.mark.parametrize("events_a_gb", [1, 40, 10_000])
def test_matrices_and_pairs_do_not_depend_on_how_many_users_are_looked_at_at_a_time(
    run_folder: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch, events_a_gb: int
) -> None:
    kinds = ("purchase", "view", "cart", "purchase")
    draw = np.random.default_rng(0).integers((30, 20, 10, 4), size=(600, 4)).tolist()
    shop = events(*((user, item, day_of, kinds[kind]) for user, item, day_of, kind in draw))
    weights = Weights(view=1, cart=3, purchase=5, half_life_days=10)

    def of(past: History) -> list[bytes]:
        cells = past.interactions(weights)
        pairs = [past.columns(name) for name in ("bought_pairs", "seen_pairs")]
        columns = [column for columns in pairs for column in columns.values()]
        return [part.tobytes() for part in (cells.indptr, cells.indices, cells.data, *columns)]

    with history(run_folder("whole"), shop) as past:
        expected = of(past)
        assert past.shape[0] > 25
    monkeypatch.setattr(local, "EVENTS_A_GB", events_a_gb)
    with history(run_folder("ranges"), shop) as past:
        assert of(past) == expected
        assert past.event_types() == set(kinds), "all rows are read again"


def test_held_out_purchases(run_folder: Callable[..., RunFolder], tmp_path: Path) -> None:
    """10 buys 5 again, 7 for the first time and 8, unknown before; 20 only looks; 30 and 40 are cold."""
    folder = run_folder()
    folder.write(
        "test", events((10, 5, 11), (10, 7, 11), (10, 8, 12), (20, 9, 11, "view"), (30, 5, 11), (40, 5, 12))
    )
    with history(folder) as past:
        every = hold_out(past, [folder.file("test")], is_repeat_relevant=True)
        new = hold_out(past, [folder.file("test")], is_repeat_relevant=False)
    assert every.rows.tolist() == [0]
    assert every.user_ids.to_pylist() == [10]
    assert every.items.toarray().tolist() == [[1, 1, 0]]
    assert every.n_items.tolist() == [3]
    assert (every.n_cold_users, every.n_cold_items) == (2, 1)
    assert new.items.toarray().tolist() == [[0, 1, 0]]
    assert new.n_items.tolist() == [2]


def test_a_buyer_whom_the_filters_leave_out_is_measured_and_unserved(
    run_folder: Callable[..., RunFolder],
) -> None:
    """A stricter filter must not raise the number by measuring fewer users."""
    folder = run_folder()
    folder.write("test", events((10, 7, 11), (20, 5, 11), (30, 5, 11)))
    with history(folder, who=Filter(min_events=3)) as past:
        assert past.user_ids.to_pylist() == [10]
        held_out = hold_out(past, [folder.file("test")], is_repeat_relevant=True)
    assert held_out.user_ids.to_pylist() == [10, 20]
    assert held_out.rows.tolist() == [0, UNSERVED]
    assert held_out.n_items.tolist() == [1, 1]
    assert held_out.n_cold_users == 1


def test_a_purchase_that_has_faded_to_nothing_is_still_a_purchase(
    run_folder: Callable[..., RunFolder],
) -> None:
    with history(run_folder(), cut_at=day(1000)) as past:
        cells = past.interactions(Weights(half_life_days=7))
    assert cells.nnz == 4
    assert cells.data.tolist() == [0, 0, 0, 0]


def test_nobody_held_out(run_folder: Callable[..., RunFolder]) -> None:
    folder = run_folder()
    folder.write("test", events((20, 9, 11, "view")))
    with history(folder) as past:
        nobody = hold_out(past, [folder.file("test")], is_repeat_relevant=True)
    assert len(nobody.rows) == 0
    assert nobody.items.shape == (0, 3)


def test_names_and_categories_that_became_known_after_the_cut_are_not_known(tmp_path: Path) -> None:
    """Of items 10 and 20 one row is of the moment of the cut, the other of a day later."""
    table = cold.items((10, "tea", "Tea"), (20, "hammer", "Tools"), known_at={10: cold.CUT, 20: day(101)})
    file = cold.written(tmp_path / "items.parquet", table)
    with cold.at_cut(tmp_path) as past:
        of_items = zip(past.item_ids.to_pylist(), past.item_categories(file).tolist(), strict=True)
        assert {item: category for item, category in of_items if item in (10, 20)} == {10: 0, 20: -1}
        past.show_items(file, are_all_available=True)
        past.give("untouched", pa.table({"item_id": past.item_ids[:0]}))
        assert past.rows("item_names").read_all()["item_id"].to_pylist() == [10]
