"""The events before one cut, as models read them: ids by row number, and sparse matrices.

Everything here is computed from the events before the cut alone: who takes part, which items exist,
every weight. Rows are users, columns are items; both are numbered in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp

from pipeline.config import Als, Filter, Run, Weights
from pipeline.engines.current import tables
from pipeline.engines.tables import EVERYBODY, Range, Tables, Values
from pipeline.times import microseconds

NO_ITEMS = """
    SELECT item_id, '' AS name, '' AS category, true AS available FROM item_rows WHERE false
"""

PLAIN: Mapping[str, float | bool] = {
    "view": 0.0,
    "cart": 0.0,
    "purchase": 1.0,
    "half_life_days": 0.0,
    "is_quantity_weighed": False,
    "is_rating_weighed": False,
}
"""What `interactions.sql` binds where each purchase counts once and nothing else does."""


OF_EACH_USER = ("interactions", "bought_pairs", "seen_pairs")
"""Statements that look at each user by itself and sort by user."""


class History:
    """What happened before a cut among the users who take part; `opened` makes one.

    user_ids: each user's id by row number; item_ids: each item's id by column number
    known_until: what the shop says of items counts if it was known by then; None: tonight, all of it does
    users:       the range of ids, buyers' and others', that is looked at
    """

    def __init__(self, db: Tables, known_until: datetime | None, users: Range = EVERYBODY) -> None:
        self._db, self.known_until, self._users = db, known_until, users
        self._purchases: dict[float, sp.csr_matrix] = {}
        self.user_ids: pa.Array = _ids(db, "user")
        self.item_ids: pa.Array = _ids(db, "item")

    @property
    def shape(self) -> tuple[int, int]:
        """(users, items)"""
        return len(self.user_ids), len(self.item_ids)

    def interactions(self, weights: Weights) -> sp.csr_matrix:
        """Weight of each (user, item), float32; a cell that has faded to nothing is stored as 0."""
        return self._matrix(**_values(weights))

    def item_factors(self, weights: Weights, als: Als, seed: int) -> np.ndarray | None:
        """Items' factors, float32, shape (n_items, factors), by the engine's own ALS; None: it has none.

        An item of which nothing is learnt has zeros.
        """
        fitted = self._db.item_factors("interactions", _values(weights), als, seed)
        if fitted is None:
            return None
        factors = np.zeros((self.shape[1], als.factors), np.float32)
        factors[fitted.rows] = fitted.factors
        return factors

    def purchases(self, half_life_days: float = 0.0) -> sp.csr_matrix:
        """How often each user bought each item, halved every `half_life_days` (0: never), float32.

        The matrix without decay and the last one with decay are kept, because models of one cut ask for
        them in turn; they cannot be written to.
        """
        if half_life_days not in self._purchases:
            matrix = self._matrix(**{**PLAIN, "half_life_days": half_life_days})
            matrix.data.flags.writeable = False
            undecayed = {days: kept for days, kept in self._purchases.items() if days == 0.0}
            self._purchases = {**undecayed, half_life_days: matrix}
        return self._purchases[half_life_days]

    def touched(self) -> sp.csr_matrix:
        """One where the user has any event on the item."""
        matrix = self._matrix(**{**PLAIN, "view": 1.0, "cart": 1.0})
        matrix.data[:] = 1.0
        return matrix

    def event_types(self) -> set[str]:
        """Which kinds of events there are."""
        rows = self._db.query("SELECT DISTINCT event_type FROM event_rows")
        return set(rows["event_type"].to_pylist())

    def item_categories(self, items: Path | None) -> np.ndarray:
        """The number of each item's category, int32 of shape (n_items,); -1 where it has none."""
        self.show_items(items)
        of_items = np.full(self.shape[1], -1, np.int32)
        columns = self.columns("item_categories")
        of_items[columns["item_row"]] = columns["category"]
        return of_items

    def fold_in(
        self, events: Sequence[Path], weights: Weights, cut_at: datetime, *, min_views: int, min_carts: int
    ) -> tuple[pa.Array, sp.csr_matrix]:
        """People who looked at items before `cut_at` and had bought nothing: ids, and weights by item.

        events:    files of events; those of buyers, and those after the cut, are left out
        min_views: views from which somebody takes part; min_carts: or items put into the cart
        """
        self._db.view("guests", *events, until=cut_at, users=self._users)
        values = {
            "cut_at": cut_at,
            "view": weights.view,
            "cart": weights.cart,
            "half_life_days": weights.half_life_days,
            "min_views": min_views,
            "min_carts": min_carts,
        }
        rows = self.table("folded_in", values)
        users = group_by_id(rows["user_id"])
        matrix = sp.csr_matrix(
            (rows["weight"].to_numpy(), (users.group, rows["item_row"].to_numpy())),
            shape=(len(users.ids), self.shape[1]),
            dtype=np.float32,
        )
        return users.ids, matrix

    def rows(self, statement: str, values: Values = None) -> Iterator[pa.RecordBatch]:
        """The rows of `sql/transform/<statement>.sql` over this history, streamed."""
        return self._db.rows(statement, values)

    def table(self, statement: str, values: Values = None) -> pa.Table:
        """The same rows at once."""
        return self._db.table(statement, values)

    def columns(self, statement: str, values: Values = None) -> dict[str, np.ndarray]:
        """The columns of `sql/transform/<statement>.sql`. No more than one of them is in memory twice."""
        rows = self._db.table_by_user if statement in OF_EACH_USER else self._db.table
        table = rows(statement, values)
        columns = {}
        for name in table.column_names:
            columns[name] = table[name].to_numpy()
            table = table.drop_columns([name])
        return columns

    def show(
        self, name: str, *files: Path, since: datetime | None = None, until: datetime | None = None
    ) -> None:
        """Let statements read Parquet files as the table `name`; of events those in `[since, until)`."""
        self._db.view(name, *files, since=since, until=until)

    def give(self, name: str, rows: pa.Table) -> None:
        """Let statements read `rows` as the table `name`."""
        self._db.give(name, rows)

    def keep(self, table: str, statement: str, values: Values = None) -> None:
        """Store the rows of `sql/transform/<statement>.sql` as `table`, for statements that come later."""
        self._db.keep(table, statement, values)

    def show_items(self, items: Path | None, *, are_all_available: bool = False) -> None:
        """Let statements read the shop's items as the table `items`, which is empty where it has none.

        Of an item whose row became known after the cut (`known_at`), name and category are null; tonight,
        when nothing is measured, the shop's word of today counts.

        are_all_available: as if each of them were available
        """
        if items is None:
            self._db.show_query("items", NO_ITEMS)
            return
        self._db.view("shop_items", items)
        shown = {name: name for name in pq.read_schema(items).names}
        if are_all_available:
            shown["available"] = "true"
        if self.known_until is not None:
            is_later = f"epoch_us(known_at) > {microseconds(self.known_until)}"
            for name in ("name", "category"):
                shown[name] = f"CASE WHEN {is_later} THEN NULL ELSE {name} END"
        columns = ", ".join(f"{text} AS {name}" for name, text in shown.items())
        self._db.show_query("items", f"SELECT {columns} FROM shop_items")

    def _matrix(self, **values: float | bool) -> sp.csr_matrix:
        columns = self.columns("interactions", values)
        n_cells = np.bincount(columns.pop("user_row"), minlength=self.shape[0])
        first = np.concatenate([[0], np.cumsum(n_cells)])
        weights = columns.pop("weight").astype(np.float32)
        return sp.csr_matrix((weights, columns["item_row"].copy(), first), shape=self.shape)


