"""The DAGs `rollback` and `release`, run in this process on a real serving database."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline import config
from pipeline.rollback_form import choices_file, save_choices
from pipeline.runs.folder import RunFolder
from tests.serving.nights import Shop

pytestmark = pytest.mark.usefixtures("airflow_tables")


@pytest.fixture
def shop(serving_url: str, run_folder: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Versions 1, 2, 3 behind the Airflow connection `serving`, under the settings the DAGs read."""
    monkeypatch.setenv("AIRFLOW_CONN_SERVING", serving_url)
    shop = Shop(serving_url, config.load(), run_folder)
    for day in (1, 2, 3):
        shop.publish(shop.night(day, {1: [10 + day]}))
    return shop


def run_dag(bag: Any, name: str, conf: dict[str, Any] | None = None) -> dict[str, Any]:
    """State and XCom of the only task."""
    [task] = bag.dags[name].test(run_conf=conf or {}).get_task_instances()
    return {"state": str(task.state), "counts": task.xcom_pull(task_ids=name)}


def test_without_a_version_it_is_the_one_before(bag: Any, shop: Shop) -> None:
    assert run_dag(bag, "rollback") == {
        "state": "success",
        "counts": {"from_version": 3, "live_version": 2, "is_held": False},
    }
    assert shop.lists() == [(1, 1, 12)]
    proposals = json.loads(choices_file(config.load()).read_text())["versions"]
    assert [text[:16] for text in proposals] == ["version 3, store", "version 2, live:", "version 1, store"]


def test_a_proposal_of_the_form_is_taken_as_it_stands(bag: Any, shop: Shop) -> None:
    save_choices(shop.url, shop.settings, shop.said.append)
    proposals = json.loads(choices_file(config.load()).read_text())["versions"]
    run_dag(bag, "rollback", {"version": proposals[-1], "hold": True})
    assert shop.lists() == [(1, 1, 11)]
    [[by]] = shop.read("SELECT moved_by FROM serving.live_history ORDER BY number DESC LIMIT 1")
    assert " in Airflow as " in by
    assert not shop.publish(shop.night(4, {1: [14]})).is_live
    assert run_dag(bag, "release")["counts"]["live_version"] == 4
    assert shop.lists() == [(1, 1, 14)]


def test_a_program_gives_the_version_as_a_number(bag: Any, shop: Shop) -> None:
    assert run_dag(bag, "rollback", {"version": 1})["counts"]["live_version"] == 1
    assert shop.lists() == [(1, 1, 11)]


@pytest.mark.parametrize("version", ["99", "the old one", "-1"])
def test_what_is_no_stored_version_fails_at_once(bag: Any, shop: Shop, version: str) -> None:
    assert run_dag(bag, "rollback", {"version": version})["state"] == "failed"
    assert shop.lists() == [(1, 1, 13)]


def test_the_form_has_titles_and_descriptions_and_nothing_is_scheduled(bag: Any) -> None:
    for name in ("rollback", "release"):
        dag = bag.dags[name]
        assert dag.doc_md
        assert dag.is_paused_upon_creation is False
        assert dag.schedule is None
        for field in dag.params:
            assert dag.params.get_param(field).schema["title"], field
            assert dag.params.get_param(field).description, field
