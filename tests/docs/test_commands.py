"""The commands, queries and programs of README.md and docs/ are run; what they show is what there is."""

from __future__ import annotations

import csv
import os
import re
import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg import sql

from pipeline import config
from pipeline.__main__ import main
from pipeline.config import ROOT
from pipeline.contract.datasets import DATASETS
from pipeline.databases.embedded import PREFIX, Server
from pipeline.report.summary import metrics_lines
from pipeline.runs.folder import latest
from tests.docs.pages import COMMAND, PAGES, README, blocks, shell_lines, text
from tests.test_bad_input import AS_OF, good_rows, make_shop, write_config

NUMBERS = [name for name, kind in DATASETS["metrics"].columns.items() if kind != pa.string()]
READING_LISTS = tuple(page for page in PAGES if page.name != "your-data.md")
"""Those of docs/your-data.md read files: tests/docs/test_your_data.py runs them."""

ITEM, USER = 1082185, 42
"""The item and the user that the pages ask about."""
ELSEWHERE = {
    f"{COMMAND}airflow ": "tests/local/test_nights.py runs it",
    f"{COMMAND}export redis": "tests/docs/test_redis.py runs it, where there is a Redis server",
    "UI=": "tests/local/test_nights.py runs it",
    "TOKEN=": "tests/local/test_nights.py runs it",
    'curl "http://127.0.0.1:3000/': "tests/docs/test_readers.py runs it",
    "curl ": "tests/local/test_nights.py runs it",
    "docker compose ": "tests/test_compose.py holds it to docker-compose.yml",
    "cp .env.example .env": "tests/test_compose.py holds it to the file",
    ".venv/bin/python -c ": "tests/docs/test_duckdb_source.py runs it",
    "python3 -m venv .venv-ncf": "below",
    ".venv-ncf/bin/": "tests/models/test_ncf_training.py runs such a backtest, where there is torch",
    "make ": "tests/docs/test_words.py holds it to the Makefile",
    "export NIGHTSHELF_": "tests/docs/test_words.py holds it to the environment that is read",
    "psql ": "below",
    ".venv/bin/python -m pytest ": "tests/docs/test_development.py holds it to the tests",
}
"""How a line begins that is not run here -> where it is run, or held to the file it speaks of."""


def commands() -> list[str]:
    """Every `python -m pipeline ...` line of the shell blocks, in order and once, but those run elsewhere."""
    lines = [line for line in dict.fromkeys(shell_lines()) if line.startswith(COMMAND)]
    return [line for line in lines if not line.startswith(tuple(ELSEWHERE))]


def write_events(path: Path) -> None:
    """Two hundred days of a small shop, up to an hour ago, as a user would have them in a file."""
    now = datetime.now(UTC).replace(microsecond=0)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["user_id", "item_id", "event_type", "occurred_at"])
        for user in range(1, 61):
            for step in range(20):
                at = now - timedelta(hours=1 + user % 24, days=10 * step + user % 10)
                item = ITEM + (user % 3) * 25 + (user * 7 + step * 3) % 25
                rows.writerow([user, item, "purchase", at.isoformat()])


