"""Bad input ends the night with one clear error, a non-zero exit and the live publication untouched.

Every case runs the real command against a real source, with a publication already live on a real
PostgreSQL; afterwards apps must read the same rows as before.
"""

from __future__ import annotations

import re
import resource
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pipeline import config
from pipeline.__main__ import main
from pipeline.config import ROOT
from pipeline.databases.embedded import PREFIX, Server
from tests.shelf import day

AS_OF = day(60)
USERS, ITEMS = range(1, 31), range(1, 16)
CREATE = """
CREATE TABLE events (customer_id {id}, product_id {id}, event_type text, occurred_at timestamp,
                     order_id text, quantity numeric);
CREATE TABLE products (product_id {id}, name text, category text, price numeric, discount numeric,
                       available boolean);
CREATE TABLE customers (customer_id {id}, segment text);
"""
Row = tuple[Any, ...]


def good_rows() -> list[Row]:
    """30 users, 15 items, each user buys ten items, one every six days."""
    return [
        (
            user,
            1 + (user * 7 + step * 2) % 15,
            "purchase",
            day(user % 6 + 6 * step - 0.5),
            f"o{user}-{step}",
            1,
        )
        for user in USERS
        for step in range(10)
    ]


def make_shop(
    path: Path, rows: list[Row], *, id_type: str = "bigint", drop: str = "", change: str = ""
) -> str:
    """A shop in SQLite, without the column `drop` of events, after the SQL `change`; returns its URL."""
    with sqlite3.connect(path) as db:
        db.executescript(CREATE.format(id=id_type))
        values = [(*row[:3], row[3].strftime("%Y-%m-%d %H:%M:%S.%f"), *row[4:]) for row in rows]
        db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", values)
        for table, column, place in (("products", "product_id", 1), ("customers", "customer_id", 0)):
            ids = sorted({row[place] for row in rows if row[place] is not None})
            db.executemany(f"INSERT INTO {table} ({column}) VALUES (?)", [(i,) for i in ids])
        if drop:
            db.execute(f"ALTER TABLE events DROP COLUMN {drop}")
        if change:
            db.execute(change)
    db.close()
    return f"sqlite:///{path}"


@dataclass(frozen=True)
class Live:
    """A serving database with a publication."""

    url: str

    def rows(self) -> list[Row]:
        with psycopg.connect(self.url) as db:
            lists = db.execute("SELECT * FROM serving.recommendations ORDER BY user_id, rank").fetchall()
            return lists + db.execute("SELECT version FROM serving.publications WHERE is_live").fetchall()


