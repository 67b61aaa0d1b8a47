"""Ids that a file has lost, or nearly: floats, exponents, leading zeros."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.errors import SourceError
from tests.loading.awkward import Shop, refused


@pytest.mark.parametrize(
    ("values", "kind", "kept", "told"),
    [
        (["17.0", "", "3.0"], None, [17, None, 3], "17.0 as 17"),
        (["17", "18.0"], None, [17, 18], "18.0 as 18"),
        (["17.", "-2.00"], None, [17, -2], "as"),
        ([17.0, None, 3.0], pa.float64(), [17, None, 3], ""),
        ([17.0, float("nan")], pa.float64(), [17, None], "1 without user_id"),
        ([17.0, None], pa.float32(), [17, None], ""),
        ([17.0, None], pa.float16(), [17, None], ""),
        ([17, -(2**63)], pa.int64(), [17, None], "-9223372036854775808 in 1 row, read as missing"),
        (["17", str(-(2**63))], None, [17, None], "-9223372036854775808 in 1 row"),
        ([2.0**53 - 1], pa.float64(), [2**53 - 1], ""),
        ([Decimal(17), None], pa.decimal128(20, 0), [17, None], ""),
        ([Decimal(2**63), Decimal(1)], pa.decimal128(38, 0), [str(2**63), "1"], ""),
        ([2**64 - 1, 1], pa.uint64(), [str(2**64 - 1), "1"], ""),
        ([2**63 - 1, 1], pa.uint64(), [2**63 - 1, 1], ""),
        ([str(2**63), "1"], None, [str(2**63), "1"], f"'{2**63}' in row 1"),
        (["\\N", "4", "5"], None, [None, 4, 5], r"\N in 1 row, where all others are whole numbers"),
        (["NULL", "null", "4"], None, [None, None, 4], "in 2 rows"),
        (["NA", "N/A", "None", "nan", "-", "#N/A", "<NA>", "4"], None, [*[None] * 7, 4], "in 7 rows"),
        (["\\N", "4.0"], None, [None, 4], "4.0 as 4"),
        ([" 4", "5\t"], None, [4, 5], "2 with blanks around them"),
        (["NULL", "C1", "C2"], None, ["NULL", "C1", "C2"], "NULL in 1 row, kept as an id"),
        (["\\N", "C1"], pa.string(), ["\\N", "C1"], "kept as an id"),
        (["nan", "17.0"], pa.string(), [None, "17"], "17.0 as 17"),
        (["", "C1"], pa.string(), [None, "C1"], "1 without user_id"),
        (["101.1", "101.0"], None, ["101.1", "101.0"], "'101.1' in row 1"),
        (["1", "007"], None, ["1", "007"], "'007' in row 2"),
        ([*map(str, range(20)), "x9"], None, [*map(str, range(20)), "x9"], "'x9' in row 21"),
        (["1", "2", "guest"], None, ["1", "2", "guest"], "'guest' in row 3"),
        (["A", "a"], None, ["A", "a"], "only in case, such as 'A' and 'a'"),
        (["A", "a", "A", "B", "B"], None, ["A", "a", "A", "B", "B"], "1 times a `user_id` differs"),
        (["A", "A "], None, ["A", "A "], "only in blanks around them, such as 'A' and 'A '"),
        (["\u00e9", "e\u0301"], None, ["\u00e9", "e\u0301"], r"such as 'e\u0301' and '\xe9'"),
    ],
)  # fmt: skip
def test_an_id_keeps_its_value(
    shop: Shop, events: Callable[..., Path], values: list[Any], kind: Any, kept: list[Any], told: str
) -> None:
    shop.load(events("user_id", values, kind))
    assert shop.column("customer_id") == kept
    assert told in shop.text


@pytest.mark.parametrize(
    ("values", "kind", "found", "promised"),
    [
        ([1.0, 2.0**53], pa.float64(), "in row 2", "9,007,199,254,740,992"),
        ([1.2e18, 1.2e18 + 1000], pa.float64(), "in row 1", "below"),
        ([2.0**24], pa.float32(), "in row 1", "16,777,216"),
        ([2.0**11], pa.float16(), "in row 1", "2,048"),
        ([17.5], pa.float64(), "17.5", "whole numbers"),
        ([float("inf")], pa.float64(), "inf", "whole numbers"),
        ([Decimal("17.5")], pa.decimal128(5, 1), "17.5", "whole numbers"),
        (["1", "1.2e+18"], None, "'1.2e+18' in row 2", "below"),
        (["1.23457E+12"], None, "1.23457E+12", "below"),
        (["1", f"{2**53}.0"], None, "in row 2", "below"),
        (["1.2e+18"], pa.string(), "1.2e+18", "below"),
        ([["C1", "C2"]], pa.list_(pa.string()), "VARCHAR[], such as ['C1', 'C2'] in row 1", "one"),
        ([{"id": 1}], pa.struct([("id", pa.int64())]), "STRUCT", "one whole number"),
        ([b"C1"], pa.binary(), "BLOB", "one whole number"),
        ([True], pa.bool_(), "BOOLEAN", "one whole number"),
        ([datetime(2026, 1, 1)], pa.timestamp("us"), "TIMESTAMP", "one whole number"),
        (["1", '"2\n3"'], None, "in row 2", "one id in each row"),
    ],
)  # fmt: skip
def test_an_id_that_has_lost_its_value_is_refused(
    shop: Shop,
    events: Callable[..., Path],
    values: list[Any],
    kind: Any,
    found: str,
    promised: str,
) -> None:
    error = refused(shop, events("user_id", values, kind))
    assert "`user_id` of " in error.what
    assert found in error.found
    assert promised in error.promised


def test_ids_as_floats_are_the_same_texts_where_the_other_file_has_texts(
    shop: Shop, events: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "i.csv").write_text("item_id\n17\nA1\n")
    for file in (events("item_id", [17.0, None], pa.float64()), events("item_id", ["17.0", ""])):
        shop.load(file, items=tmp_path / "i.csv")
        assert shop.column("product_id") == ["17", None]
        assert "are not in" not in shop.text


@pytest.mark.parametrize("kind", [None, pa.string()])
def test_one_id_in_many_rows_differs_from_no_other(
    shop: Shop, events: Callable[..., Path], kind: pa.DataType | None
) -> None:
    shop.load(events("user_id", ["C1", "C1", "C2", "C2"], kind))
    assert "differs" not in shop.text


def test_a_small_number_with_an_exponent_is_not_called_too_large(
    shop: Shop, events: Callable[..., Path]
) -> None:
    with pytest.raises(SourceError, match="may have lost digits") as refused:
        shop.load(events("user_id", ["1", "1e3"]))
    assert "without an exponent" in refused.value.promised