def write_items(folder: Path) -> None:
    """The items of `write_events`, and an embedding of two numbers for each."""
    item_ids = range(ITEM, ITEM + 75)
    with (folder / "my_items.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["item_id", "name", "category"])
        names = ("TROPICAL FRUIT", "GRAPES")
        rows.writerows((item_id, f"FRUIT {item_id}", names[item_id % 2]) for item_id in item_ids)
    embeddings = [[1.0, float(item_id % 3)] for item_id in item_ids]
    table = pa.table({"item_id": item_ids, "embedding": embeddings})
    pq.write_table(table, folder / "my_embeddings.parquet")


def write_users(path: Path) -> None:
    """The users of `write_events`, with two attributes and an address that is none."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["user_id", "segment", "plan", "year_of_birth", "mail", "known_at"])
        for user in range(1, 61):
            plan = ("free", "paid")[user % 2]
            rows.writerow([user, "", plan, 1950 + user, f"{user}@example.com", "2026-01-01"])


@dataclass(frozen=True)
class Newcomer:
    """Somebody who has run every command of the pages, and what that left.

    Searches try one parameter set instead of twenty: what they find is not looked at.
    """

    serving_url: str
    environment: dict[str, str]
    run: list[str]


@pytest.fixture(scope="module")
def newcomer(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    folder = tmp_path_factory.mktemp("newcomer")
    write_events(folder / "my_events.csv")
    write_items(folder)
    write_users(folder / "my_users.csv")
    (folder / "events.sql").write_text("SELECT * FROM 'my_events.csv'", encoding="utf-8")
    items = "SELECT DISTINCT item_id, 'FRUIT' AS name, 'TROPICAL FRUIT' AS category FROM 'my_events.csv'"
    (folder / "items.sql").write_text(items, encoding="utf-8")
    names = [f"t_{uuid.uuid4().hex[:12]}" for _ in range(2)]
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        for name in names:
            server.create_database(name, owner=f"{PREFIX}_owner", db=db)
    whole = config.path().read_text(encoding="utf-8")
    (folder / "config.toml").write_text(re.sub(r"(?m)^trials = 20", "trials = 1 ", whole), encoding="utf-8")
    environment = {
        "NIGHTSHELF_CONFIG": str(folder),
        "NIGHTSHELF_HOME": str(folder / "home"),
        "NIGHTSHELF_SOURCE_URL": server.url(names[0]),
        "NIGHTSHELF_SERVING_URL": server.url(names[1]),
    }
    done = []
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.chdir(folder)
        for command in commands():
            arguments = shlex.split(command.removeprefix(COMMAND))
            if "RUN_ID" in arguments:
                runs = latest(config.runs_folder(config.load()))
                arguments[arguments.index("RUN_ID")] = runs[0].name
            assert main(arguments) == 0, command
            done.append(command)
    yield Newcomer(server.url(names[1]), environment, done)
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        for name in names:
            db.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_every_line_of_a_shell_block_is_run_or_held_to_what_it_speaks_of() -> None:
    lines = shell_lines()
    assert len(lines) > 20
    for line in set(lines) - set(commands()):
        assert line.startswith(tuple(ELSEWHERE)), f"no test looks at: {line}"


def test_every_command_was_run(newcomer: Newcomer) -> None:
    assert newcomer.run == commands()
    lines = " ".join(newcomer.run)
    for words in ("load events", "run --as-of last", "run evaluate", "--run-id", "rollback --hold", "forget"):
        assert words in lines


def test_every_query_has_an_answer(newcomer: Newcomer) -> None:
    queries = blocks("sql", READING_LISTS)
    assert len(queries) >= 9
    with psycopg.connect(newcomer.serving_url) as db:
        for query in queries:
            role = re.match(r"-- as (?:the )?(\w+)\n", query)
            name = role[1].removeprefix(f"{PREFIX}_") if role else "reader"
            db.execute(f"SET ROLE {PREFIX}_{name}")
            answer = db.execute(query)  # type: ignore[call-overload]
            assert answer.description is None or answer.fetchall(), query
        db.rollback()


def test_a_login_for_an_app_reads_the_lists_and_nothing_else(newcomer: Newcomer) -> None:
    [query] = [query for query in blocks("sql", READING_LISTS) if "CREATE ROLE shop_app" in query]
    [(name, password)] = re.findall(r"CREATE ROLE (\w+) LOGIN PASSWORD '(.*?)'", query)
    with psycopg.connect(newcomer.serving_url, autocommit=True) as db:
        db.execute(query)  # type: ignore[call-overload]
        try:
            with psycopg.connect(newcomer.serving_url, user=name, password=password) as app:
                assert app.execute("SELECT * FROM serving.recommend(1, 3)").fetchall()
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    app.execute("INSERT INTO serving.blocked_items (item_id, reason) VALUES (1, 'no')")
        finally:
            db.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.mark.parametrize("page", ["README.md", "docs/apps.md"])
def test_the_views_have_the_columns_of_the_table(newcomer: Newcomer, page: str) -> None:
    promised = re.findall(r"^\| `(\w+)` \| `([a-z0-9_, ]+)`", text(ROOT / page), re.M)
    assert [name for name, _ in promised] == [
        "recommendations",
        "on_shelf",
        *(() if page == "README.md" else ("model_order",)),
        "popular_items",
        "similar_items",
        "also_bought",
        *(() if page == "README.md" else ("popular_in_segment", "user_segments", "items", "shop")),
    ]
    with psycopg.connect(newcomer.serving_url) as db:
        for name, columns in promised:
            description = db.execute(f"SELECT * FROM serving.{name} LIMIT 0").description or []  # type: ignore[call-overload]
            assert ", ".join(column.name for column in description) == columns


def test_apps_md_names_everything_that_a_reader_sees(newcomer: Newcomer) -> None:
    page = text(ROOT / "docs" / "apps.md").partition("## What there is")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\| `(\w+)(?:\([\w, ]+\))?` \|", page, re.M))
    with psycopg.connect(newcomer.serving_url) as db:
        rows = db.execute(
            f"""SELECT table_name FROM information_schema.role_table_grants
            WHERE grantee = '{PREFIX}_reader' AND table_schema = 'serving'
            UNION SELECT routine_name FROM information_schema.role_routine_grants
            WHERE grantee = '{PREFIX}_reader' AND routine_schema = 'serving'"""
        ).fetchall()
    assert named == {name for (name,) in rows}


def test_the_psql_line_logs_in_as_a_reader(newcomer: Newcomer, server: Server) -> None:
    [line] = {line for line in shell_lines() if line.startswith("psql")}
    psql = Path(shlex.split(server.psql("serving", "reader"))[0])
    path = f"{psql.parent}:{os.environ['PATH']}" if psql.is_absolute() else os.environ["PATH"]
    done = subprocess.run(
        ["bash", "-c", line.replace(".venv/bin/python", sys.executable)],
        input="SELECT current_user; SELECT count(*) FROM serving.recommendations;",
        cwd=ROOT,
        env={**os.environ, **newcomer.environment, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{PREFIX}_reader" in done.stdout


def test_the_error_that_is_shown_is_the_real_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serving_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    [shown] = [block for block in blocks("text") if "has no column" in block]
    folder = tmp_path / "source"
    folder.mkdir()
    select = (ROOT / "sql" / "source" / "events.sql").read_text(encoding="utf-8")
    without = "".join(line for line in select.splitlines(True) if "AS order_id" not in line or "--" in line)
    (folder / "events.sql").write_text(without, encoding="utf-8")
    monkeypatch.setenv("NIGHTSHELF_SOURCE_URL", make_shop(tmp_path / "s.db", good_rows()))
    monkeypatch.setenv("NIGHTSHELF_SERVING_URL", serving_url)
    settings = write_config(tmp_path / "config", source={"sql": f'"{folder}"'})
    assert main(["run", "extract", "--as-of", AS_OF.isoformat(), "--config", str(settings)]) == 1
    told = capsys.readouterr().err.replace(f" --config {settings}", "")
    told = re.sub(r"\S+(?= -m pipeline)", ".venv/bin/python", told)
    assert told.replace(str(folder), "sql/source") == shown


def test_the_demo_s_output_has_todays_columns(newcomer: Newcomer) -> None:
    [shown] = [block for block in blocks("text", (README,)) if "Precision@3" in block]
    rows = [{"model": "als", "repeat_purchases": "exclude", **dict.fromkeys(NUMBERS, 0.5)}]
    assert metrics_lines(rows, "exclude").splitlines()[1] in shown.splitlines()
    queries = re.findall(r": (SELECT .*;)$", shown, re.M)
    assert queries
    with psycopg.connect(newcomer.serving_url) as db:
        for query in queries:
            assert db.execute(query).fetchall(), query
