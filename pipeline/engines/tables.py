"""What every engine can do: set work, by the statements of `sql/transform/` over tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.config import Als, Run

Values = Mapping[str, Any] | None
"""What a statement binds as `$name`, by name."""
Range = tuple[object, object]
EVERYBODY: Range = (None, None)


class ItemFactors(NamedTuple):
    """rows: of the items, int32, shape (n,), ascending; factors: theirs, float32, shape (n, factors)"""

    rows: NDArray[np.int32]
    factors: NDArray[np.float32]


class Tables(ABC):
    """Tables by name, and the rows of statements that read them. Usable until the engine closes it.

    Texts that are given here are, like the files in `sql/transform/`, in DuckDB's dialect.
    """

    @abstractmethod
    def view(
        self,
        name: str,
        *files: Path,
        since: datetime | None = None,
        until: datetime | None = None,
        users: Range = EVERYBODY,
    ) -> None:
        """Let statements read Parquet files as the table `name`; of events those in `[since, until)`.

        users: (first, end), as ids: of events, those of the users in `[first, end)`; None: no such bound
        """

    @abstractmethod
    def give(self, name: str, rows: pa.Table) -> None:
        """Let statements read `rows` as the table `name`."""

    @abstractmethod
    def show(self, table: str, statement: str, values: Values = None) -> None:
        """Let statements read the rows of `statement` as `table`, worked out anew by each."""

    @abstractmethod
    def show_query(self, table: str, text: str) -> None:
        """The same of a query, which may be worked out anew by each statement that reads it."""

    @abstractmethod
    def keep(self, table: str, statement: str, values: Values = None) -> None:
        """Store the rows of `statement` as `table`, in place of what was stored under that name."""

    @abstractmethod
    def rows(self, statement: str, values: Values = None) -> Iterator[pa.RecordBatch]:
        """The rows of `sql/transform/<statement>.sql` in its order, streamed."""

    @abstractmethod
    def table(self, statement: str, values: Values = None) -> pa.Table:
        """The same rows at once: for those that fit into memory."""

    @abstractmethod
    def query(self, text: str) -> pa.Table:
        """The rows of a query, at once."""

    @abstractmethod
    def rows_by_user(
        self, table: str, path: Path, statement: str, values: Values = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a statement that looks at each user by itself, in the order of the users.

        table: what it calls the events of the Parquet file `path`, of which there is a view; they are sorted
               by user. Afterwards statements read all of them again
        """

    @abstractmethod
    def table_by_user(self, statement: str, values: Values = None) -> pa.Table:
        """The rows of a statement that looks at each user of `event_rows` by itself, at once.

        There are the tables `user_rows` and `all_event_rows`, of which `event_rows` is a view.
        """

    @abstractmethod
    def item_factors(self, statement: str, values: Values, als: Als, seed: int) -> ItemFactors | None:
        """Items' factors, fitted by an ALS of the engine's own on the cells that a statement gives.

        The cells are `user_row`, `item_row` and `weight`. None: there is no such ALS, or not for these
        parameters; whoever asks fits it.
        """

    def row(self, statement: str, values: Values = None) -> dict[str, Any]:
        """The one row of a statement, by column."""
        [row] = self.table(statement, values).to_pylist()
        return dict(row)


class UserWork(Protocol):
    """Rows that are made for one range of users after another, wherever the run's files can be read.

    It can be pickled. The rows of a range are those of its users, in their order; ranges are in it too.
    """

    @property
    def n_ranges(self) -> int:
        """How many there are."""

    @property
    def schema(self) -> pa.Schema:
        """Of the rows."""

    def rows(self, number: int) -> Iterator[pa.RecordBatch]:
        """Those of one range."""


class Engine(ABC):
    """What the heavy work of a stage is done by."""

    @abstractmethod
    def tables(self, run: Run, spill: Path) -> AbstractContextManager[Tables]:
        """No tables yet, open while the block runs. spill: a folder for what memory does not hold"""

    @abstractmethod
    def over_users(
        self,
        whole: Callable[[], Iterator[pa.RecordBatch]],
        in_ranges: Callable[[], UserWork] | None,
        spill: Path,
    ) -> Iterator[pa.RecordBatch]:
        """Rows that are made for each user by itself, in the order of the users.

        whole:     makes them for all users, here
        in_ranges: what makes them for ranges of users, anywhere; None: that cannot be
        """

    @abstractmethod
    def usage(self) -> dict[str, Any]:
        """What the stage has used of it until now, for the receipt; empty where there is nothing to tell."""
