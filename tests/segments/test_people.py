"""pipeline/segments/people.py: who has bought nothing, and where each of them lies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline import config
from pipeline.contract.datasets import DATASETS
from pipeline.evaluation.at_cut import at
from pipeline.models.params import Params
from pipeline.ranking.fitted import FittedModels
from pipeline.segments.people import Known, directions, space_at
from pipeline.splits.folds import Fold
from tests import tastes
from tests.segments.shop import IDS, written
from tests.shelf import day, events

EVEN, ODD, FEW, LATER, CARTS = 100, 101, 102, 103, 104
LOOKS = [
    *((EVEN, item, 80, "view") for item in (0, 2, 4, 6, 8)),
    *((ODD, item, 70, "view") for item in (1, 3, 5, 7, 9)),
    *((FEW, item, 80, "view") for item in (0, 2)),
    *((LATER, item, 95, "view") for item in (0, 2, 4, 6, 8)),
    (CARTS, 1, 60, "cart"),
    (CARTS, 1, 92, "purchase"),
]


@pytest.fixture
def models(tmp_path: Path) -> Iterator[FittedModels]:
    """The shop of two tastes at day 90, and those of LOOKS beside it."""
    file = written(tmp_path / "events.parquet", pa.concat_tables([tastes.shop(), events(*LOOKS)]))
    settings = tastes.settings_of()
    fold = Fold((file,), day(90), (file,), day(90), day(100))
    with at(fold, Params.configured(settings), settings, None, tmp_path) as fitted:
        yield fitted


def files(path: Path) -> list[Path]:
    return [path / "events.parquet"]


def attributes(path: Path, *rows: tuple[int, str, float | None]) -> Path:
    """Rows `(user, country, day from which it is known)` of `user_attributes`."""
    schema = DATASETS["user_attributes"].schema(IDS)
    users, countries, days = zip(*rows, strict=True)
    columns = {
        "user_id": users,
        "name": ["country"] * len(rows),
        "category": countries,
        "number": [None] * len(rows),
        "known_at": [None if known is None else day(known) for known in days],
    }
    table = pa.table({field.name: pa.array(columns[field.name], field.type) for field in schema})
    return written(path / "user_attributes.parquet", table)


def test_people_without_purchases_are_those_who_looked_at_enough_before_the_cut(
    models: FittedModels, tmp_path: Path
) -> None:
    """Five views or something in the cart; who looks or buys later is no buyer yet."""
    space = space_at(models, Known(files(tmp_path)), day(75), day(90))
    assert space.people.user_ids.to_pylist() == [EVEN, ODD, CARTS]
    assert space.newcomers.user_ids.to_pylist() == [ODD, CARTS], "the even one had not looked by then"
    assert len(space.buyers) == 40


def test_who_looks_at_alike_things_lies_near_and_near_to_their_buyers(
    models: FittedModels, tmp_path: Path
) -> None:
    space = space_at(models, Known(files(tmp_path)), day(75), day(90))
    even, odd, carts = space.people.points
    assert np.linalg.norm(even) == pytest.approx(1.0, abs=1e-5)
    assert odd @ carts > odd @ even
    of_even, of_odd = (space.buyers[first::2].mean(axis=0) for first in (0, 1))
    assert even @ of_even > even @ of_odd
    assert odd @ of_odd > odd @ of_even


def test_who_is_known_to_the_shop_alone_takes_part_once_it_is_known(
    models: FittedModels, tmp_path: Path
) -> None:
    """User 3 is a buyer, 201 becomes known after the cut."""
    countries = [(user, "CH" if user % 2 else "AT", None) for user in (*range(40), EVEN, 200)]
    file = attributes(tmp_path, *countries, (201, "CH", 91.0))
    space = space_at(models, Known(files(tmp_path), file), day(75), day(90))
    assert space.people.user_ids.to_pylist() == [EVEN, ODD, CARTS, 200]
    n_factors = models.factors.user_factors.shape[1]
    even, odd, _, known = space.people.points
    assert not known[:n_factors].any(), "nobody knows what they looked at"
    assert (known[n_factors:] == even[n_factors:]).all()
    assert (known[n_factors:] == space.buyers[0, n_factors:]).all()
    assert not odd[n_factors:].any(), "the shop says nothing of them"
    assert (space.buyers[1, n_factors:] != space.buyers[0, n_factors:]).any()
    assert space.people.has_looked.tolist() == [True, True, True, False]


def test_a_space_is_narrowed_to_some_attributes_and_without_any_to_those_who_looked(
    models: FittedModels, tmp_path: Path
) -> None:
    countries = [(user, "CH" if user % 2 else "AT", None) for user in (*range(40), EVEN, 200)]
    space = space_at(models, Known(files(tmp_path), attributes(tmp_path, *countries)), day(75), day(90))
    plain = space_at(models, Known(files(tmp_path)), day(75), day(90))
    looks = space.by(())
    assert looks.people.user_ids == plain.people.user_ids
    assert (looks.people.points == plain.people.points).all()
    assert (looks.buyers == plain.buyers).all()
    assert looks.attributes == {}
    assert looks.newcomers.user_ids == space.newcomers.user_ids
    assert looks.newcomers.has_looked.tolist() == [False, True, True, False], "the even one looks later"
    again = space.by(["country"])
    assert (again.people.points == space.people.points).all()
    assert (
        again.attributes
        == space.attributes
        == {"country": slice(plain.buyers.shape[1], space.buyers.shape[1])}
    )


def test_a_row_of_zeros_has_no_direction() -> None:
    rows = directions(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32))
    assert np.allclose(rows, [[0.6, 0.8], [0.0, 0.0]])


def test_the_settings_are_those_of_the_audience() -> None:
    wanted = config.load().recommend
    assert (wanted.engaged_views, wanted.engaged_carts) == (5, 1), "LOOKS are made for these"
