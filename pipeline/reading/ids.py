"""Ids of the shop's type, read from the text of a URL or from JSON."""

from __future__ import annotations

import re
import uuid

from pipeline.config import IdType

INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
UUID = re.compile(r"(?P<open>\{)?[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}(?(open)\})")
"""uuid.UUID takes more for one, such as `0x` and underscores in place of digits."""
LARGEST = 2**63 - 1
PROMISED = {
    "integer": "a whole number of at most 63 bits",
    "text": "a text of at least one character, without the character NUL",
    "uuid": "a uuid, such as 6f1c2d0e-8a7b-4c3d-9e5f-0a1b2c3d4e5f",
}


class WrongId(ValueError):
    """A value that is no id of the shop's type; the message is one sentence and does not repeat the value."""


def read_id(value: object, kind: IdType, what: str) -> str:
    """The id as PostgreSQL reads it back from text.

    what: what the id is of, for the message: `user_id`, `item_id`, ...

    Raises WrongId.
    """
    text = str(value) if isinstance(value, str) or type(value) is int else ""
    if kind == "integer" and INTEGER.fullmatch(text) and -LARGEST - 1 <= int(text) <= LARGEST:
        return str(int(text))
    if kind == "text" and isinstance(value, str) and text and "\0" not in text and _is_unicode(text):
        return text
    if kind == "uuid" and isinstance(value, str) and UUID.fullmatch(text):
        return str(uuid.UUID(text))
    raise WrongId(f"{what} must be {PROMISED[kind]}")


def _is_unicode(text: str) -> bool:
    """Whether it can be written as UTF-8: JSON may hold half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
