"""Reads embeddings as databases write them: lists, arrays, vectors, or texts of JSON."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contract.datasets import EMBEDDING

VECTORS = ("type vector", "type halfvec")
"""Types of pgvector, which PostgreSQL writes as `[0.1,0.2]`."""

LIST = r"^\s*(\[[^\[\]{}]*\]|\{[^\[\]{}]*\})\s*$"
"""One list as JSON, or as an array of PostgreSQL: `[0.1, 0.2]`, `{0.1,0.2}`."""


def embeddings(values: pa.Array) -> pa.Array:
    """Lists of any numbers, or their texts, as lists of float32; null stays null.

    Raises ValueError that names the first text that is no list of numbers.
    """
    if not pa.types.is_string(values.type):
        return values.cast(EMBEDDING)
    wrong = values.filter(pc.invert(pc.fill_null(pc.match_substring_regex(values, LIST), True)))
    if len(wrong):
        raise ValueError(f"{wrong[0].as_py()[:200]!r} is no list of numbers")
    inner = pc.utf8_trim(pc.utf8_trim_whitespace(values), "[]{}")
    is_empty = pc.equal(pc.utf8_trim_whitespace(inner), "")
    parts = pc.split_pattern(pc.if_else(is_empty, pa.scalar(None, pa.string()), inner), ",")
    numbers = pc.utf8_trim_whitespace(parts.flatten()).cast(pa.float32())
    lengths = pc.fill_null(pc.list_value_length(parts), 0)
    offsets = pa.array([0, *pc.cumulative_sum(lengths).to_pylist()], pa.int32())
    return pa.ListArray.from_arrays(offsets, numbers, mask=values.is_null())
