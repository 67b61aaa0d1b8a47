"""Every list of the live publication as a key and a value of JSON, streamed from the serving database.

A value is a list of items, the best first. An item has `item_id` and, where there is such, `name`,
`category`, `score`, `source`, `reason`, `because_item_id` and `because_name`, as an answer of the HTTP
service has them; in `also_bought` `support` and `lift` in place of the score. Items that are blocked are in
the lists, because they may be shown again before the next night: readers leave them out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import islice
from typing import Any

from psycopg import sql
from psycopg.rows import tuple_row

from pipeline.config import Ids
from pipeline.export.statements import statement
from pipeline.reading import Queries, keys
from pipeline.serving.forgotten import Forgotten
from pipeline.serving.session import Session

FETCHED = 2_000
"""Rows fetched at a time."""
SPARE = 2
"""Lists that many people are shown hold so many times the length, for what is blocked later."""
N_USERS = 200
"""Users that are named as examples."""
POPULAR = "popular", "recently_popular"
POPULAR_IN_CATEGORY = "popular_in_category", "popular_in_its_category"
POPULAR_IN_SEGMENT = "popular_in_segment", "popular_in_segment"
"""Source and reason of what fills a list up."""

Entry = tuple[str, str]
"""A key, behind that of the edition, and its value."""
Ranked = list[tuple[Any, float]]
"""Items with their scores, the best first."""


class Lists:
    """The lists of the live publication, inside a transaction of the owner in which they do not change.

    length:    items in each list of a user
    forgotten: users who are left out
    """

    def __init__(self, db: Session, ids: Ids, length: int, forgotten: Forgotten) -> None:
        self._db, self._ids, self._length, self._forgotten = db, ids, length, forgotten
        self._items = _Items()

    def entries(self) -> Generator[Entry, None, None]:
        """Every entry once. The names of all items that lists show are held in memory.

        To be closed: a thread fetches rows ahead.
        """
        for item_id, name, category in self._rows("item_names", "item_id", "name", "category"):
            yield keys.item(item_id), f"{self._items.add(item_id, name, category)}}}"
        popular = yield from self._popular()
        yield from self._segments(popular)
        yield from self._similar()
        yield from self._also_bought()
        yield from self._users()
        yield keys.ABOUT, self._about()

    def _popular(self) -> Generator[Entry, None, Ranked]:
        """What is popular in each category, and in the whole shop, which is returned."""
        of_shop: Ranked = []
        for category, item_ids, scores in self._rows("popular_lists", "category", "item_ids", "scores"):
            ranked = list(zip(item_ids, scores, strict=True))
            why = POPULAR_IN_CATEGORY
            if category == keys.ALL:
                of_shop, why = ranked, POPULAR
            yield keys.popular(category), self._filling((ranked, why))
        return of_shop

    def _segments(self, popular: Ranked) -> Iterator[Entry]:
        """What is popular in each segment, then in the shop; the segment of each user who has one."""
        for segment, item_ids, scores in self._rows("segment_lists", "segment", "item_ids", "scores"):
            own = set(item_ids)
            others = [(item_id, score) for item_id, score in popular if item_id not in own]
            ranked = list(zip(item_ids, scores, strict=True))
            yield keys.segment(segment), self._filling((ranked, POPULAR_IN_SEGMENT), (others, POPULAR))
        for user_id, segment in self._known(self._rows("user_segments", "user_id", "segment")):
            yield keys.segment_of(user_id), str(segment)

    def _similar(self) -> Iterator[Entry]:
        begun = self._items.begun
        for item_id, others, scores in self._statement("similar"):
            parts = [f'{begun[other]},"score":{score}' for other, score in zip(others, scores, strict=True)]
            yield keys.similar(item_id), _array(parts)

    def _also_bought(self) -> Iterator[Entry]:
        begun = self._items.begun
        for item_id, others, supports, lifts in self._statement("also_bought"):
            parts = [
                f'{begun[other]},"support":{support},"lift":{lift}'
                for other, support, lift in zip(others, supports, lifts, strict=True)
            ]
            yield keys.also_bought(item_id), _array(parts)

    def _users(self) -> Iterator[Entry]:
        """The list of each user; one that is too short as recommend() fills it up."""
        short: list[Any] = []
        examples: list[Any] = []
        personal = _Known(lambda reason: why("personal", reason))
        for user_id, item_ids, scores, reasons, because in self._known(self._statement("users")):
            if len(examples) < N_USERS:
                examples.append(user_id)
            if len(item_ids) == self._length:
                whys = map(personal.__getitem__, reasons)
                yield keys.user(user_id), self._recommended(item_ids, scores, whys, because)
                continue
            short.append(user_id)
            if len(short) == FETCHED:
                yield from self._filled(short)
                short = []
        yield from self._filled(short)
        listless = self._known(self._statement("listless"))
        while batch := [user_id for (user_id,) in islice(listless, FETCHED)]:
            yield from self._filled(batch)
        yield keys.USERS, as_json(examples)

    def _filled(self, user_ids: Sequence[Any]) -> Iterator[Entry]:
        """The lists of these users, by recommend()."""
        query = statement(self._db.names, "filled", self._ids)
        rows = self._db.execute(query, {"user_ids": list(user_ids), "n": self._length})
        for row in rows.fetchall():
            user_id, item_ids, scores, sources, reasons, because = row.values()
            yield keys.user(user_id), self._recommended(item_ids, scores, map(why, sources, reasons), because)

    def _recommended(
        self, item_ids: Sequence[Any], scores: Sequence[str], whys: Iterable[str], because: Sequence[Any]
    ) -> str:
        """A list of a user: joined from all its pieces at once, because there are millions."""
        pieces = ["", ',"score":', "", "", "", "},"] * len(item_ids)
        pieces[0::6] = map(self._items.begun.__getitem__, item_ids)
        pieces[2::6] = scores
        pieces[3::6] = whys
        pieces[4::6] = map(self._items.named.__getitem__, because)
        return f"[{''.join(pieces)[:-1]}]"

    def _filling(self, *parts: tuple[Ranked, tuple[str, str]]) -> str:
        """What lists are filled up with: items with their scores, and the source and reason of each part."""
        items = (
            f'{self._items.begun[item_id]},"score":{score!r}{why(*source)}'
            for ranked, source in parts
            for item_id, score in ranked
        )
        return _array(islice(items, SPARE * self._length))

    def _about(self) -> str:
        """The shop and the publication; see ABOUT in docs/apps.md."""
        query = Queries(self._db.names.schema, self._ids).publication().statement
        row = self._db.execute(sql.SQL(query.decode())).fetchone() or {}  # type: ignore[arg-type]
        return as_json(
            {
                "length": self._length,
                "user_id_type": self._ids.user,
                "item_id_type": self._ids.item,
                "publication": json.loads(row["body"]),
                "forgotten": self._forgotten.fingerprint,
            }
        )

    def _known(self, rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """Rows without those of forgotten users; the first column is the user's id."""
        while batch := list(islice(rows, FETCHED)):
            gone = set(self._forgotten.among(row[0] for row in batch))
            yield from (row for row in batch if row[0] not in gone)

    def _rows(self, table: str, *columns: str) -> Iterator[tuple[Any, ...]]:
        """Columns of a table of the storage schema. The owner sees the rows of the live version alone."""
        query = sql.SQL("SELECT {} FROM {}").format(
            sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(self._db.names.storage, table)
        )
        return self._stream(f"export_{table}", query)

    def _statement(self, name: str) -> Iterator[tuple[Any, ...]]:
        """Rows of `sql/export/<name>.sql`, given the length."""
        return self._stream(f"export_{name}", statement(self._db.names, name))

    def _stream(self, name: str, query: sql.Composed) -> Iterator[tuple[Any, ...]]:
        """The rows of a query. A thread fetches the next ones while these are made into lists."""
        with (
            self._db.connection.cursor(name, row_factory=tuple_row) as cursor,
            ThreadPoolExecutor(1, "nightshelf-fetch") as thread,
        ):
            cursor.execute(query, {"n": self._length}, binary=True)
            ahead = thread.submit(cursor.fetchmany, FETCHED)
            while rows := ahead.result():
                ahead = thread.submit(cursor.fetchmany, FETCHED)
                yield from rows


