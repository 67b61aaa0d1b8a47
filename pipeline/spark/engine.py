"""Apache Spark as the engine of a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.config import Run
from pipeline.engines.tables import Engine, Tables, UserWork
from pipeline.settings import Engine as Settings
from pipeline.spark import dialect
from pipeline.spark.session import application, used_by
from pipeline.spark.tables import SparkTables, streamed
from pipeline.spark.user_work import rows_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Spark(Engine):
    """A Spark cluster; the application begins when the stage first needs it.

    name: of the application; say: takes a line about it
    """

    def __init__(self, settings: Settings, name: str, say: Callable[[str], None], open_: ExitStack) -> None:
        self._settings, self._name, self._say, self._open = settings, name, say, open_
        self._session: SparkSession | None = None

    @property
    def session(self) -> SparkSession:
        """The session of the application."""
        if self._session is None:
            self._session = self._open.enter_context(application(self._settings, self._name))
            context = self._session.sparkContext
            ui = f", its UI {context.uiWebUrl}" if context.uiWebUrl else ""
            self._say(f"Spark application {context.applicationId} on {self._settings.master}{ui}")
        return self._session

    @contextmanager
    def tables(self, run: Run, spill: Path) -> Iterator[Tables]:
        session = self.session.newSession()  # several histories may be open, with tables of the same names
        dialect.register(session)
        made = SparkTables(session, spill)
        try:
            yield made
        finally:
            made.close()

    def over_users(
        self,
        whole: Callable[[], Iterator[pa.RecordBatch]],
        in_ranges: Callable[[], UserWork] | None,
        spill: Path,
    ) -> Iterator[pa.RecordBatch]:
        """One task for each range: what makes the rows is sent to each executor once."""
        if in_ranges is None:
            return whole()
        return streamed(rows_of(self.session, in_ranges()), spill)

    def usage(self) -> dict[str, Any]:
        """`spark`: the application, its executors, megabytes shuffled and spilled; empty where none began."""
        return {} if self._session is None else {"spark": used_by(self._session)}


@contextmanager
def begun(settings: Settings, name: str, say: Callable[[str], None]) -> Iterator[Spark]:
    """Spark for one stage; what it began ends with the block."""
    with ExitStack() as open_:
        yield Spark(settings, name, say, open_)
