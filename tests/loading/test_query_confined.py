"""What a query file may read: local files, and nothing of this machine besides."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import SourceError
from pipeline.loading.query_file import to_parquet
from tests.loading.queries import TILL

SOURCES = {
    "a name": "'till.csv'",
    "a pattern": "'t*.csv'",
    "several": "read_csv(['till.csv', 'till.csv'])",
    "another folder": "'../other/till.csv'",
    "home": "'~/other/till.csv'",
    "Parquet": "read_parquet('till.parquet', hive_partitioning = false)",
    "a database file": "read_duckdb('till.duckdb', table_name = 'till')",
    "a VALUES": "(VALUES (7)) AS v (who)",
    "a UNION": "(SELECT who FROM 'till.csv' UNION ALL BY NAME SELECT who FROM '../other/till.csv')",
    "a recursion": "(WITH RECURSIVE r AS (SELECT 7 AS who UNION SELECT who + 1 FROM r WHERE who < 9) FROM r)",
    "a PIVOT": "(PIVOT 'till.csv' ON sku IN ('A-1') USING sum(n) GROUP BY who)",
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_what_a_query_may_read(
    own_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "till.csv").write_text(TILL, encoding="utf-8")
    with duckdb.connect(str(tmp_path / "till.duckdb")) as db:
        monkeypatch.chdir(own_files)
        db.execute("CREATE TABLE till AS FROM 'till.csv'")
        db.execute("COPY till TO 'till.parquet'")
    shutil.move(tmp_path / "till.duckdb", own_files)
    before = {path.name: path.read_bytes() for path in own_files.iterdir()}
    (own_files / "events.sql").write_text(
        f"SELECT DISTINCT who AS user_id FROM {source}", encoding="utf-8-sig"
    )
    to_parquet(own_files / "events.sql", tmp_path / "rows.parquet", tmp_path / "spill", str)
    assert 7 in pq.read_table(tmp_path / "rows.parquet")["user_id"].to_pylist()
    assert {path.name for path in own_files.iterdir()} == set(before)
    assert all((own_files / name).read_bytes() == before[name] for name in before if name != "events.sql")


REFUSED = [
    # the query; what the error says of it
    ("", "no statement"),
    ("-- SELECT 1", "no statement"),
    ("SELECT 1; SELECT 2", "2 statements: SELECT, SELECT"),
    ("SET threads = 1; SELECT 1", "2 statements: SET, SELECT"),
    ("COPY (SELECT 1) TO 'out.csv'", "of the kind COPY"),
    ("EXPORT DATABASE 'out'", "of the kind EXPORT"),
    ("ATTACH 'out.db'", "of the kind ATTACH"),
    ("CREATE TABLE t AS SELECT 1", "of the kind CREATE"),
    ("CREATE SECRET (TYPE s3)", "of the kind"),
    ("INSERT INTO t VALUES (1)", "of the kind INSERT"),
    ("UPDATE t SET a = 1", "of the kind UPDATE"),
    ("DELETE FROM t", "of the kind DELETE"),
    ("PRAGMA version", "of the kind PRAGMA"),
    ("SET enable_external_access = true", "of the kind SET"),
    ("CALL pragma_version()", "of the kind CALL"),
    ("INSTALL httpfs", "of the kind LOAD"),
    ("LOAD httpfs", "of the kind LOAD"),
    ("EXPLAIN ANALYZE SELECT 1", "of the kind EXPLAIN"),
    ("WITH w AS (INSERT INTO t VALUES (1) RETURNING *) FROM w", "of the kind INSERT inside it"),
    ("SELECT * FROM (WITH w AS (DELETE FROM t RETURNING *) FROM w)", "of the kind DELETE inside it"),
    ("PIVOT 'till.csv' ON sku USING sum(n)", "a PIVOT that does not name its columns"),
    ("SELECT $start AS user_id", "values that are not given: $start"),
    ("FROM query('SELECT 1')", "the function query in FROM"),
    ("FROM QUERY_TABLE(['till.csv'])", "the function "),
    ("FROM duckdb_secrets()", "the function duckdb_secrets in FROM"),
    ("FROM duckdb_settings()", "the function duckdb_settings in FROM"),
    ("FROM enable_logging(storage = 'file', storage_path = 'out')", "the function enable_logging in FROM"),
    ("SELECT (SELECT count(*) FROM checkpoint())", "the function checkpoint in FROM"),
    ("FROM json_execute_serialized_sql('{}')", "the function json_execute_serialized_sql in FROM"),
    (f"SELECT {' || '.join(['1'] * 900)}", "nested too deep"),
]


@pytest.mark.parametrize(("text", "found"), REFUSED)
def test_anything_but_one_select_over_files_is_refused_and_leaves_nothing(
    rows_of: Callable[..., Any], tmp_path: Path, text: str, found: str
) -> None:
    with pytest.raises(SourceError) as caught:
        rows_of(text)
    error = caught.value
    assert str(tmp_path / "q.sql") in error.what
    assert "one SELECT" in error.what
    assert found in error.found
    assert "then the same again" in error.then
    assert [path.name for path in tmp_path.iterdir()] == ["q.sql"]


@pytest.mark.parametrize(
    "path",
    ["https://example.org/e.csv", "s3://shop/e.parquet", "hf://datasets/a/e.csv", "HTTP://a/e.csv"],
)
@pytest.mark.parametrize("way", ["FROM '{}'", "FROM read_csv('{}')", "FROM read_parquet(['{}'])"])
def test_the_network_is_not_reached(rows_of: Callable[..., Any], path: str, way: str) -> None:
    with pytest.raises(SourceError, match="reads over the network") as caught:
        rows_of(way.format(path))
    assert path in caught.value.found
    assert caught.value.then.startswith("download the file")


def test_an_address_in_a_value_is_no_network(rows_of: Callable[..., Any]) -> None:
    assert rows_of("SELECT 'https://example.org/tea' AS item_id") == [{"item_id": "https://example.org/tea"}]


@pytest.mark.parametrize(
    "path",
    [
        *("/proc/self/environ", "../../../../../../../../proc/self/environ", "/*/self/environ"),
        "/dev/fd/../environ",
    ],
)
def test_the_environment_is_not_read(
    rows_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://user:hidden@proxy:1")
    with pytest.raises(SourceError) as caught:
        rows_of(f"SELECT content AS user_id FROM read_text('{path}')")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("value", ["getenv('HTTP_PROXY')", "current_setting('http_proxy')"])
def test_no_function_tells_of_the_environment(
    rows_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://user:hidden@proxy:1")
    try:
        found = str(rows_of(f"SELECT {value} AS user_id"))
    except SourceError as error:
        found = str(error)
    assert "hidden" not in found


def test_variables_of_the_program_are_no_tables(rows_of: Callable[..., Any]) -> None:
    spill = pa.table({"user_id": [1]})
    assert spill.num_rows == 1
    for name in ("spill", "rows", "text"):
        with pytest.raises(SourceError, match="fails") as caught:
            rows_of(f"FROM {name}")
        assert "does not exist" in caught.value.found
