"""Converts single columns without changing what they say: ids, labels, UUIDs. What would change is refused.

Every function raises ValueError, whose text names the first value at fault.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

EXACT: Mapping[str, int] = {"number": 2**53, "real": 2**24, "float": 10**6}
"""Kind of floating-point column -> the first whole number that it can no longer tell from its neighbour:
64 bits, 32 bits, and MySQL's FLOAT, which is sent with six digits."""

ENDING_ZEROS = r"(\.[0-9]*?)0+$"


def whole_numbers(values: pa.Array, kind: str) -> pa.Array:
    """Integers, decimals (or their text) and floating-point numbers as int64."""
    if pa.types.is_integer(values.type) and values.type != pa.uint64():
        return values.cast(pa.int64())
    texts = number_texts(values, kind)
    refuse(texts, pc.invert(pc.match_substring_regex(texts, "^-?[0-9]+$")), "no whole number")
    try:
        return texts.cast(pa.int64())
    except pa.ArrowInvalid:
        outside = [text is not None and not -(2**63) <= int(text) < 2**63 for text in texts.to_pylist()]
        refuse(texts, pa.array(outside), "outside the range of a bigint")
        raise


def number_texts(values: pa.Array, kind: str) -> pa.Array:
    """Numbers as text, written the same whatever database they come from: `17` for 17, 17.0 and 17.00."""
    if pa.types.is_floating(values.type):
        limit = EXACT[kind]
        exact = pc.less(pc.abs(values), limit)
        refuse(
            values, pc.invert(exact), f"not exact: such a column holds whole numbers below {limit} exactly"
        )
        whole = pc.equal(pc.round(values), values)
        nothing = pa.scalar(None, values.type)
        integers = pc.if_else(whole, values, nothing).cast(pa.int64()).cast(pa.string())
        return pc.coalesce(integers, values.cast(pa.string()))
    texts = values.cast(pa.string())
    return pc.replace_substring_regex(pc.replace_substring_regex(texts, ENDING_ZEROS, r"\1"), r"\.$", "")


def labels(values: pa.Array, kind: str) -> pa.Array:
    """One value a row as text."""
    if kind in ("decimal", *EXACT):
        return number_texts(values, kind)
    return values.cast(pa.string())


def canonical_uuids(values: pa.Array) -> pa.Array:
    """UUIDs in lower case with hyphens, from any of the usual spellings."""
    digits = pc.replace_substring_regex(pc.utf8_lower(values), r"^(urn:uuid:)|[{}-]", "")
    refuse(values, pc.invert(pc.match_substring_regex(digits, r"^[0-9a-f]{32}$")), "no UUID")
    return pc.replace_substring_regex(digits, r"^(.{8})(.{4})(.{4})(.{4})(.{12})$", r"\1-\2-\3-\4-\5")


def first_json(texts: pa.Array) -> str | None:
    """The first text that is a JSON list or object: databases without a type for JSON keep it as text."""
    for text in texts.filter(pc.match_substring_regex(texts, r"^\s*[\[{]")).unique().to_pylist():
        try:
            if isinstance(json.loads(text), (list, dict)):
                return str(text)
        except (ValueError, RecursionError):
            continue
    return None


def refuse(values: pa.Array, at_fault: pa.Array, reason: str) -> None:
    """Raise ValueError naming the first of `values` where `at_fault` holds; nulls are passed over."""
    bad = values.filter(pc.fill_null(at_fault, False))
    if len(bad):
        raise ValueError(f"{_written(bad[0].as_py())} is {reason}")


def _written(value: object) -> str:
    """A value as a person writes it: 9007199254740992, not 9007199254740992.0; numbers without quotes."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) and re.fullmatch("-?[0-9.]+", value) else repr(value)
