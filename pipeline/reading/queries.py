"""Every query of an app: a statement of sql/reading/, composed for the shop, and its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from psycopg import sql

from pipeline.config import ROOT, Ids

FOLDER = ROOT / "sql" / "reading"
COLUMN_TYPES = {"integer": "bigint", "text": "text", "uuid": "uuid"}
MOST_ITEMS = 100
"""Given items of a session; recommend_from() takes no more."""


@dataclass(frozen=True)
class Query:
    """A statement and its values. Its one row is an Answer."""

    statement: bytes
    values: Mapping[str, Any]


class Answer(NamedTuple):
    """The row of a Query.

    version: the publication that all of it comes from; None before the first one
    max_n:   most rows that the shop gives
    body:    JSON in the shape that answers.py gives it; None where there is nothing to say, such as no reason
             for an item that is not shown
    """

    version: int | None
    max_n: int
    body: str | None


class Queries:
    """The queries of one shop.

    schema: that apps read
    ids:    the types of its ids
    """

    def __init__(self, schema: str, ids: Ids) -> None:
        self._parts = {
            "schema": sql.Identifier(schema),
            "user_id_type": sql.SQL(COLUMN_TYPES[ids.user]),
            "item_id_type": sql.SQL(COLUMN_TYPES[ids.item]),
        }
        self._statements: dict[str, bytes] = {}

    def recommendations(
        self, user_id: str, n: int, category: str | None = None, *, explain: bool = False
    ) -> Query:
        """A user's list: answers.Recommendations."""
        return self._ask("recommendations", user_id=user_id, n=n, category=category, explain=explain)

    def explanation(self, user_id: str, item_id: str) -> Query:
        """Why an item is in a user's list: answers.Explanation; no body where it is not."""
        return self._ask("explanation", user_id=user_id, item_id=item_id)

    def model_order(self, user_id: str, n: int) -> Query:
        """A user's list in the model's own order: answers.ModelOrder."""
        return self._ask("model_order", user_id=user_id, n=n)

    def similar(self, item_id: str, n: int) -> Query:
        """What is like an item: answers.Similar."""
        return self._ask("similar", item_id=item_id, n=n)

    def also_bought(self, item_id: str, n: int) -> Query:
        """What buyers of an item also bought: answers.AlsoBought."""
        return self._ask("also_bought", item_id=item_id, n=n)

    def popular(self, n: int, category: str | None = None) -> Query:
        """The best sellers of the shop or of a category: answers.Popular."""
        return self._ask("popular", n=n, category=category)

    def popular_in_segment(self, n: int, segment: int) -> Query:
        """What is popular in a segment of people without purchases: answers.Popular."""
        return self._ask("popular_in_segment", n=n, segment=segment)

    def session(self, item_ids: Sequence[str], n: int, *, explain: bool = False) -> Query:
        """What goes with the items of a basket: answers.Session."""
        return self._ask("session", item_ids=list(item_ids), n=n, explain=explain)

    def users(self, n: int) -> Query:
        """Some users that have a list: answers.Users."""
        return self._ask("users", n=n)

    def publication(self) -> Query:
        """The live publication and how good it was: answers.LivePublication."""
        return self._ask("publication")

    def _ask(self, name: str, **values: Any) -> Query:
        statement = self._statements.get(name)
        if statement is None:
            statement = sql.SQL(text_of(name)).format(**self._parts).as_bytes(None)  # type: ignore[arg-type]
            self._statements[name] = statement
        return Query(statement, values)


@cache
def text_of(name: str) -> str:
    """The text of `sql/reading/<name>.sql`."""
    return (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
