"""Generated query files: parts of SQL in any order, any texts, any bytes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from hypothesis import strategies as st

from pipeline.config import Ids
from pipeline.loading import events_file
from pipeline.loading.query_file import Query
from tests.doors.tries import ends_well, files_below, texts, through, tried

NOW = datetime(2026, 11, 20, tzinfo=UTC)
COLUMNS = "1 AS user_id, 2 AS item_id, 'view' AS event_type, DATE '2026-01-31' AS occurred_at"
PARTS = st.sampled_from(
    [
        *(
            f"SELECT {COLUMNS}",
            f"SELECT {COLUMNS} FROM 'e.csv'",
            "FROM 'e.csv'",
            "SELECT *",
            "FROM 'nowhere*'",
        ),
        *("SELECT * REPLACE (upper(event_type) AS event_type) FROM", "WITH w AS (", ")", "(", "FROM w", ","),
        *(
            "UNION ALL",
            "UNION BY NAME",
            "LIMIT 1",
            "ORDER BY ALL",
            "JOIN",
            "USING (user_id)",
            ";",
            "--",
            "/*",
        ),
        *("COPY 'e.csv' TO 'out.csv'", "COPY (", ") TO 'out.csv'", "CREATE TABLE t AS", "ATTACH 'out.db'"),
        *(
            "read_csv('e.csv')",
            "read_parquet('e.csv')",
            "query('SELECT 1')",
            "read_text('/proc/self/environ')",
        ),
        *(
            "'https://example.org/e.csv'",
            "$1",
            "?",
            "'",
            '"',
            "TABLE e",
            "VALUES (1)",
            "PIVOT 'e.csv' ON item_id",
        ),
        *(
            "INSERT INTO t",
            "RETURNING *",
            "SET threads = 1",
            "PRAGMA version",
            "DESCRIBE",
            "EXPLAIN",
            "\0",
            "\n",
        ),
    ]
)


def loaded(path: Path) -> int:
    """How many rows the query would load."""
    folder, before = Path.cwd(), files_below(path.parent)
    try:
        with events_file.read(Query(path), None, None, Ids(), "UTC", NOW) as shop:
            return sum(batch.num_rows for batch in shop.events)
    finally:
        assert Path.cwd() == folder
        assert files_below(path.parent) == before


@tried(40, 500)
def test_any_query(n: int, tmp_path: Path) -> None:
    """Parts of statements, some of them good ones, and bytes of no kind: nothing is ever written."""
    (tmp_path / "e.csv").write_text("user_id,item_id,event_type,occurred_at\n1,2,view,2026-01-31\n")
    path = tmp_path / "q.sql"

    def check(parts: list[str], tail: bytes) -> None:
        path.write_bytes(" ".join(parts).encode("utf-8", errors="replace") + tail)
        ends_well(loaded, path)

    through(
        n,
        check,
        parts=st.lists(st.one_of(PARTS, PARTS, texts), max_size=6),
        tail=st.one_of(st.just(b""), st.just(b""), st.binary(max_size=4)),
    )
