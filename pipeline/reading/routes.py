"""The lists that apps ask for by HTTP: of users, of items, of the shop, of a basket.

One table for every door: what a route is called, what it answers, and how a request is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from pipeline.reading import answers
from pipeline.reading.parameters import Parameters
from pipeline.reading.paths import PARTS, part_of
from pipeline.reading.queries import Answer
from pipeline.reading.refusals import NOT_SHOWN, Refusal, too_many
from pipeline.reading.replies import NEVER, PRIVATE, SHARED, Reply, answer

DEFAULT_N = 10
PART = re.compile(r"\{(\w+):(\w+)\}")
NO_ROUTE = "(none)"
"""What a log calls a path that is of no route."""


class AnyQueries(Protocol):
    """The queries of a shop as `queries.Queries` has them; a door may read lists from elsewhere."""

    def recommendations(
        self, user_id: str, n: int, category: str | None = None, *, explain: bool = False
    ) -> Any: ...
    def explanation(self, user_id: str, item_id: str) -> Any: ...
    def model_order(self, user_id: str, n: int) -> Any: ...
    def similar(self, item_id: str, n: int) -> Any: ...
    def also_bought(self, item_id: str, n: int) -> Any: ...
    def popular(self, n: int, category: str | None = None) -> Any: ...
    def popular_in_segment(self, n: int, segment: int) -> Any: ...
    def session(self, item_ids: Sequence[str], n: int, *, explain: bool = False) -> Any: ...
    def users(self, n: int) -> Any: ...
    def publication(self) -> Any: ...


@dataclass(frozen=True)
class Question:
    """What a request asks, read and checked.

    query:   makes the query for so many rows
    n:       rows that were asked for; None: as many as is usual, or as there are
    caching: who may keep the answer
    """

    query: Callable[[int], Any]
    n: int | None
    caching: str

    def first(self) -> Any:
        """The query to ask."""
        return self.query(self.n or DEFAULT_N)

    def reply(self, found: Answer, if_none_match: str | None) -> Reply:
        """The reply to what was found. Raises Refusal."""
        if self.n is not None and self.n > found.max_n:
            raise too_many(found.max_n)
        if found.body is None:
            raise Refusal(404, NOT_SHOWN)
        return answer(found.body, self.caching, if_none_match)


Read = Callable[[Parameters, AnyQueries], Question]


@dataclass(frozen=True)
class Route:
    """A route, and how a request to it is read.

    path:  `{name:kind}` stands for a part; kinds: paths.PARTS
    shape: a type of answers.py
    names: parameters, in the order in which they are shown
    read:  raises Refusal
    """

    path: str
    shape: Any
    names: Sequence[str]
    read: Read
    method: str = "GET"

    @property
    def name(self) -> str:
        """What it is called."""
        return self.read.__name__

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches a whole decoded path."""
        text, end = "", 0
        for part in PART.finditer(self.path):
            text += re.escape(self.path[end : part.start()]) + f"(?P<{part[1]}>{PARTS[part[2]]})"
            end = part.end()
        return re.compile(text + re.escape(self.path[end:]))

    def parts(self, path: str) -> Mapping[str, str] | None:
        """The parts of a decoded path, by name; None: it is not of this route."""
        match = self.pattern.fullmatch(path)
        return match and {name: part_of(text) for name, text in match.groupdict().items()}


def users(asked: Parameters, queries: AnyQueries) -> Question:
    """Some users that have a list."""
    return Question(queries.users, asked.n(), PRIVATE)


def recommendations(asked: Parameters, queries: AnyQueries) -> Question:
    """The list of a user; whoever is not known gets what is popular."""
    user, category, explain = asked.id("user_id"), asked.category(), asked.explain()
    return Question(lambda n: queries.recommendations(user, n, category, explain=explain), asked.n(), PRIVATE)


def explanation(asked: Parameters, queries: AnyQueries) -> Question:
    """Why an item is in a user's list, in words; 404 where it is not."""
    user, item = asked.id("user_id"), asked.id("item_id")
    return Question(lambda n: queries.explanation(user, item), None, PRIVATE)


def model_order(asked: Parameters, queries: AnyQueries) -> Question:
    """The first items of a user's list as they stood before it was given variety."""
    user = asked.id("user_id")
    return Question(lambda n: queries.model_order(user, n), asked.n(), PRIVATE)


def similar(asked: Parameters, queries: AnyQueries) -> Question:
    """What the same people like."""
    item = asked.id("item_id")
    return Question(lambda n: queries.similar(item, n), asked.n(), SHARED)


def also_bought(asked: Parameters, queries: AnyQueries) -> Question:
    """What the buyers of an item also bought."""
    item = asked.id("item_id")
    return Question(lambda n: queries.also_bought(item, n), asked.n(), SHARED)


def popular(asked: Parameters, queries: AnyQueries) -> Question:
    """The best sellers of the shop or of one category, or what is popular in one segment."""
    category, segment = asked.category(), asked.segment()

    def query(n: int) -> Any:
        return queries.popular(n, category) if segment is None else queries.popular_in_segment(n, segment)

    return Question(query, asked.n(), SHARED)


def session(asked: Parameters, queries: AnyQueries) -> Question:
    """What goes with the items of a basket or of a visit, for visitors without an account."""
    items, n, explain = asked.basket()
    return Question(lambda n: queries.session(items, n, explain=explain), n, NEVER)


def publication(_: Parameters, queries: AnyQueries) -> Question:
    """What is live, since when, and how good it was."""
    return Question(lambda n: queries.publication(), None, SHARED)


def top_n(asked: Parameters, queries: AnyQueries) -> Question:
    """The list of a user, at the address that apps of an earlier system know."""
    return recommendations(asked, queries)


USER = "/users/{user_id:id}/recommendations"
ITEM = "/items/{item_id:id}"
ROUTES = (
    Route("/users", answers.Users, ("n",), users),
    Route(USER, answers.Recommendations, ("user_id", "n", "category", "explain"), recommendations),
    Route(f"{USER}/{{item_id:id}}/explanation", answers.Explanation, ("user_id", "item_id"), explanation),
    Route("/users/{user_id:id}/model-order", answers.ModelOrder, ("user_id", "n"), model_order),
    Route(f"{ITEM}/similar", answers.Similar, ("item_id", "n"), similar),
    Route(f"{ITEM}/also-bought", answers.AlsoBought, ("item_id", "n"), also_bought),
    Route("/popular", answers.Popular, ("category", "segment", "n"), popular),
    Route("/session/recommendations", answers.Session, (), session, "POST"),
    Route("/publication", answers.LivePublication, (), publication),
    Route("/topN={n:count}for_user={user_id:id}", answers.Recommendations, ("n", "user_id"), top_n),
)
"""Every route; the first that fits is meant."""
