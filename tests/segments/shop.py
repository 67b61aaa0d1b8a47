"""A made-up shop whose buyers look around for long before they buy, at what they like or at anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import config
from pipeline.contract.datasets import DATASETS
from pipeline.evaluation.at_cut import at
from pipeline.loading import synthetic
from pipeline.loading.made_up import CATEGORIES, World
from pipeline.models.params import Params
from pipeline.ranking.fitted import FittedModels
from pipeline.splits.folds import Fold

IDS = {"user": "integer", "item": "integer"}
N_EVENTS, SEED, LOOK_FIRST = 200_000, 1, 0.9
END = datetime(2026, 1, 1, tzinfo=UTC)
CUT = END - timedelta(days=14)


def shop(*, has_taste: bool = True) -> pa.Table:
    """Rows of `events`. Without taste, people look at anything; what they buy is the same."""
    with synthetic.read(N_EVENTS, SEED, END, keep_dates=True, look_first=LOOK_FIRST) as read:
        events = pa.Table.from_batches(list(read.events))
    names = {"customer_id": "user_id", "product_id": "item_id"}
    events = events.rename_columns([names.get(name, name) for name in events.column_names])
    if not has_taste:
        is_look = pc.not_equal(events["event_type"], "purchase").to_numpy()
        items = events["item_id"].to_numpy().copy()
        items[is_look] = np.random.default_rng(SEED).permutation(items[is_look])
        place = events.column_names.index("item_id")
        events = events.set_column(place, "item_id", pa.array(items))
    return events.select(DATASETS["events"].schema(IDS).names)


def attributes(known_at: datetime | None) -> pa.Table:
    """Rows of `user_attributes`: the category that each user prefers."""
    world = World.make(N_EVENTS, SEED, look_first=LOOK_FIRST)
    count = len(world.joined)
    schema = DATASETS["user_attributes"].schema(IDS)
    columns = {
        "user_id": np.arange(1, count + 1),
        "name": ["prefers"] * count,
        "category": pa.array(CATEGORIES).take(pa.array(world.tastes[:, 0])),
        "number": [None] * count,
        "known_at": [known_at] * count,
    }
    return pa.table({field.name: pa.array(columns[field.name], field.type) for field in schema})


def written(file: Path, rows: pa.Table) -> Path:
    """The rows as a Parquet file."""
    pq.write_table(rows, file)
    return file


@contextmanager
def fitted(file: Path, scratch: Path, cut_at: datetime = CUT) -> Iterator[FittedModels]:
    """The models at a cut, with the settings of config.toml."""
    settings = config.load()
    fold = fold_of(file, cut_at)
    with at(fold, Params.configured(settings), settings, None, scratch) as models:
        yield models


def fold_of(file: Path, cut_at: datetime = CUT) -> Fold:
    """A cut that asks about the two weeks after it."""
    return Fold((file,), cut_at, (file,), cut_at, cut_at + timedelta(days=14))