def write_config(folder: Path, **sections: dict[str, str]) -> Path:
    """config.toml with quick ALS and whatever a case changes."""
    folder.mkdir(exist_ok=True)
    values: dict[str, dict[str, str]] = {
        "tune": {"mode": '"never"'},
        "als": {"factors": "4", "iterations": "3"},
        **sections,
    }
    text = "\n".join(f"[{s}]\n" + "\n".join(f"{k} = {v}" for k, v in kv.items()) for s, kv in values.items())
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def live(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One good night, published."""
    folder, name = tmp_path_factory.mktemp("good"), f"t_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        server.create_database(name, owner=f"{PREFIX}_owner", db=db)
    live = Live(server.url(name))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHELF_HOME", str(folder / "home"))
        patch.setenv("NIGHTSHELF_SOURCE_URL", make_shop(folder / "shop.db", good_rows()))
        patch.setenv("NIGHTSHELF_SERVING_URL", live.url)
        assert main(["run", "--as-of", AS_OF.isoformat(), "--config", str(write_config(folder))]) == 0
    assert live.rows()
    yield live
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        db.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def refused(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Run the night on a bad source: it must exit 1 with one error; what it printed is returned."""
    monkeypatch.setenv("NIGHTSHELF_SERVING_URL", live.url)
    before = live.rows()

    def run(source: str, *arguments: str, settings: Path | None = None) -> str:
        monkeypatch.setenv("NIGHTSHELF_SOURCE_URL", source)
        path = settings or write_config(tmp_path)
        capfd.readouterr()
        as_of = [] if "--run-id" in arguments else ["--as-of", AS_OF.isoformat()]
        status = main(["run", *arguments, *as_of, "--config", str(path)])
        output = capfd.readouterr()
        assert status == 1, output.out
        assert "Traceback" not in output.err
        assert "  next:     " in output.err
        assert live.rows() == before
        return output.err

    return run


def test_source_not_reachable(refused: Callable[..., str]) -> None:
    message = refused("postgresql://shop:s3cret-pw@127.0.0.1:1/shop")
    assert "127.0.0.1" in message
    assert "NIGHTSHELF_SOURCE_URL" in message
    assert "s3cret-pw" not in message


def test_wrong_password_is_never_printed(refused: Callable[..., str], server: Server) -> None:
    good = psycopg.conninfo.conninfo_to_dict(server.url("shop"))
    message = refused(f"postgresql://{good['user']}:wr0ng%2Fpw@{good['host']}:{good['port']}/shop")
    assert "password" in message
    assert "wr0ng" not in message


def test_table_missing(refused: Callable[..., str], tmp_path: Path) -> None:
    message = refused(make_shop(tmp_path / "s.db", good_rows(), change="DROP TABLE events"))
    assert "events.sql" in message
    assert "no such table: events" in message


@pytest.mark.parametrize("column", ["order_id", "quantity"])
def test_column_missing(refused: Callable[..., str], tmp_path: Path, column: str) -> None:
    message = refused(make_shop(tmp_path / "s.db", good_rows(), drop=column))
    assert column in message
    assert "events.sql" in message


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ("UPDATE events SET quantity = 'many' WHERE customer_id = 3", "quantity"),
        ("UPDATE events SET occurred_at = '2026-02-01 noon' WHERE customer_id = 3", "occurred_at"),
        ("UPDATE events SET customer_id = 'ann' WHERE customer_id = 3", "user_id"),
        ("UPDATE events SET product_id = 1.5 WHERE customer_id = 3", "item_id"),
    ],
)
def test_a_column_of_the_wrong_type(
    refused: Callable[..., str], tmp_path: Path, change: str, column: str
) -> None:
    assert column in refused(make_shop(tmp_path / "s.db", good_rows(), change=change))


def test_unknown_event_type(refused: Callable[..., str], tmp_path: Path) -> None:
    change = "UPDATE events SET event_type = 'wishlist' WHERE customer_id = 3"
    message = refused(make_shop(tmp_path / "s.db", good_rows(), change=change))
    assert "event_type" in message
    assert "wishlist" in message


@pytest.mark.parametrize(("column", "name"), [("customer_id", "user_id"), ("product_id", "item_id")])
def test_null_ids(refused: Callable[..., str], tmp_path: Path, column: str, name: str) -> None:
    change = f"UPDATE events SET {column} = NULL WHERE customer_id = 3"
    message = refused(make_shop(tmp_path / "s.db", good_rows(), change=change))
    assert name in message
    assert "10" in message, "how many rows"


def test_times_in_the_future(refused: Callable[..., str], tmp_path: Path) -> None:
    change = "UPDATE events SET occurred_at = '2999-01-01 00:00:00' WHERE customer_id = 3 AND product_id < 4"
    message = refused(make_shop(tmp_path / "s.db", good_rows(), change=change))
    assert "occurred_at" in message
    assert "2999" in message


SHOP_OF_WORDS = {"ids": {"user": '"text"', "item": '"text"'}, "serving": {"schema": '"words"'}}


def in_words(rows: list[Row], user: str = "User", item: str = "SKU") -> list[Row]:
    """The same rows with ids such as User7 and SKU3."""
    return [(f"{user}{u}", f"{item}{i}", *rest) for u, i, *rest in rows]


