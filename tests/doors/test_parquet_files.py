"""Generated Parquet files of events: columns of any type, left out or damaged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from tests.doors.test_csv_files import NAMES, loaded
from tests.doors.tries import ends_well, texts, through, tried


def columns() -> Iterator[st.SearchStrategy[pa.Array]]:
    """Columns of two rows, of every type that Parquet holds."""
    kinds: dict[pa.DataType, st.SearchStrategy[Any]] = {
        pa.int8(): st.integers(-128, 127),
        pa.int64(): st.integers(-(2**63), 2**63 - 1),
        pa.uint64(): st.integers(0, 2**64 - 1),
        pa.float32(): st.floats(width=32),
        pa.float64(): st.floats() | st.sampled_from([2.0**53, 2.0**63, 1e300]),
        pa.bool_(): st.booleans(),
        pa.string(): texts.map(lambda text: text.encode(errors="replace").decode()),
        pa.large_string(): st.text(max_size=3).map(lambda text: text.encode(errors="replace").decode()),
        pa.binary(): st.binary(max_size=4),
        pa.binary(16): st.binary(min_size=16, max_size=16),
        pa.decimal128(38, 0): st.integers(-(10**37), 10**37).map(Decimal),
        pa.decimal128(20, 5): st.integers(-(10**9), 10**9).map(Decimal),
        pa.date32(): st.dates(),
        pa.time64("us"): st.times(),
        pa.timestamp("us"): st.datetimes(),
        pa.timestamp("ns"): st.datetimes(min_value=datetime(1678, 1, 1), max_value=datetime(2261, 1, 1)),
        pa.timestamp("us", "UTC"): st.datetimes(timezones=st.just(UTC)),
        pa.timestamp("ms", "Europe/Berlin"): st.datetimes(
            datetime(2, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC)
        ),
        pa.duration("us"): st.timedeltas(timedelta(days=-1000), timedelta(days=1000)),
        pa.null(): st.none(),
        pa.list_(pa.int64()): st.lists(st.integers(0, 9), max_size=2),
        pa.struct([("a", pa.int64())]): st.fixed_dictionaries({"a": st.integers(0, 9)}),
        pa.map_(pa.string(), pa.int64()): st.just([("a", 1)]),
    }
    for kind, values in kinds.items():
        rows = st.lists(values | st.none(), min_size=2, max_size=2)
        yield rows.map(lambda rows, kind=kind: pa.array(rows, kind))
    yield st.just(pa.array(["a", "b"]).dictionary_encode())


FITTING = {
    "user_id": pa.array([1, 2]),
    "item_id": pa.array([5, 6]),
    "event_type": pa.array(["purchase", "view"]),
    "occurred_at": pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * 2),
    "order_id": pa.array(["o1", None]),
    "quantity": pa.array([1.0, None]),
    "price": pa.array([2.5, None]),
    "discount": pa.array([0, 1]),
    "rating": pa.array(["4", None]),
}


@tried(20, 700)
def test_any_parquet_table(n: int, tmp_path: Path) -> None:
    """A column or two of another type, some left out; whole or damaged."""

    def check(others: dict[str, pa.Array], without: str, damage: tuple[int, bytes] | None) -> None:
        path = tmp_path / "events.parquet"
        pq.write_table(pa.table({k: v for k, v in (FITTING | others).items() if k != without}), path)
        if damage is not None:
            content = path.read_bytes()
            place = damage[0] % len(content)
            path.write_bytes(content[:place] + damage[1] + content[place + len(damage[1]) :])
        ends_well(loaded, path, "Europe/Berlin")

    through(
        n,
        check,
        others=st.dictionaries(st.sampled_from(NAMES), st.one_of(*columns()), max_size=2),
        without=st.sampled_from(["", "", "", *NAMES]),
        damage=st.none() | st.none() | st.tuples(st.integers(0, 10_000), st.binary(min_size=1, max_size=8)),
    )
