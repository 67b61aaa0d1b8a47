"""pipeline/segments/segments.py and rows.py: how many segments there are, and what is in them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipeline.segments.people import Known
from pipeline.segments.rows import segment_rows
from pipeline.segments.segments import (
    Segments,
    chosen_number,
    first_purchases,
    segments_at,
    whole_shop,
)
from tests.segments.shop import CUT, END, attributes, fitted, written

LENGTH = 30


def test_what_people_look_at_divides_them_and_the_numbers_stay_from_night_to_night(
    looks: Path, tmp_path: Path
) -> None:
    with fitted(looks, tmp_path) as models:
        first = segments_at(models, Known([looks]), CUT, LENGTH)
        again = segments_at(models, Known([looks]), CUT, LENGTH)
        everybody = whole_shop(models, LENGTH)
        rows = segment_rows(first, models.factors.item_ids)
    assert first.n > 2
    assert (first.labels == again.labels).all()
    assert (first.lists.items == again.lists.items).all()
    assert (first.lists.items[:, :3] != everybody.items[:, :3]).any(axis=1).sum() > first.n / 2

    last_night = rows.user_segments
    cut_at = CUT + timedelta(days=1)
    with fitted(looks, tmp_path, cut_at) as models:
        next_night = segments_at(models, Known([looks]), cut_at, LENGTH, last_night)
    assert next_night.n == first.n
    assert _share_kept(last_night, next_night) > 0.8


def _share_kept(last_night: pa.Table, segments: Segments) -> float:
    """The share of people who have the number that they had on the night before."""
    before = dict(zip(last_night["user_id"].to_pylist(), last_night["segment"].to_pylist(), strict=True))
    ids, labels = segments.people.user_ids.to_pylist(), (segments.labels + 1).tolist()
    pairs = [(before[user], label) for user, label in zip(ids, labels, strict=True) if user in before]
    return float(np.mean([old == new for old, new in pairs]))


def test_segments_of_people_without_a_list_and_lists_without_people_are_left_out(
    looks: Path, tmp_path: Path
) -> None:
    """Nothing was bought in segment 2, and nobody is in segment 3."""
    with fitted(looks, tmp_path) as models:
        segments = segments_at(models, Known([looks]), CUT, LENGTH)
        segments.lists.items[1], segments.lists.scores[1] = -1, 0.0
        segments.labels[segments.labels == 2] = 0
        rows = segment_rows(segments, models.factors.item_ids)
    users, lists = rows.user_segments, rows.popular_in_segment
    numbers = set(range(1, segments.n + 1))
    has_list = segments.people.user_ids.filter(pa.array(segments.labels != 1))
    assert users["user_id"].to_pylist() == has_list.to_pylist()
    assert set(users["segment"].to_pylist()) == set(lists["segment"].to_pylist()) == numbers - {2, 3}
    of_1 = [row for row in lists.to_pylist() if row["segment"] == 1]
    assert [row["rank"] for row in of_1] == list(range(1, len(of_1) + 1))
    scores = [row["score"] for row in of_1]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("gone", [1, 16])
def test_numbers_stay_where_nobody_was_left_in_one(looks: Path, tmp_path: Path, gone: int) -> None:
    """As if nobody had been in the first, or in the last of 16."""
    with fitted(looks, tmp_path) as models:
        first = segments_at(models, Known([looks]), CUT, LENGTH)
        assert first.n == 16
        users = segment_rows(first, models.factors.item_ids).user_segments
        last_night = users.filter(pc.not_equal(users["segment"], gone))
        again = segments_at(models, Known([looks]), CUT, LENGTH, last_night)
    assert again.n == 16
    assert _share_kept(last_night, again) > 0.8


def test_an_attribute_counts_where_it_serves_newcomers(looks: Path, aimless: Path, tmp_path: Path) -> None:
    """`prefers` is their taste, `born` is drawn; what people look at tells as much as their taste."""
    rng = np.random.default_rng(3)
    taste = attributes(None)
    born = taste.to_pydict() | {
        "name": ["born"] * len(taste),
        "category": [None] * len(taste),
        "number": rng.integers(1950, 2005, len(taste)).astype(float),
    }
    drawn = pa.table({field.name: pa.array(born[field.name], field.type) for field in taste.schema})
    file = written(tmp_path / "user_attributes.parquet", pa.concat_tables([taste, drawn]))
    with fitted(aimless, tmp_path) as models:
        segments = segments_at(models, Known([aimless], file), CUT, LENGTH)
    assert segments.n > 2
    assert segments.attributes == ("prefers",)

    only_drawn = written(tmp_path / "drawn.parquet", drawn)
    with fitted(looks, tmp_path) as models:
        plain = segments_at(models, Known([looks]), CUT, LENGTH)
        beside = segments_at(models, Known([looks], only_drawn), CUT, LENGTH)
    assert beside.attributes == ()
    assert beside.people.user_ids == plain.people.user_ids
    assert (beside.labels == plain.labels).all()
    assert (beside.lists.items == plain.lists.items).all()


def test_looks_that_tell_nothing_divide_nobody(aimless: Path, tmp_path: Path) -> None:
    with fitted(aimless, tmp_path) as models:
        segments = segments_at(models, Known([aimless]), CUT, LENGTH)
        everybody = whole_shop(models, LENGTH)
    assert segments.n == 1
    assert not segments.labels.any()
    assert (segments.lists.items == everybody.items).all()


def test_nobody_sees_what_comes_after_the_cut(looks: Path, tmp_path: Path) -> None:
    """The same segments from the events before the cut alone."""
    events = pq.read_table(looks)
    before = tmp_path / "before.parquet"
    pq.write_table(events.filter(pc.less(events["occurred_at"], pa.scalar(CUT))), before)
    results = []
    for file in (looks, before):
        with fitted(file, tmp_path) as models:
            results.append(segments_at(models, Known([file]), CUT, LENGTH))
    whole, cut_off = results
    assert (whole.labels == cut_off.labels).all()
    assert (whole.lists.items == cut_off.lists.items).all()


def test_first_purchases_count_items_that_nobody_had_touched_too(looks: Path, tmp_path: Path) -> None:
    with fitted(looks, tmp_path) as models:
        people = segments_at(models, Known([looks]), CUT, LENGTH).people
        bought = first_purchases(models, people.user_ids, [looks], CUT, END)
    assert len(bought.rows) > 30
    assert (bought.n_items >= np.diff(bought.items.indptr)).all()
    lists = np.full((len(bought.rows), 10), -1, np.int32)
    lists[0, 0] = bought.items[0].indices[0]
    assert bought.recall(lists).tolist() == [1 / bought.n_items[0], *[0.0] * (len(bought.rows) - 1)]


def test_of_numbers_that_serve_as_well_last_night_s_is_taken_else_the_least() -> None:
    rng = np.random.default_rng(1)
    poor, good = rng.random(200) * 0.1, rng.random(200) * 0.1 + 0.5
    noise = rng.normal(0, 0.05, 200)
    recall = {1: poor, 4: good, 8: good + 1e-4 + noise - noise.mean(), 16: good}
    assert chosen_number(recall, 0) == 4
    assert chosen_number(recall, 16) == 16
    assert chosen_number(recall, 1) == 4, "the whole shop's list is worse"
    assert chosen_number({1: poor, 2: poor}, 0) == 1
    a_little = np.where(np.arange(200) < 3, 0.1, 0.0)  # 1.7 standard errors
    recall = {1: poor, 8: good, 16: good + a_little}
    assert (chosen_number(recall, 0), chosen_number(recall, 8)) == (16, 8)
    assert chosen_number({1: good, 8: good + a_little}, 0) == 1
    assert chosen_number({1: np.zeros(20), 4: np.full(20, 0.5)}, 0) == 4, "everybody gains as much"
