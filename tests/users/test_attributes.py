"""pipeline/users/attributes.py: what is known of users at a cut, and the users as points."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.contract.datasets import DATASETS
from pipeline.runs import parquet
from pipeline.users.attributes import Attributes, attributes_at, points_by
from tests.shelf import day

IDS = {"user": "integer", "item": "integer"}
Row = tuple[int, str, str | float, datetime | None]
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write(*rows)`: the file of these rows of (user, name, category or number, known_at)."""

    def go(*rows: Row) -> Path:
        schema = DATASETS["user_attributes"].schema(IDS)
        columns = [
            (u, name, *((value, None) if isinstance(value, str) else (None, value)), known_at)
            for u, name, value, known_at in rows
        ]
        table = pa.table([list(column) for column in zip(*columns, strict=True)], schema=schema)
        parquet.write(DATASETS["user_attributes"], schema, table, tmp_path / "user_attributes.parquet")
        return tmp_path / "user_attributes.parquet"

    return go


def test_values_come_in_the_order_of_the_users_that_are_asked_for(write: Write) -> None:
    file = write(
        (1, "age", 30.0, None),
        (1, "country", "CH", None),
        (2, "age", 40.0, None),
        (3, "country", "AT", None),
        (9, "country", "AA", None),
        (9, "plan", "free", None),
    )
    known = attributes_at(file, pa.array([3, 7, 1], pa.int64()), None)
    assert known.names == ("age", "country")
    assert known.words == {"country": ("AT", "CH")}
    assert known.codes["country"].tolist() == [0, -1, 1]
    assert known.codes["country"].dtype == np.int32
    assert np.array_equal(known.numbers["age"], [np.nan, np.nan, 30.0], equal_nan=True)


def test_a_value_that_is_known_later_than_the_cut_is_not_there(write: Write) -> None:
    file = write(
        (1, "age", 30.0, day(10)),
        (1, "country", "CH", None),
        (2, "country", "AT", day(10)),
        (2, "plan", "free", day(11)),
    )
    users = pa.array([1, 2], pa.int64())
    before, at, now = (attributes_at(file, users, cut) for cut in (day(9), day(10), None))
    assert (before.names, at.names, now.names) == (
        ("country",),
        ("age", "country"),
        ("age", "country", "plan"),
    )
    assert before.codes["country"].tolist() == [0, -1]
    assert before.words == {"country": ("CH",)}
    assert at.codes["country"].tolist() == [1, 0]


def test_a_shop_without_attributes_has_none() -> None:
    known = attributes_at(None, pa.array(["a", "b"]), day(1))
    assert known == Attributes(2, {}, {}, {})
    assert points_by(known) == {}


def test_nobody_is_asked_for(write: Write) -> None:
    known = attributes_at(write((1, "age", 30.0, None)), pa.array([], pa.int64()), None)
    assert (known.names, points_by(known)) == ((), {})


def codes(*given: int) -> np.ndarray:
    return np.array(given, np.int32)


def test_frequent_words_have_a_column_each_and_one_weight_together() -> None:
    country = codes(*[0] * 10, *[1] * 20, *[2] * 9, -1)
    points = points_by(Attributes(40, {"country": country}, {"country": ("AT", "CH", "DE")}, {}))["country"]
    assert points.shape == (40, 2)
    assert points.dtype == np.float32
    assert points.var(axis=0).sum() == pytest.approx(1.0, rel=1e-5)
    weight = 1 / np.sqrt(10 / 40 * 30 / 40 + 20 / 40 * 20 / 40)
    assert points[0] == pytest.approx([weight, 0.0])
    assert points[10] == pytest.approx([0.0, weight])
    assert not points[30:].any(), "a rare word, and none"


def test_a_word_of_ten_users_is_rare_among_many() -> None:
    country = codes(*[0] * 10, *[1] * 1_990)
    points = points_by(Attributes(2_000, {"country": country}, {"country": ("AT", "CH")}, {}))
    assert points["country"].shape == (2_000, 1)


def test_numbers_are_standardised_within_bounds_and_missing_ones_are_the_mean() -> None:
    age = np.array([*[20.0] * 50, *[40.0] * 50, 1e6, np.nan])
    points = points_by(Attributes(102, {}, {}, {"age": age}))["age"]
    assert points.shape == (102, 1)
    assert points[101] == 0.0
    assert points.var() == pytest.approx(1.0, rel=1e-5)
    assert points.max() / abs(points.min()) == pytest.approx(3.0 / 0.1, rel=0.01)


def test_attributes_stand_in_the_order_of_their_names_and_those_that_do_not_vary_are_left_out() -> None:
    same, plan = np.full(20, 5.0), codes(*[0] * 10, *[1] * 10)
    age, height = np.arange(20.0), np.arange(20.0)[::-1]
    points = points_by(
        Attributes(
            20,
            {"plan": plan, "all": codes(*[0] * 20)},
            {"plan": ("a", "b"), "all": ("x",)},
            {"age": age, "same": same, "height": height},
        )
    )
    assert list(points) == ["age", "height", "plan"]
    assert np.all(np.diff(points["age"][:, 0]) > 0)
    assert np.all(np.diff(points["height"][:, 0]) < 0)
    assert points["plan"].shape == (20, 2)
    assert points["plan"].any(axis=1).all()
    alone = points_by(Attributes(20, {"plan": plan}, {"plan": ("a", "b")}, {"height": height}))
    assert all(alone[name].tobytes() == points[name].tobytes() for name in ("height", "plan"))


def test_numbers_of_any_size_are_points() -> None:
    wide = np.array([1e308, -1e308, 1e200, np.nan])
    points = points_by(Attributes(4, {}, {}, {"wide": wide, "zero": np.zeros(4)}))
    assert list(points) == ["wide"]
    assert points["wide"][:, 0] == pytest.approx([np.sqrt(2.0), -np.sqrt(2.0), 0.0, 0.0])
