"""Nights of a scheduled Airflow with two shops, driven through REST as people and programs do it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
import pytest

from pipeline import config
from pipeline.errors import AirflowError
from pipeline.loading import load
from pipeline.local.airflow import LocalAirflow
from pipeline.local.api import Api
from pipeline.local.demo import follow, reason
from pipeline.local.servers import DAG_ID, unpause
from tests.docs.pages import COMMAND, blocks, shell_lines
from tests.export.servers import RedisServer, redis_server

pytestmark = pytest.mark.slow
BOOKS = """
[run]
folder = "runs-books"
[tune]
mode = "never"
[schedule]
asset = "serving.recommendations"
[source]
connection = "books"
[serving]
schema = "books"
role_prefix = "books"
[approval]
is_required = true
"""
SECONDS = 600.0


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The Redis server that the first shop's lists are copied to."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def airflow(store: RedisServer) -> Iterator[LocalAirflow]:
    """An Airflow with the daily schedule on, a made-up shop and a second one beside it; not yet unpaused."""
    home = Path(tempfile.mkdtemp(prefix="nightshelf-nights-"))
    home.chmod(0o755)
    settings = home / "settings"
    settings.mkdir()
    text = config.path().read_text(encoding="utf-8").replace('mode = "auto"', 'mode = "never"')
    text = text.replace('[redis]\nconnection = ""', '[redis]\nconnection = "redis"')
    assert 'connection = "redis"' in text
    (settings / "config.toml").write_text(text, encoding="utf-8")
    (settings / "config.books.toml").write_text(BOOKS, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHELF_CONFIG", str(settings))
        patch.setenv("NIGHTSHELF_HOME", str(home))
        patch.setenv("NIGHTSHELF_REDIS_URL", store.url())
        airflow = LocalAirflow(home)
        try:
            airflow.server.start()
            shop = airflow.server.url("shop")
            now = datetime.now(UTC)
            load("synthetic", shop, now=now, say=str, settings=config.load(), n_events=20_000, seed=1)
            airflow.start(str)
            yield airflow
        finally:
            airflow.stop()
            airflow.server.destroy()
            shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(autouse=True)
def _its_home(airflow: LocalAirflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHELF_HOME", str(airflow.home))
    monkeypatch.setenv("NIGHTSHELF_CONFIG", str(airflow.home / "settings"))


@pytest.fixture
def api(airflow: LocalAirflow) -> Api:
    return airflow.api()


@pytest.fixture(scope="module")
def tonight(airflow: LocalAirflow) -> str:
    """The id of the night that the schedule began by itself, finished."""
    api = airflow.api()
    unpause(api)
    [run] = until(lambda: runs(api, DAG_ID), "the schedule begins no night")
    follow(api, run["dag_run_id"], str)
    return str(run["dag_run_id"])


def until(look: Callable[[], Any], otherwise: str) -> Any:
    """What `look` finds, as soon as that is something."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if result := look():
            return result
        time.sleep(0.5)
    raise AssertionError(otherwise)


def runs(api: Api, dag_id: str) -> list[dict[str, Any]]:
    """Runs of a DAG, the newest first."""
    return list(api.get(f"/dags/{dag_id}/dagRuns?order_by=-run_after")["dag_runs"])


def tasks(api: Api, run_id: str, dag_id: str = DAG_ID) -> dict[str, dict[str, Any]]:
    instances = api.get(f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances")["task_instances"]
    return {task["task_id"]: task for task in instances}


def trigger(api: Api, conf: dict[str, Any], dag_id: str = DAG_ID) -> str:
    run = api.post(f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})
    return str(run["dag_run_id"])


def succeeds(api: Api, run_id: str, dag_id: str = DAG_ID) -> None:
    """Wait for the end of a run, which is a good one; else say what failed and why."""
    run = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"

    def look() -> str | None:
        state = str(api.get(run)["state"])
        return state if state in ("success", "failed") else None

    state = until(look, f"{run_id} does not end")
    failed = {name: task for name, task in tasks(api, run_id, dag_id).items() if task["state"] == "failed"}
    assert state == "success", {name: reason(api, run, task) for name, task in failed.items()}


def update(api: Api, asset: str) -> None:
    """Tell Airflow that an asset is new, as another team's pipeline does."""
    [known_asset] = [row for row in api.get("/assets?limit=1000")["assets"] if row["name"] == asset]
    api.post("/assets/events", {"asset_id": known_asset["id"]})


def as_of(airflow: LocalAirflow, run_id: str, folder: str = "runs") -> datetime:
    about = json.loads((airflow.home / folder / run_id / "run.json").read_text())
    return datetime.fromisoformat(about["as_of"])