class _Items:
    """What JSON says of each item.

    begun: its id, name and category, without the closing brace
    named: what follows where it is the reason, a comma first; nothing for None
    """

    def __init__(self) -> None:
        self.begun = _Known(lambda item_id: self.add(item_id, None, None))
        self.named = _Known(lambda item_id: self._name(item_id, None))
        self.named[None] = ""

    def add(self, item_id: Any, name: str | None, category: str | None) -> str:
        """An item as shown in a list; returns the beginning of its JSON."""
        parts = {"item_id": item_id, "name": name, "category": category}
        self.begun[item_id] = as_json({key: value for key, value in parts.items() if value is not None})[:-1]
        self._name(item_id, name)
        return self.begun[item_id]

    def _name(self, item_id: Any, name: str | None) -> str:
        parts = {"because_item_id": item_id} | ({} if name is None else {"because_name": name})
        self.named[item_id] = f",{as_json(parts)[1:-1]}"
        return self.named[item_id]


class _Known(dict[Any, str]):
    """A dictionary that asks for what it lacks. missing: keeps the value of a key, and returns it"""

    def __init__(self, missing: Callable[[Any], str]) -> None:
        super().__init__()
        self._missing = missing

    def __missing__(self, key: Any) -> str:
        return self._missing(key)


@cache
def why(source: str, reason: str | None) -> str:
    """What follows for a source and a reason, a comma first."""
    return f",{as_json({'source': source} | ({} if reason is None else {'reason': reason}))[1:-1]}"


def _array(items: Iterable[str]) -> str:
    """A list of items that lack their closing brace."""
    text = "},".join(items)
    return f"[{text}}}]" if text else "[]"


def as_json(value: Any) -> str:
    """A value as short JSON; a UUID as text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
