"""Reading a shop's database through the SELECT statements of `sql/source/`. Nothing is written to it."""

from pipeline.source.opening import last_event_at, opened
from pipeline.source.reader import Source

__all__ = ["Source", "last_event_at", "opened"]
