"""The parameters of a request, from path, query and body; what cannot be is refused with a sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.reading.ids import WrongId, read_id
from pipeline.reading.queries import MOST_ITEMS
from pipeline.reading.refusals import Refusal, too_many
from pipeline.reading.shop import Shop

BODY = "item_ids, n and explain"


@dataclass(frozen=True)
class Parameters:
    """What a request to a shop asks for.

    path:  the parts of the path, by name
    query: the last value of each name
    body:  JSON
    """

    shop: Shop
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes = b""

    def id(self, name: Literal["user_id", "item_id"]) -> str:
        """An id of the path."""
        return self._id(self.path[name], name)

    def n(self) -> int | None:
        """How many rows; None: not said."""
        given = self.path.get("n", self.query.get("n"))
        if given is None:
            return None
        if not re.fullmatch("[0-9]{1,9}", given, re.ASCII) or int(given) < 1:
            raise too_many(self.shop.max_n)
        return int(given)

    def category(self) -> str | None:
        """The category of the query; None: the whole shop."""
        given = self.query.get("category") or None
        if given is not None and "\0" in given:
            raise Refusal(422, "category must be a text without the character NUL")
        return given

    def segment(self) -> int | None:
        """The segment of the query; None: not asked for."""
        given = self.query.get("segment") or None
        if given is None:
            return None
        if not re.fullmatch("[0-9]{1,9}", given, re.ASCII) or int(given) < 1:
            raise Refusal(422, "segment must be a whole number, 1 or more")
        if self.category() is not None:
            raise Refusal(422, "category and segment cannot be asked for together")
        return int(given)

    def explain(self) -> bool:
        """Whether reasons in words are wanted."""
        given = self.query.get("explain", "false").lower()
        if given not in ("true", "false", "1", "0"):
            raise Refusal(422, "explain must be true or false")
        return given in ("true", "1")

    def basket(self) -> tuple[list[str], int | None, bool]:
        """`item_ids`, `n` and `explain` of the body."""
        try:
            body = json.loads(self.body)
        except (ValueError, RecursionError):
            raise Refusal(422, f"the body must be a JSON object with {BODY}") from None
        if not isinstance(body, dict) or set(body) - {"item_ids", "n", "explain"}:
            raise Refusal(422, f"the body must be a JSON object with {BODY} and nothing else")
        items, n, explain = body.get("item_ids"), body.get("n"), body.get("explain", False)
        if not isinstance(items, list) or len(items) > MOST_ITEMS:
            raise Refusal(422, f"item_ids must be a list of at most {MOST_ITEMS} ids")
        if n is not None and (type(n) is not int or not 1 <= n < 10**9):
            raise too_many(self.shop.max_n)
        if not isinstance(explain, bool):
            raise Refusal(422, "explain must be true or false")
        return [self._id(item, "item_id", "each of item_ids") for item in items], n, explain

    def _id(self, value: Any, name: Literal["user_id", "item_id"], what: str = "") -> str:
        kind = self.shop.user_id_type if name == "user_id" else self.shop.item_id_type
        try:
            return read_id(value, kind, what or name)
        except WrongId as error:
            raise Refusal(422, str(error)) from None
