"""Ids from text: the three types, and what is none."""

from __future__ import annotations

import pytest

from pipeline.reading import WrongId, read_id

UUID = "6f1c2d0e-8a7b-4c3d-9e5f-0a1b2c3d4e5f"


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("42", "integer", "42"),
        (42, "integer", "42"),
        ("-9223372036854775808", "integer", "-9223372036854775808"),
        ("007", "integer", "7"),
        ("a/b %", "text", "a/b %"),
        ("42", "text", "42"),
        (UUID.upper(), "uuid", UUID),
        (UUID.replace("-", ""), "uuid", UUID),
        (f"{{{UUID}}}", "uuid", UUID),
    ],
)
def test_an_id_is_read(value: object, kind: str, expected: str) -> None:
    assert read_id(value, kind, "user_id") == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("", "integer"), ("4.0", "integer"), (4.0, "integer"), (True, "integer"), (None, "integer"),
        ("9223372036854775808", "integer"), ("٣", "integer"), ("1" * 5000, "integer"), ([1], "integer"),
        ("", "text"), ("a\0", "text"), ("\ud800", "text"), (7, "text"), (None, "text"),
        ("6f1c", "uuid"), (7, "uuid"), ("", "uuid"), ("0x" + UUID[2:], "uuid"),
        (UUID.replace("0", "\N{ARABIC-INDIC DIGIT ZERO}"), "uuid"), ("6_1c" + UUID[4:], "uuid"),
        (f"urn:uuid:{UUID}", "uuid"),
    ],
)  # fmt: skip
def test_what_is_no_id_is_told_in_one_sentence(value: object, kind: str) -> None:
    with pytest.raises(WrongId, match=r"^user_id must be a"):
        read_id(value, kind, "user_id")  # type: ignore[arg-type]
