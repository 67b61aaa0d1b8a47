"""Reading a shop's database through the SELECT statements of `sql/source/`. Nothing is written to it."""

from pipeline.source.reader import Source, last_event_at, opened

__all__ = ["Source", "last_event_at", "opened"]
