"""The shop's database, read through the statements of `sql/source/`; nothing is ever written there."""

from pipeline.source.reader import Source, last_event_at, opened

__all__ = ["Source", "last_event_at", "opened"]
