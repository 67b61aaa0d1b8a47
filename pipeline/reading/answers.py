"""The shape of each answer's JSON, as types for whoever reads it and for the service's OpenAPI document.

PostgreSQL makes the JSON: a test holds the statements in sql/reading/ to these types.
"""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict

Id = int | str
"""A number where the shop's ids are integers, else a text."""


class Item(TypedDict):
    """An item; name and category are null where the shop has none."""

    item_id: Id
    name: str | None
    category: str | None


class Listed(Item):
    """An item of a list: its rank, 1 being the best."""

    rank: int


class Scored(Listed):
    """`score` is comparable within one list only."""

    score: float


class Recommended(Scored):
    """An item and why it is there; `explanation`, in words, where it was asked for."""

    source: str
    reason: str | None
    because_item_id: Id | None
    because_name: str | None
    explanation: NotRequired[str]


class Beside(Listed):
    """Bought by the same people: the share of all buyers who bought both, and how often by chance."""

    support: float
    lift: float


class Recommendations(TypedDict):
    """The list of a user."""

    version: int
    user_id: Id
    category: str | None
    items: list[Recommended]


class Moved(Listed):
    """An item of a list, and its place in the model's own order, before the list was given variety."""

    model_rank: int


class ModelOrder(TypedDict):
    """The first items of a user's list in the model's own order; none where the list has no variety."""

    version: int
    user_id: Id
    items: list[Moved]


class Session(TypedDict):
    """What goes with the items of a basket; those that were given stand beside, each once."""

    version: int
    given: list[Item]
    items: list[Recommended]


class Explanation(TypedDict):
    """Why an item is in a user's list, in words. Escape them for HTML."""

    version: int
    user_id: Id
    item_id: Id
    explanation: str


class Similar(Item):
    """What the same people like, beside the item itself."""

    version: int
    items: list[Scored]


class AlsoBought(Item):
    """What the buyers of an item also bought, beside the item itself."""

    version: int
    items: list[Beside]


class Popular(TypedDict):
    """Best sellers of the shop or of one category, or what is popular in one segment."""

    version: int
    category: str | None
    segment: int | None
    items: list[Scored]


class Users(TypedDict):
    """Some users that have a list."""

    version: int
    user_ids: list[Id]


class LivePublication(TypedDict):
    """What is live, since when, and how good it was on held-out days."""

    version: int
    run_id: str
    as_of: str
    published_at: str
    n_users: int
    n_items: int
    precision_at_3: float | None
    model: str | None
    is_fallback: bool
    is_unjudged: bool
