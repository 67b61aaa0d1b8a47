"""The DAG `export_redis`: which shops have it, when it runs, and a run against a real Redis server."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline import config
from pipeline.config import ROOT
from pipeline.runs.folder import RunFolder
from tests.dags.test_recommendations import HEAVY, modules_after
from tests.dags.test_shops import bag_of
from tests.export.conftest import store
from tests.export.servers import RedisServer
from tests.serving.nights import Shop
from tests.test_shops import BOOKS

__all__ = ["bag_of", "store"]

PASSWORD = "s3cr3t-horse"


def with_redis(minutes: int = 5) -> str:
    """config.toml with a connection of a Redis server."""
    text = config.path().read_text(encoding="utf-8")
    section = f'[redis]\nconnection = "lists"\ncheck_minutes = {minutes}\n'
    return text.partition("[redis]")[0] + section


@pytest.fixture
def night(serving_url: str, run_folder: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Version 1 behind the Airflow connection `serving`."""
    monkeypatch.setenv("AIRFLOW_CONN_SERVING", serving_url)
    shop = Shop(serving_url, config.load(), run_folder)
    shop.publish(shop.night(1, {1: [11, 12]}))
    return shop


def test_each_shop_that_names_a_connection_has_one(bag_of: Callable[..., Any]) -> None:
    bag = bag_of(
        with_redis(7), books=BOOKS, tea=BOOKS.replace("books", "tea") + '[redis]\nconnection = "lists"\n'
    )
    assert bag.import_errors == {}
    assert {name for name in bag.dags if name.startswith("export")} == {"export_redis", "export_redis__tea"}
    dag = bag.dags["export_redis"]
    assert "every 7 minutes" in dag.doc_md
    assert "config.tea.toml" in bag.dags["export_redis__tea"].doc_md
    assert dag.is_paused_upon_creation is False
    assert dag.timetable.timetable.expression == "*/7 * * * *"
    assert [asset.name for asset in dag.timetable.asset_condition.objects] == ["serving.recommendations"]


def test_without_a_schedule_it_runs_when_somebody_triggers_it(
    bag_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSHELF_SCHEDULE", "off")
    assert bag_of(with_redis()).dags["export_redis"].schedule is None


def test_before_the_first_night_a_run_is_skipped_and_nobody_is_alerted(
    bag_of: Callable[..., Any],
    airflow_tables: None,
    serving_url: str,
    store: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SERVING", serving_url)
    monkeypatch.setenv("AIRFLOW_CONN_LISTS", store.url())
    run = bag_of(with_redis()).dags["export_redis"].test()
    assert [task.state for task in run.get_task_instances()] == ["skipped"]
    assert store.all_keys() == set()


def test_a_run_copies_what_is_live(
    bag_of: Callable[..., Any],
    airflow_tables: None,
    night: Shop,
    store: RedisServer,
    connect: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    store.client().execute_command("ACL", "SETUSER", "shop", "on", f">{PASSWORD}", "~*", "+@all")
    where = {
        "host": "127.0.0.1",
        "port": store.port,
        "login": "shop",
        "password": PASSWORD,
        "extra": {"db": 0},
    }
    connect("lists", conn_type="redis", **where)
    caplog.set_level(logging.INFO)
    dag = bag_of(with_redis()).dags["export_redis"]
    [task] = dag.test().get_task_instances()
    assert str(task.state) == "success"
    assert task.xcom_pull(task_ids="export")["version"] == 1
    assert json.loads(store.client().get("serving:1-1:user:1"))[0]["item_id"] == 11
    said = caplog.text + "".join(capfd.readouterr())
    assert "Redis holds version 1" in said
    assert PASSWORD not in said


def test_a_connection_that_is_missing_is_named(
    bag_of: Callable[..., Any], airflow_tables: None, night: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    dag = bag_of(with_redis()).dags["export_redis"]
    assert str(dag.test().state) == "failed"
    assert "there is no Airflow connection `lists`" in "".join(capfd.readouterr())


def test_parsing_loads_nothing_heavy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text(with_redis(), encoding="utf-8")
    alone = modules_after("import airflow.sdk, airflow.dag_processing.dagbag")
    monkeypatch.setenv("NIGHTSHELF_CONFIG", str(tmp_path))
    parsed = modules_after(
        "import airflow.sdk, airflow.dag_processing.dagbag\n"
        f"runpy.run_path({str(ROOT / 'dags' / 'export_redis.py')!r})"
    )
    assert not (parsed - alone) & {*HEAVY, "redis"}
