"""Ids in paths: any text, `/` and `%` too, as `%2F` and `%25`.

A server decodes the whole path, and then nothing tells a `/` of an id from one between the parts. So the
path is decoded here, but for those two characters, and the part that is an id decodes them at its end. A line
break stays encoded as well: in a pattern `.` is none, and `$` stands before one that ends the path.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from starlette.convertors import Convertor, register_url_convertor

KEPT = re.compile("%(2[fF]|25|0[aA])")


def decoded(raw_path: bytes) -> str:
    """The path of a request but for `%2F` and `%25`. Raises UnicodeDecodeError where it is no UTF-8."""
    text = raw_path.partition(b"?")[0].decode("ascii")
    return unquote(KEPT.sub(lambda part: f"%25{part[1]}", text), errors="strict")


class Id(Convertor[str]):
    """`{user_id:id}`: at least one character, also a `/` that is not encoded.

    It ends before `/recommendations/`: where two ids of a path might end anywhere, a long path would be tried
    in all ways, for seconds.
    """

    regex = "(?:(?!/recommendations/).)+"

    def convert(self, value: str) -> str:
        """The id itself."""
        return KEPT.sub(lambda part: unquote(part[0]), value)

    def to_string(self, value: str) -> str:
        """The id as decoded() leaves it."""
        return value.replace("%", "%25").replace("/", "%2F").replace("\n", "%0A")


class Count(Convertor[str]):
    """`{n:count}`: whatever stands before `for_user`; only digits are a number."""

    regex = "[^f/]+"

    def convert(self, value: str) -> str:
        """The text itself."""
        return value

    def to_string(self, value: str) -> str:
        """The text itself."""
        return value


def register() -> None:
    """Make the two known to the routes that are made afterwards."""
    register_url_convertor("id", Id())
    register_url_convertor("count", Count())
