"""The keys of a shop in Redis. docs/redis.md promises them to apps.

All begin with the name of the serving schema. `live` names the edition that apps read; every list has the
edition in its key, so that a reader who has looked `live` up reads lists of one publication only.
"""

from __future__ import annotations

from dataclasses import dataclass

ALL = "all"
"""The category of the popular list of the whole shop."""


@dataclass(frozen=True)
class Keys:
    """The keys that a shop has once. shop: its serving schema"""

    shop: str

    @property
    def live(self) -> str:
        """A string: the edition that apps read."""
        return f"{self.shop}:live"

    @property
    def blocked(self) -> str:
        """A JSON list: ids of the items that are shown to nobody now."""
        return f"{self.shop}:blocked"

    @property
    def editions(self) -> str:
        """A hash: every edition that has keys -> its state. Not for apps."""
        return f"{self.shop}:editions"

    @property
    def counter(self) -> str:
        """A number: editions begun so far. Not for apps."""
        return f"{self.shop}:counter"

    def of(self, edition: str) -> str:
        """What the keys of an edition begin with."""
        return f"{self.shop}:{edition}:"


def user(user_id: object) -> str:
    """The key of a user's list, behind `Keys.of`."""
    return f"user:{user_id}"


def segment_of(user_id: object) -> str:
    """The key of the segment of a user who has one, and no list."""
    return f"segment_of:{user_id}"


def segment(number: int) -> str:
    """The key of what is popular in a segment."""
    return f"segment:{number}"


def popular(category: str) -> str:
    """The key of what is popular in a category, or in the whole shop."""
    return "popular" if category == ALL else f"popular:{category}"


def item(item_id: object) -> str:
    """The key of an item's name and category."""
    return f"item:{item_id}"


def similar(item_id: object) -> str:
    """The key of what is like an item."""
    return f"similar:{item_id}"


def also_bought(item_id: object) -> str:
    """The key of what buyers of an item also bought."""
    return f"also_bought:{item_id}"


ABOUT = "about"
"""The key of the publication and the shop."""
USERS = "users"
"""The key of some users that have a list."""