def _values(weights: Weights) -> dict[str, float | bool]:
    """What `interactions.sql` binds."""
    return {
        "view": weights.view,
        "cart": weights.cart,
        "purchase": weights.purchase,
        "half_life_days": weights.half_life_days,
        "is_quantity_weighed": weights.is_quantity_weighed,
        "is_rating_weighed": weights.rating_weight == "multiply",
    }


class Some(NamedTuple):
    """Some of the buyers: those with the ids `always`, and at most `most` others, evenly over their ids."""

    most: int
    always: pa.Array


@contextmanager
def opened(
    files: Sequence[Path],
    cut_at: datetime,
    who: Filter,
    run: Run,
    spill: Path,
    *,
    is_tonight: bool = False,
    some: Some | None = None,
) -> Iterator[History]:
    """The events of `files` before `cut_at` (events of contract/datasets.py), open while the block runs.

    who: which users take part, judged on these events; spill: where DuckDB puts what memory does not hold
    is_tonight: lists are made, and nothing is measured: what the shop says of its items today is known
    some: of many buyers, who takes part; None: everybody
    """
    with tables(run, spill) as db:
        db.view("history", *files, until=cut_at)
        db.keep("user_rows", "user_rows", who.model_dump())
        if some is not None:
            _keep_some_users(db, some)
        db.keep("item_rows", "item_rows")
        db.keep("all_event_rows", "event_rows", {"cut_at": cut_at})
        db.show_query("event_rows", "SELECT * FROM all_event_rows")
        yield History(db, None if is_tonight else cut_at)