def test_ids_of_another_case_than_in_users_sql(refused: Callable[..., str], tmp_path: Path) -> None:
    """As a database that compares without case holds them: every buyer is unknown here."""
    change = "UPDATE customers SET customer_id = lower(customer_id)"
    source = make_shop(tmp_path / "s.db", in_words(good_rows()), id_type="text COLLATE NOCASE", change=change)
    message = refused(source, settings=write_config(tmp_path / "text", **SHOP_OF_WORDS))
    assert "users.sql" in message
    assert "30 of 30 (100.0 %)" in message
    assert "in_events User1" in message
    assert "in_users user1" in message
    assert "differs_in upper and lower case" in message


def test_an_items_sql_of_another_shop(refused: Callable[..., str], tmp_path: Path) -> None:
    message = refused(
        make_shop(tmp_path / "s.db", good_rows(), change="UPDATE products SET product_id = -product_id")
    )
    assert "mend the data or sql/source/items.sql" in message
    assert "15 of 15 (100.0 %)" in message


@pytest.mark.parametrize(
    ("change", "table", "told"),
    [
        (
            "UPDATE events SET product_id = product_id || hex(randomblob(1400)) WHERE product_id = 'SKU3'",
            "events",
            "SKU3",
        ),
        (
            "UPDATE products SET category = hex(randomblob(1400)) WHERE product_id = 'SKU3'",
            "items",
            "2,684 bytes",
        ),
        ("UPDATE products SET category = 'fo' || char(0) || 'od'", "items", "NUL"),
        ("UPDATE events SET customer_id = customer_id || char(0)", "events", "NUL"),
    ],
)
def test_what_no_index_or_text_of_postgresql_can_hold(
    refused: Callable[..., str], tmp_path: Path, change: str, table: str, told: str
) -> None:
    source = make_shop(tmp_path / "s.db", in_words(good_rows()), id_type="text", change=change)
    message = refused(source, settings=write_config(tmp_path / "text", **SHOP_OF_WORDS))
    assert "the serving database can hold every" in message
    assert f"mend the data or sql/source/{table}.sql" in message
    assert told in message


def test_an_empty_window(refused: Callable[..., str], tmp_path: Path) -> None:
    long_ago = [(u, i, kind, at - timedelta(days=1000), order, n) for u, i, kind, at, order, n in good_rows()]
    message = refused(make_shop(tmp_path / "s.db", long_ago))
    assert "2023" in message, "when the last event was"


def test_nobody_bought(refused: Callable[..., str], tmp_path: Path) -> None:
    text = refused(make_shop(tmp_path / "s.db", good_rows(), change="UPDATE events SET event_type = 'view'"))
    assert "nobody bought" in text


def test_nobody_measurable(refused: Callable[..., str], tmp_path: Path) -> None:
    """Everybody bought once: such lists could go live, but never in place of lists that were judged."""
    once = [row for row in good_rows() if row[3] < day(5)]
    once_and_one_late_view = [*once, (1, 2, "view", day(59), None, 1)]
    message = refused(make_shop(tmp_path / "s.db", once_and_one_late_view))
    assert "nobody can be measured" in message
    assert "was judged" in message


def test_one_buyer(refused: Callable[..., str], tmp_path: Path) -> None:
    one = [row for row in good_rows() if row[0] == 1]
    assert "only one buyer" in refused(make_shop(tmp_path / "s.db", one))


def test_one_item(refused: Callable[..., str], tmp_path: Path) -> None:
    one = [(user, 1, *rest) for user, _, *rest in good_rows()]
    assert "only one item" in refused(make_shop(tmp_path / "s.db", one))


