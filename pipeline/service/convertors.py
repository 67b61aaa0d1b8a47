"""The parts of paths that pipeline.reading names, as Starlette's routes take them."""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor

from pipeline.reading.paths import PARTS, as_part, part_of


class Part(Convertor[str]):
    """A part of a path that was decoded by `paths.decoded`."""

    def convert(self, value: str) -> str:
        """The text that was meant."""
        return part_of(value)

    def to_string(self, value: str) -> str:
        """The text as a path has it."""
        return as_part(value)


class Id(Part):
    """`{user_id:id}`."""

    regex = PARTS["id"]


class Count(Part):
    """`{n:count}`."""

    regex = PARTS["count"]


def register() -> None:
    """Make them known to the routes that are made afterwards."""
    register_url_convertor("id", Id())
    register_url_convertor("count", Count())