@contextmanager
def opened_range(
    files: Sequence[Path],
    cut_at: datetime,
    users: Range,
    user_ids: pa.Array,
    item_ids: pa.Array,
    run: Run,
    spill: Path,
) -> Iterator[History]:
    """What a history of tonight holds of some of its users alone; its items are numbered as they are there.

    users: the range of ids; user_ids: of those in it who take part, ascending; item_ids: of all its items
    """
    with tables(run, spill) as db:
        db.view("history", *files, until=cut_at, users=users)
        for kind, ids in (("user", user_ids), ("item", item_ids)):
            rows = pa.array(np.arange(len(ids), dtype=np.int32))
            db.give(f"{kind}_rows", pa.table({f"{kind}_id": ids, f"{kind}_row": rows}))
        db.keep("all_event_rows", "event_rows", {"cut_at": cut_at})
        db.show_query("event_rows", "SELECT * FROM all_event_rows")
        yield History(db, None, users)


def takes_anybody(files: Sequence[Path], cut_at: datetime, who: Filter, run: Run, spill: Path) -> bool:
    """Whether anybody takes part in the history that `opened` makes of the same."""
    with tables(run, spill) as db:
        db.view("history", *files, until=cut_at)
        db.show("user_rows", "user_rows", who.model_dump())
        return bool(db.query("SELECT user_id FROM user_rows LIMIT 1").num_rows)


def _keep_some_users(db: Tables, some: Some) -> None:
    """Leave `some` of `user_rows`."""
    [n] = db.query("SELECT count(*) AS n FROM user_rows")["n"].to_pylist()
    db.give("always", pa.table({"user_id": some.always}))
    db.keep("user_rows", "some_users", {"step": -(-n // some.most)})


class Groups(NamedTuple):
    """Rows grouped by id.

    ids: each id once; first: its first row; group: the group of each row; n_rows: rows of each group
    """

    ids: pa.Array
    first: np.ndarray
    group: np.ndarray
    n_rows: np.ndarray


def group_by_id(ids: pa.ChunkedArray) -> Groups:
    """Group rows whose ids are sorted."""
    encoded = ids.combine_chunks().dictionary_encode()
    group = encoded.indices.to_numpy(zero_copy_only=False)
    _, first, n_rows = np.unique(group, return_index=True, return_counts=True)
    return Groups(encoded.dictionary, first, group, n_rows)


def _ids(db: Tables, kind: str) -> pa.Array:
    rows = db.query(f"SELECT {kind}_id FROM {kind}_rows ORDER BY {kind}_row")
    return rows[f"{kind}_id"].combine_chunks()
