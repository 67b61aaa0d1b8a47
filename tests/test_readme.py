"""README.md against the code: its commands are run, its queries answered, its names looked up."""

from __future__ import annotations

import csv
import os
import re
import shlex
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest
from psycopg import sql

from pipeline import config
from pipeline.__main__ import main
from pipeline.config import ROOT
from pipeline.contract.datasets import DATASETS
from pipeline.contract.stages import STAGES
from pipeline.databases.embedded import PREFIX, Server
from pipeline.report.summary import metrics_lines
from pipeline.runs.folder import latest
from tests.test_bad_input import AS_OF, good_rows, make_shop, write_config

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMAND = ".venv/bin/python -m pipeline "
NUMBERS = [name for name, kind in DATASETS["metrics"].columns.items() if kind != pa.string()]
ITEM = 1082185
"""The item that the README asks similar items of."""


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", README, re.S | re.M)


def commands() -> list[str]:
    """Every `python -m pipeline ...` line of the shell blocks, in order, without its comment.

    Save those for Airflow: tests/local/test_nights.py has one running.
    """
    lines = (line.strip() for block in blocks("sh") for line in block.splitlines())
    ours = [line.split("#")[0].strip() for line in lines if line.startswith(COMMAND)]
    return [line for line in ours if not line.startswith(f"{COMMAND}airflow ")]


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


@dataclass(frozen=True)
class Newcomer:
    """Somebody who has run every command of the README, and what that left."""

    serving_url: str
    environment: dict[str, str]
    run: list[str]


@pytest.fixture(scope="module")
def newcomer(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    folder = tmp_path_factory.mktemp("newcomer")
    write_events(folder / "my_events.csv")
    names = [f"t_{uuid.uuid4().hex[:12]}" for _ in range(2)]
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        for name in names:
            server.create_database(name, owner=f"{PREFIX}_owner", db=db)
    environment = {
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


def test_every_command_was_run(newcomer: Newcomer) -> None:
    assert newcomer.run == commands()
    lines = " ".join(newcomer.run)
    assert all(word in lines for word in ("load events", "run --as-of last", "run evaluate", "--run-id"))


def test_every_query_has_an_answer(newcomer: Newcomer) -> None:
    queries = blocks("sql")
    assert len(queries) >= 7
    with psycopg.connect(newcomer.serving_url) as db:
        for query in queries:
            operator = re.match(rf"-- as {PREFIX}_(operator)\n", query)
            db.execute(f"SET ROLE {PREFIX}_{operator[1] if operator else 'reader'}")
            assert db.execute(query).fetchall(), query  # type: ignore[call-overload]
        db.rollback()


def test_every_python_example_reads_a_shelf(newcomer: Newcomer) -> None:
    examples = blocks("python")
    assert [line.split()[1] for example in examples for line in example.splitlines()[:1]] == [
        "psycopg",
        "sqlalchemy",
    ]
    for example in examples:
        names: dict[str, object] = {"URL": newcomer.serving_url}
        exec(compile(example, "README.md", "exec"), names)
        assert len(names["rows"]) == 10, example  # type: ignore[arg-type]


def test_the_views_have_the_columns_of_the_table(newcomer: Newcomer) -> None:
    promised = re.findall(r"^\| `(\w+)` \| `([a-z0-9_, ]+)`", README, re.M)
    assert [name for name, _ in promised] == [
        "recommendations",
        "on_shelf",
        "popular_items",
        "similar_items",
        "also_bought",
    ]
    with psycopg.connect(newcomer.serving_url) as db:
        for name, columns in promised:
            description = db.execute(f"SELECT * FROM serving.{name} LIMIT 0").description or []  # type: ignore[call-overload]
            assert ", ".join(column.name for column in description) == columns


def test_the_psql_line_logs_in_as_a_reader(newcomer: Newcomer, server: Server) -> None:
    (line,) = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("psql")]
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
    (shown,) = [block for block in blocks("text") if "has no column" in block]
    folder = tmp_path / "source"
    folder.mkdir()
    select = (ROOT / "sql" / "source" / "events.sql").read_text(encoding="utf-8")
    without = "".join(line for line in select.splitlines(True) if "AS order_id" not in line or "--" in line)
    (folder / "events.sql").write_text(without, encoding="utf-8")
    monkeypatch.setenv("NIGHTSHELF_SOURCE_URL", make_shop(tmp_path / "s.db", good_rows()))
    monkeypatch.setenv("NIGHTSHELF_SERVING_URL", serving_url)
    settings = write_config(tmp_path / "config", source={"sql": f'"{folder}"'})
    assert main(["run", "extract", "--as-of", AS_OF.isoformat(), "--config", str(settings)]) == 1
    assert capsys.readouterr().err.replace(str(folder), "sql/source") == shown


def test_the_demo_s_output_has_todays_columns(newcomer: Newcomer) -> None:
    (shown,) = [block for block in blocks("text") if "Precision@3" in block]
    rows = [{"model": "als", "repeat_purchases": "exclude", **dict.fromkeys(NUMBERS, 0.5)}]
    assert metrics_lines(rows, "exclude").splitlines()[1] in shown.splitlines()
    with psycopg.connect(newcomer.serving_url) as db:
        for query in re.findall(r": (SELECT .*;)$", shown, re.M):
            assert db.execute(query).fetchall(), query


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = set(re.findall(r"`make ([a-z-]+)`", README)) | set(re.findall(r"^make ([a-z-]+)$", README, re.M))
    assert {"demo", "up", "down", "test", "check"} <= named <= targets


def test_every_setting_has_the_default_the_readme_tells() -> None:
    values = tomllib.loads(config.path().read_text(encoding="utf-8"))
    rows = re.findall(r"^\| (`[a-z_.]+`(?:, `[a-z_]+`)*) \| ([^|]+) \|", README, re.M)
    table = {names: [v.strip(" `") for v in defaults.split(",")] for names, defaults in rows if "." in names}
    assert len(table) >= 8
    for names, defaults in table.items():
        section = names.split(".")[0].strip("`")
        for name, default in zip(re.findall(r"([a-z_]+)`", names), defaults, strict=True):
            assert str(values[section][name]) == default, name


def test_every_stage_is_told_in_order() -> None:
    names = re.findall(r"^\| `(\w+)` \| (?!`)", README, re.M)
    assert [name for name in names if name in {stage.name for stage in STAGES}] == [s.name for s in STAGES]


def test_every_path_exists() -> None:
    left_by_a_run = (
        ".nightshelf/",
        "best_params.json",
        "validation.json",
        "decision.json",
        "data_docs/",
        ".venv",
    )
    paths = re.findall(r"`([\w./*-]+(?:\.(?:py|sql|toml|json|md)|/))`", README)
    assert paths
    for path in paths:
        if not path.startswith(left_by_a_run):
            matches = list(ROOT.glob(path)) or list((ROOT / "sql" / "source").glob(path))
            assert matches, path
