"""A shop without rows, and files of events for it as programs write them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline import config, loading
from pipeline.errors import NightshelfError, SourceError

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


HEAD = "user_id,item_id,event_type,occurred_at,order_id,quantity\n"


ROW = "1,10,purchase,2026-01-01 10:00:00,o-1,2\n"


@dataclass
class Shop:
    """A SQLite shop, and what the last load into it said."""

    path: Path
    said: list[str] = field(default_factory=list)

    def load(
        self, file: Path, kind: str = "events", settings: config.Settings | None = None, **files: Path
    ) -> None:
        self.said.clear()
        options = {"now": NOW, "say": self.said.append, "settings": settings or config.load()}
        loading.load(kind, f"sqlite:///{self.path}", file=file, **options, **files)  # type: ignore[arg-type]

    def column(self, name: str, table: str = "events") -> list[Any]:
        """The values of a column, in the order of loading."""
        with closing(sa.create_engine(f"sqlite:///{self.path}").raw_connection()) as db:
            return [value for (value,) in db.execute(f"SELECT {name} FROM {table} ORDER BY rowid")]

    @property
    def text(self) -> str:
        return "\n".join(self.said)


def refused(shop: Shop, file: Path, **options: Any) -> NightshelfError:
    """The refusal of a file; it changes nothing, and no message is one of a library."""
    before = shop.column("customer_id") if shop.path.exists() else None
    with pytest.raises(SourceError) as caught:
        shop.load(file, **options)
    for sign in ("Error:", "state machine", "strict_mode", "Conversion", "Traceback"):
        assert sign not in str(caught.value)
    if before is not None:
        assert shop.column("customer_id") == before
    return caught.value