def live(airflow: LocalAirflow, schema: str = "serving") -> str:
    """The id of the run whose lists apps read."""
    with psycopg.connect(airflow.server.admin_url("serving")) as db:
        rows = db.execute(f"SELECT run_id FROM {schema}.publications WHERE is_live".encode()).fetchall()
    return str(rows[0][0])


def test_the_schedule_begins_the_night_and_its_window_ends_there(airflow: LocalAirflow, tonight: str) -> None:
    assert tonight.startswith("scheduled__")
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    assert as_of(airflow, tonight) in (midnight, midnight - timedelta(days=1))
    assert live(airflow) == tonight


def test_a_backfill_makes_up_for_past_days_and_replaces_nothing_newer(
    airflow: LocalAirflow, api: Api, tonight: str
) -> None:
    last = as_of(airflow, tonight)
    days = [last - timedelta(days=2), last - timedelta(days=1)]
    [command] = [line for line in shell_lines() if line.startswith(f"{COMMAND}airflow backfill create ")]
    words = (
        command.removeprefix(".venv/bin/python ")
        .replace("2026-11-10", days[0].isoformat())
        .replace("2026-11-16", days[1].isoformat())
    )
    subprocess.run([sys.executable, *words.split()], check=True, cwd=config.ROOT)

    def look() -> list[str]:
        run_ids = [run["dag_run_id"] for run in runs(api, DAG_ID) if run["run_type"] == "backfill"]
        return run_ids if len(run_ids) == 2 else []

    run_ids = until(look, "the backfill makes no two runs")
    for run_id in run_ids:
        succeeds(api, run_id)
    assert sorted(as_of(airflow, run_id) for run_id in run_ids) == days
    for run_id in run_ids:
        assert tasks(api, run_id)["publish"]["state"] == "skipped"
        assert (airflow.home / "runs" / run_id / "report.html").exists()
        assert (airflow.home / "runs" / run_id / "metrics.parquet").exists()
    assert live(airflow) == tonight


def test_a_night_is_triggered_by_the_lines_of_the_page(airflow: LocalAirflow, api: Api, tonight: str) -> None:
    [script] = [block for block in blocks("sh") if "$UI" in block]
    assert shutil.which("curl"), "curl is needed: apt-get install curl"
    script = script.replace("http://127.0.0.1:28422", airflow.url).replace("PASSWORD", airflow.password)
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True)
    run_id = str(json.loads(done.stdout)["dag_run_id"])
    succeeds(api, run_id)
    assert tasks(api, run_id)["publish"]["state"] == "skipped"
    assert live(airflow) == tonight


def test_a_failed_task_is_cleared_and_the_run_goes_on_from_there(
    airflow: LocalAirflow, api: Api, tonight: str
) -> None:
    with psycopg.connect(airflow.server.url("shop"), autocommit=True) as db:
        [table] = db.execute(
            "SELECT table_name FROM information_schema.columns WHERE column_name = 'customer_id'"
            " AND table_schema = 'public' ORDER BY (table_name LIKE '%purchase%') DESC LIMIT 1"
        ).fetchone() or ("",)
        db.execute(f"ALTER TABLE {table} RENAME TO hidden".encode())
        # nearly the window of tonight's run: of 90 days' few buyers, chance decides whether lists look worse
        run_id = trigger(api, {"window_days": 364})
        with pytest.raises(AirflowError) as failed:
            follow(api, run_id, str)
        db.execute(f"ALTER TABLE hidden RENAME TO {table}".encode())
    assert "failed in extract" in failed.value.what
    assert table in failed.value.what
    assert tasks(api, run_id)["extract"]["try_number"] == 1
    assert live(airflow) == tonight
    body = {"dry_run": False, "dag_run_id": run_id, "only_failed": False, "task_ids": ["extract"]}
    api.post(f"/dags/{DAG_ID}/clearTaskInstances", {**body, "include_downstream": True})
    succeeds(api, run_id)
    assert live(airflow) == run_id
    about = json.loads((airflow.home / "runs" / run_id / "run.json").read_text())
    assert about["overrides"]["window_days"] == 364


def test_a_night_that_a_person_stops_has_failed(airflow: LocalAirflow, api: Api, tonight: str) -> None:
    before = live(airflow)
    run_id = trigger(api, {})
    until(lambda: tasks(api, run_id)["extract"]["state"] in ("running", "success"), "it does not begin")
    run = f"/dags/{DAG_ID}/dagRuns/{quote(run_id, safe='')}"
    api.patch(run, {"state": "failed"})
    until(lambda: all(task["end_date"] for task in tasks(api, run_id).values()), "its tasks do not end")
    time.sleep(3)  # the scheduler looks at it once more
    assert api.get(run)["state"] == "failed"
    assert tasks(api, run_id)["publish"]["state"] == "skipped"
    assert live(airflow) == before


