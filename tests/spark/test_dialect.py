"""What sqlglot is told, so that statements mean in Spark what they mean in DuckDB. No Java is needed."""

from __future__ import annotations

import pytest

from pipeline.config import ROOT
from pipeline.engine import statement as in_duckdb
from pipeline.spark.dialect import statement, translated

pytestmark = pytest.mark.spark

STATEMENTS = [path.stem for path in sorted((ROOT / "sql" / "transform").glob("*.sql"))]


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_binds_what_it_bound(name: str) -> None:
    values = {word for word in in_duckdb(name).split() if "$" in word}
    assert bool(values) == (":" in statement(name).replace("::", ""))
    assert "$" not in statement(name)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT epoch(t) FROM e", "SELECT unix_micros(t) / 1e6 FROM e"),
        ("SELECT epoch_us(t) FROM e", "SELECT UNIX_MICROS(t) FROM e"),
        ("SELECT hash(a, b) FROM e", "SELECT XXHASH64(a, b) FROM e"),
        (
            "SELECT sum(CAST(a AS BIGINT)) FROM e",
            "SELECT SUM(CAST(CAST(a AS BIGINT) AS DECIMAL(38, 0))) FROM e",
        ),
        ("SELECT sum(a) FROM e", "SELECT SUM(a) FROM e"),
        ("SELECT a FROM e WHERE b = $b ORDER BY a", "SELECT a FROM e WHERE b = :b ORDER BY a NULLS LAST"),
    ],
)
def test_what_is_told(text: str, words: str) -> None:
    assert translated(text).lower() == words.lower()
