"""The engine of the stage that runs: who starts a stage says which (`used`), and who works asks for it here.

So no stage, and nothing that a stage calls, knows which engine it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from typing import cast

from pipeline.config import Run
from pipeline.engines.local import LOCAL
from pipeline.engines.tables import Engine, Tables
from pipeline.settings import Engine as Settings

OTHERS = {"spark": "pipeline.spark.engine"}
"""Modules of the other engines, with `begun`; each is imported where it is asked for, and nowhere else."""

_current: ContextVar[Engine] = ContextVar("engine", default=LOCAL)


def begun(settings: Settings, name: str, say: Callable[[str], None]) -> AbstractContextManager[Engine]:
    """The engine that the settings name, for one stage: what it begins ends with the block.

    name: of the work, for an engine that shows it; say: takes a line about it
    """
    if settings.kind not in OTHERS:
        return nullcontext(LOCAL)
    module = import_module(OTHERS[settings.kind])
    return cast("AbstractContextManager[Engine]", module.begun(settings, name, say))


@contextmanager
def used(engine: Engine) -> Iterator[None]:
    """While the block runs, `engine` does the work."""
    token = _current.set(engine)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Engine:
    """The engine that does the work now."""
    return _current.get()


def tables(run: Run, spill: Path) -> AbstractContextManager[Tables]:
    """No tables yet in that engine, open while the block runs. spill: for what memory does not hold"""
    return current().tables(run, spill)
