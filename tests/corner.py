"""A corner shop of three users and three items whose statistics are worked by hand.

The cut is day 100. Ages are days before it. User 1 bought milk at ages 90, 60 and 30, and bread twice
within one day, at 3.75 and 3.5. User 2 bought milk at 7, looked at bread at 7 and put tea into the cart at
30. User 3 bought tea at 14 and 3. Milk is dairy, bread is baked, tea has no category.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from pipeline.config import Filter, Run
from pipeline.runs.folder import RunFolder
from pipeline.splits.history import History, opened
from tests.shelf import day, events, whole

CUT = day(100)
MILK, BREAD, TEA, LATER = 10, 11, 12, 13
BEFORE = [
    (1, MILK, 10), (1, MILK, 40), (1, MILK, 70), (1, BREAD, 96.25), (1, BREAD, 96.5),
    (2, MILK, 93), (2, BREAD, 93, "view"), (2, TEA, 70, "cart"),
    (3, TEA, 86), (3, TEA, 97),
]  # fmt: skip
AFTER = [(1, LATER, 100), (2, MILK, 101), (4, TEA, 100.5)]
ITEMS = pa.table(
    {
        "item_id": [MILK, BREAD, TEA, 99],
        "name": pa.nulls(4, pa.string()),
        "category": ["dairy", "baked", None, "aged"],
        "price": pa.nulls(4, pa.float64()),
        "discount": pa.nulls(4, pa.float64()),
        "available": pa.nulls(4, pa.bool_()),
    }
)


@contextmanager
def history(folder: RunFolder, rows: list[tuple[object, ...]]) -> Iterator[tuple[History, Path]]:
    """The shop with these events, and the file of its items."""
    folder.write("items", whole("items", ITEMS))
    folder.write("purchaser_events", events(*rows))
    with opened([folder.file("purchaser_events")], CUT, Filter(), Run(), folder.scratch()) as history:
        yield history, folder.file("items")