def test_another_dag_waits_for_the_lists_and_a_rollback_tells_it_too(
    airflow: LocalAirflow, api: Api, tonight: str
) -> None:
    example = "on_new_recommendations"
    api.patch(f"/dags/{example}", {"is_paused": False})
    before = live(airflow)
    succeeds(api, trigger(api, {}, "rollback"), "rollback")
    assert live(airflow) != before
    [run] = until(lambda: runs(api, example), "nothing begins when other lists have gone live")
    succeeds(api, run["dag_run_id"], example)
    path = f"/dags/{example}/dagRuns/{quote(run['dag_run_id'], safe='')}/taskInstances/use_them"
    value = api.get(f"{path}/xcomEntries/return_value")["value"]
    value = value if isinstance(value, dict) else json.loads(value)
    assert value["run_id"] == live(airflow)
    assert set(value) >= {"version", "run_id", "n_users", "n_items", "precision_at_3", "model", "is_fallback"}


def test_the_copy_in_redis_follows_what_is_live(
    airflow: LocalAirflow, api: Api, store: RedisServer, tonight: str
) -> None:
    """After nights by the asset; a rollback by its DAG tells it too."""
    client = store.client()

    def is_current() -> bool:
        with psycopg.connect(airflow.server.url("serving")) as db:
            row = db.execute("SELECT version FROM serving.publications WHERE is_live").fetchone()
        return row is not None and str(client.get("serving:live")).startswith(f"{row[0]}-")

    until(is_current, "export_redis copies nothing after a night")
    before = live(airflow)
    succeeds(api, trigger(api, {}, "rollback"), "rollback")
    assert live(airflow) != before
    until(is_current, "export_redis does not follow a rollback")
    edition = client.get("serving:live")
    [user, *_] = json.loads(str(client.get(f"serving:{edition}:users")))
    with psycopg.connect(airflow.server.url("serving")) as db:
        rows = db.execute("SELECT item_id FROM serving.recommend(%s, 20)", [user]).fetchall()
    items = json.loads(str(client.get(f"serving:{edition}:user:{user}")))
    assert [item["item_id"] for item in items] == [item_id for (item_id,) in rows]
    assert {run["state"] for run in runs(api, "export_redis")} <= {"success", "running", "queued"}


def approve(api: Api, run_id: str, dag_id: str) -> None:
    """Wait for the question before `publish`, look at it, and say yes."""
    until(lambda: tasks(api, run_id, dag_id)["approve"]["state"] == "awaiting_input", "nobody is asked")
    assert tasks(api, run_id, dag_id)["publish"]["state"] in (None, "none")
    run = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"
    [asked] = api.get(f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/hitlDetails")["hitl_details"]
    assert asked["subject"] == "Put tonight's lists live?"
    assert "Precision@3 **0." in asked["body"]
    time.sleep(5)  # a person reads; the process that asked has ended by then, and Airflow has heard of it
    api.patch(f"{run}/taskInstances/approve/-1/hitlDetails", {"chosen_options": ["Approve"]})


def test_a_second_shop_begins_after_an_asset_and_asks_before_it_publishes(
    airflow: LocalAirflow, api: Api, tonight: str
) -> None:
    before = live(airflow)
    where = urlsplit(airflow.server.url("shop"))
    connection = {
        "connection_id": "books",
        "conn_type": "postgres",
        "host": where.hostname,
        "port": where.port,
        "login": where.username,
        "password": where.password,
        "schema": where.path.lstrip("/"),
    }
    api.post("/connections", connection)
    dag_id = f"{DAG_ID}__books"
    api.patch(f"/dags/{dag_id}", {"is_paused": False})
    update(api, "serving.recommendations")
    [run] = until(lambda: runs(api, dag_id), "nothing begins when the asset is new")
    run_id = run["dag_run_id"]
    approve(api, run_id, dag_id)
    succeeds(api, run_id, dag_id)
    assert live(airflow, "books") == run_id
    assert run["run_type"] == "asset_triggered"
    assert as_of(airflow, run_id, "runs-books") == datetime.fromisoformat(run["start_date"])
    assert live(airflow) == before
    assert (airflow.home / "runs-books" / run_id / "report.html").exists()
    assert not (airflow.home / "runs" / run_id).exists()
