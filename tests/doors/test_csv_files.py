"""Generated CSV files of events: any fields, quotes, line ends and encodings."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from hypothesis import strategies as st

from pipeline.config import Ids
from pipeline.loading import events_file
from tests.doors.tries import ends_well, texts, through, tried

NOW = datetime(2026, 11, 20, tzinfo=UTC)
HEAD = "user_id,item_id,event_type,occurred_at,order_id,quantity,price,discount,rating"
STRANGE = "customer,article,action,date,invoice,qty,unit_price,rabatt,stars"
"""Names that a draft guesses from."""

NAMES = HEAD.split(",")
ROW = ("17", "5", "purchase", "2026-01-31 18:05:00", "o1", "1", "2.5", "0", "4")


def loaded(path: Path, zone: str) -> int:
    """How many rows of the file would be loaded."""
    before = path.read_bytes()
    try:
        with events_file.read(path, None, None, Ids(), zone, NOW) as shop:
            return sum(batch.num_rows for batch in shop.events)
    finally:
        assert path.read_bytes() == before


@tried(20, 1_300)
def test_any_csv(n: int, tmp_path: Path) -> None:
    """Rows with a field or two replaced, some cut off, of any line ends and quotes; or bytes of no kind."""
    field = st.one_of(
        st.just(None),
        st.just(None),
        texts,
        st.sampled_from(['"', '"a', 'a"', '"a""b"', '"a\nb"', "\\N", "17.0"]),
    )
    rows = st.lists(st.tuples(*[field] * len(ROW)), max_size=4)
    ends = st.sampled_from(["\n", "\r\n", "\r", "\r\r\n", ""])

    def check(
        rows: list[tuple[str | None, ...]], end: str, head: str, tail: bytes, encoding: str, zone: str
    ) -> None:
        lines = [
            head,
            *(
                ",".join(new if new is not None else old for new, old in zip(row, ROW, strict=True))
                for row in rows
            ),
        ]
        path = tmp_path / "events.csv"
        path.write_bytes(end.join(lines).encode(encoding, errors="replace") + end.encode() + tail)
        ends_well(loaded, path, zone)

    through(
        n,
        check,
        rows=rows,
        end=ends,
        head=st.sampled_from(
            [
                HEAD,
                HEAD,
                HEAD,
                HEAD.replace(",", ";"),
                f"\ufeff{HEAD}",
                HEAD.upper(),
                f"{HEAD},user_id",
                STRANGE,
            ]
        )
        | texts,
        tail=st.just(b"") | st.binary(max_size=8),
        encoding=st.sampled_from(["utf-8", "utf-8", "utf-16", "latin-1"]),
        zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
    )
