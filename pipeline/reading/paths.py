"""Ids in paths: any text, `/` and `%` too, as `%2F` and `%25`.

A server decodes the whole path, and then nothing tells a `/` of an id from one between the parts. So the
path is decoded here, but for those two characters, and the part that is an id decodes them at its end. A line
break stays encoded as well: in a pattern `.` is none, and `$` stands before one that ends the path.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

KEPT = re.compile("%(2[fF]|25|0[aA])")
PARTS = {"id": "(?:(?!/recommendations/).)+", "count": "[^f/]+"}
"""`{user_id:id}` and `{n:count}` of a route -> the pattern of that part.

An id has at least one character, also a `/` that is not encoded. It ends before `/recommendations/`: where
two ids of a path might end anywhere, a long path would be tried in all ways, for seconds. A count is whatever
stands before `for_user`; only digits are a number.
"""


def decoded(raw_path: bytes) -> str:
    """The path of a request but for `%2F` and `%25`. Raises UnicodeDecodeError where it is no UTF-8."""
    text = raw_path.partition(b"?")[0].decode("ascii")
    return unquote(KEPT.sub(lambda part: f"%25{part[1]}", text), errors="strict")


def part_of(text: str) -> str:
    """A part of a decoded path as it was meant."""
    return KEPT.sub(lambda part: unquote(part[0]), text)


def as_part(text: str) -> str:
    """A text as decoded() leaves it in a path."""
    return text.replace("%", "%25").replace("/", "%2F").replace("\n", "%0A")