def test_every_user_bought_everything(refused: Callable[..., str], tmp_path: Path) -> None:
    """Nothing is new to anybody after the cut, so the lists could not be measured nor filled."""
    all_of_it = [
        (user, item, "purchase", day(at), f"{user}-{at}", 1)
        for user in (1, 2, 3)
        for item in (1, 2)
        for at in (1, 30, 58)
    ]
    message = refused(make_shop(tmp_path / "s.db", all_of_it))
    assert "nobody can be measured" in message
    assert 'repeat_purchases = "allow"' in message


def test_every_user_has_bought_everything_by_tonight(refused: Callable[..., str], tmp_path: Path) -> None:
    """Measurable, because the last item was bought after the cut; but there is nothing left to recommend."""
    rows = [(u, i, "purchase", day(at), None, 1) for u in (1, 2, 3) for i, at in ((1, 1), (2, 20), (3, 58))]
    message = refused(make_shop(tmp_path / "s.db", rows))
    assert "`recommendations` is empty" in message


def test_id_types_other_than_those_published(refused: Callable[..., str], tmp_path: Path) -> None:
    rows = [(f"u{user}", item, *rest) for user, item, *rest in good_rows()]
    source = make_shop(tmp_path / "s.db", rows, id_type="text")
    assert "user_id" in refused(source)
    settings = write_config(tmp_path / "text", ids={"user": '"text"', "item": '"text"'})
    message = refused(source, settings=settings)
    assert "bigint" in message or "integer" in message
    assert re.search(r"migrate --config \S+ --reset-serving", message)


def test_a_run_cut_off_in_the_middle_of_a_stage(refused: Callable[..., str], tmp_path: Path) -> None:
    """As a kill leaves it: files there, no receipt. The next stage names the one to run again."""
    source = make_shop(tmp_path / "s.db", good_rows())
    _prepare(source, tmp_path, "extract", "validate", "filter_purchasers")
    (runs(tmp_path) / "cut" / "receipts" / "filter_purchasers.json").unlink()
    message = refused(source, "split", "--run-id", "cut")
    assert "filter_purchasers has not finished" in message
    assert re.search(r"python -m pipeline run filter_purchasers --config \S+ --run-id cut", message)


def test_a_damaged_parquet_file(refused: Callable[..., str], tmp_path: Path) -> None:
    source = make_shop(tmp_path / "s.db", good_rows())
    _prepare(source, tmp_path, "extract", "validate")
    path = runs(tmp_path) / "cut" / "events.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    message = refused(source, "filter_purchasers", "--run-id", "cut")
    assert "events.parquet is not the file that extract wrote" in message


def test_a_full_disk_while_a_dataset_is_written(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on file size stands for the full disk; it must not reach the test's own process."""
    monkeypatch.setenv("NIGHTSHELF_SOURCE_URL", make_shop(tmp_path / "s.db", good_rows()))
    monkeypatch.setenv("NIGHTSHELF_SERVING_URL", live.url)
    before = live.rows()
    command = [sys.executable, "-m", "pipeline", "run", "--as-of", AS_OF.isoformat()]
    done = subprocess.run(
        [*command, "--config", str(write_config(tmp_path))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000)),
    )
    assert done.returncode == 1, done.stderr
    assert "no room for" in done.stderr
    assert "Traceback" not in done.stderr
    assert "  next:     " in done.stderr
    assert live.rows() == before
    assert not list(runs(tmp_path).glob("*/.*.part"))


def _prepare(source: str, tmp_path: Path, *stages: str) -> None:
    """The first stages of the run `cut`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHELF_SOURCE_URL", source)
        for stage in stages:
            as_of = ["--as-of", AS_OF.isoformat()] if stage == "extract" else []
            settings = str(write_config(tmp_path))
            assert main(["run", stage, "--run-id", "cut", *as_of, "--config", settings]) == 0


def runs(tmp_path: Path) -> Path:
    """Where this test's runs lie."""
    folder = config.runs_folder(config.load())
    assert tmp_path in folder.parents
    return folder
