"""Events before one cut, as a model sees them: row numbers with their ids, and sparse matrices.

Everything here is computed from the events before the cut alone: who takes part, which items there
are, every weight. Rows are users, columns are items; both are numbered in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from pipeline import engine
from pipeline.config import Filter, Run, Weights
from pipeline.splits.holdout import UNSERVED, HeldOut


class History:
    """What happened before a cut among those who take part.

    user_ids: ids by row number; item_ids: ids by column number. Use `opened` to make one.
    """

    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        self._db = db
        self._bought: dict[float, sp.csr_matrix] = {}
        self.user_ids: pa.Array = _ids(db, "user")
        self.item_ids: pa.Array = _ids(db, "item")

    @property
    def shape(self) -> tuple[int, int]:
        """(users, items)"""
        return len(self.user_ids), len(self.item_ids)

    def interactions(self, weights: Weights) -> sp.csr_matrix:
        """Weight of each (user, item), float32; a cell that has faded to nothing is stored as 0."""
        return self._matrix(
            view=weights.view,
            cart=weights.cart,
            purchase=weights.purchase,
            half_life_days=weights.half_life_days,
            is_quantity_weighed=weights.is_quantity_weighed,
        )

    def purchases(self, half_life_days: float = 0.0) -> sp.csr_matrix:
        """How often each user bought each item, halved every `half_life_days` (0: never).

        Whoever asks for the same next gets the same matrix, which cannot be written to.
        """
        if half_life_days not in self._bought:
            cells = self._matrix(
                view=0.0, cart=0.0, purchase=1.0, half_life_days=half_life_days, is_quantity_weighed=False
            )
            cells.data.flags.writeable = False
            unfaded = {days: kept for days, kept in self._bought.items() if days == 0.0}
            self._bought = {**unfaded, half_life_days: cells}
        return self._bought[half_life_days]

    def event_types(self) -> set[str]:
        """Which kinds of events there are."""
        found = self._db.sql("SELECT DISTINCT event_type FROM event_rows").fetchall()
        return {str(kind) for (kind,) in found}

    def touched(self) -> sp.csr_matrix:
        """One where the user has any event on the item."""
        cells = self._matrix(view=1.0, cart=1.0, purchase=1.0, half_life_days=0.0, is_quantity_weighed=False)
        cells.data[:] = 1.0
        return cells

    def facts(self, name: str) -> dict[str, np.ndarray]:
        """The columns of a statement over the events, `sql/transform/<name>.sql`."""
        table = engine.rows(self._db, name).read_all()
        return {column: table[column].to_numpy() for column in table.column_names}

    def item_categories(self, items: Path | None) -> np.ndarray:
        """The number of each item's category, int32 of shape (n_items,); -1 where it has none."""
        self._see_items(items)
        found = np.full(self.shape[1], -1, np.int32)
        told = self.facts("item_categories")
        found[told["item_row"]] = told["category"]
        return found

    def folded_in(self, guests: Path, weights: Weights, cut_at: datetime) -> tuple[pa.Array, sp.csr_matrix]:
        """Ids of the users in `guests` who touched an item of this history, and their weights, a row each."""
        engine.view(self._db, "guests", guests, until=cut_at)
        values = {
            "cut_at": cut_at,
            "view": weights.view,
            "cart": weights.cart,
            "half_life_days": weights.half_life_days,
        }
        table = engine.rows(self._db, "folded_in", values).read_all()
        ids, _, place, _ = _grouped(table["user_id"])
        cells = sp.csr_matrix(
            (table["weight"].to_numpy(), (place, table["item_row"].to_numpy())),
            shape=(len(ids), self.shape[1]),
            dtype=np.float32,
        )
        return ids, cells

    def held_out(
        self,
        later: Path,
        *,
        is_repeat_relevant: bool,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> HeldOut:
        """What these users bought in the file `later`, in `[since, until)` of it where told.

        Without repeats, only items new to the user.
        """
        engine.view(self._db, "later", later, since=since, until=until)
        found = engine.rows(self._db, "held_out", {"is_repeat_relevant": is_repeat_relevant}).read_all()
        measured = found.filter(found["is_buyer"])
        n_cold_users = len(found.filter(pc.invert(found["is_buyer"]))["user_id"].unique())
        cold_items = measured.filter(pc.is_null(measured["item_row"]))["item_id"]
        user_ids, first, place, n_items = _grouped(measured["user_id"])
        is_known = pc.is_valid(measured["item_row"]).to_numpy()
        columns = measured["item_row"].drop_null().to_numpy()
        items = sp.csr_matrix(
            (np.ones(len(columns), np.float32), (place[is_known], columns)),
            shape=(len(user_ids), self.shape[1]),
        )
        rows = pc.fill_null(measured["user_row"], UNSERVED).to_numpy()[first]
        return HeldOut(user_ids, rows, items, n_items, n_cold_users, len(cold_items.unique()))

    def popular(
        self, items: Path | None, half_life_days: float, length: int, length_of_all: int
    ) -> pa.RecordBatchReader:
        """Rows of `popular_items`: `length` items for each category, `length_of_all` for the shop.

        items: the shop's `items`, for categories and what is available; None: it has none
        """
        self._see_items(items)
        values = {"half_life_days": half_life_days, "length": length, "length_of_all": length_of_all}
        return engine.rows(self._db, "popular_items", values)

    def purchases_of(self, popular_items: Path) -> pa.RecordBatchReader:
        """Rows of `user_purchases`: what every buyer bought of the items in the popular lists."""
        self._see_popular(popular_items)
        return engine.rows(self._db, "user_purchases")

    def categories(
        self, items: Path | None, popular_items: Path, half_life_days: float, length: int
    ) -> pa.RecordBatchReader:
        """Rows of `user_categories`: the `length` categories every buyer bought from most."""
        self._see_items(items)
        self._see_popular(popular_items)
        values = {"half_life_days": half_life_days, "length": length}
        return engine.rows(self._db, "user_categories", values)

    def names(self, items: Path | None) -> pa.RecordBatchReader:
        """Rows of `item_names`: names and categories, where the shop gives them."""
        self._see_items(items)
        return engine.rows(self._db, "item_names")

    def _see_items(self, items: Path | None) -> None:
        if items is not None:
            self._db.read_parquet(str(items)).create_view("items", replace=True)
        else:
            columns = "item_id, '' AS name, '' AS category, true AS available"
            self._db.execute(
                f"CREATE OR REPLACE TEMP VIEW items AS SELECT {columns} FROM item_rows WHERE false"
            )

    def _see_popular(self, popular_items: Path) -> None:
        self._db.read_parquet(str(popular_items)).create_view("popular_items", replace=True)

    def _matrix(self, **values: float | bool) -> sp.csr_matrix:
        table = engine.rows(self._db, "interactions", values).read_all()
        of_user = np.bincount(table["user_row"].to_numpy(), minlength=self.shape[0])
        first = np.concatenate([[0], np.cumsum(of_user)])
        cells = (table["weight"].to_numpy().astype(np.float32), table["item_row"].to_numpy().copy(), first)
        return sp.csr_matrix(cells, shape=self.shape)


@contextmanager
def opened(files: Sequence[Path], cut_at: datetime, who: Filter, run: Run, spill: Path) -> Iterator[History]:
    """The events of `files` before `cut_at` (events of contract.py), open while the block runs."""
    with engine.connect(run.memory_limit_gb, run.threads, spill) as db:
        engine.view(db, "history", *files, until=cut_at)
        engine.keep(db, "user_rows", "user_rows", who.model_dump())
        engine.keep(db, "item_rows", "item_rows")
        engine.keep(db, "event_rows", "event_rows", {"cut_at": cut_at})
        yield History(db)


def _ids(db: duckdb.DuckDBPyConnection, kind: str) -> pa.Array:
    reader = db.sql(f"SELECT {kind}_id FROM {kind}_rows ORDER BY {kind}_row").to_arrow_reader(engine.BATCH)
    return reader.read_all()[f"{kind}_id"].combine_chunks()


def _grouped(ids: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray, np.ndarray, np.ndarray]:
    """Of sorted ids: each id once, its first row, each row's group, the rows of each group."""
    encoded = ids.combine_chunks().dictionary_encode()
    place = encoded.indices.to_numpy(zero_copy_only=False)
    _, first, counts = np.unique(place, return_index=True, return_counts=True)
    return encoded.dictionary, first, place, counts
