"""A real Airflow of the tests' own, driven through its REST API as another program would."""

from __future__ import annotations

import json
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import psycopg
import pytest

from pipeline.contract.stages import STAGES
from pipeline.errors import AirflowError
from pipeline.local.airflow import LocalAirflow
from pipeline.local.api import Api
from pipeline.local.demo import follow
from pipeline.local.servers import DAG_ID

pytestmark = pytest.mark.slow
RUNS = f"/dags/{DAG_ID}/dagRuns"


@pytest.fixture
def api(local_airflow: LocalAirflow, monkeypatch: pytest.MonkeyPatch) -> Api:
    """The REST API; the test's own home is that of the Airflow."""
    monkeypatch.setenv("NIGHTSHELF_HOME", str(local_airflow.home))
    return local_airflow.api()


@pytest.fixture
def trigger(api: Api) -> Callable[..., str]:
    """`trigger({...})`: a run without a logical date, as a program or an asset starts one; its id."""

    def make(conf: dict[str, Any], logical_date: str | None = None) -> str:
        return str(api.post(RUNS, {"logical_date": logical_date, "conf": conf})["dag_run_id"])

    return make


def tasks(api: Api, run_id: str) -> dict[str, dict[str, Any]]:
    instances = api.get(f"{RUNS}/{quote(run_id, safe='')}/taskInstances")["task_instances"]
    return {task["task_id"]: task for task in instances}


def test_its_tasks_have_the_variables_that_are_asked_for(local_airflow: LocalAirflow) -> None:
    other = LocalAirflow(local_airflow.home, variables={"NIGHTSHELF_CONFIG": "/srv/settings"})
    assert other.environment()["NIGHTSHELF_CONFIG"] == "/srv/settings"
    assert "NIGHTSHELF_CONFIG" not in local_airflow.environment()


def test_a_run_without_a_logical_date_publishes(
    api: Api, trigger: Callable[..., str], local_airflow: LocalAirflow, said: list[str]
) -> None:
    run_id = trigger({"tune": "never"})
    follow(api, run_id, said.append)
    assert [line.split(":")[0].strip() for line in said] == [stage.name for stage in STAGES]
    with psycopg.connect(local_airflow.server.url("serving", "reader")) as db:
        live = db.execute("SELECT run_id FROM serving.publications WHERE is_live").fetchall()
        assert live == [(run_id,)]
        assert db.execute("SELECT count(*) FROM serving.recommend(-1, 5)").fetchone() == (5,)
    about = json.loads((local_airflow.home / "runs" / run_id / "run.json").read_text())
    run = api.get(f"{RUNS}/{quote(run_id, safe='')}")
    assert run["logical_date"] is None
    assert about["as_of"][:19] == run["run_after"][:19]
    counts = api.get(f"{RUNS}/{quote(run_id, safe='')}/taskInstances/extract/xcomEntries/return_value")
    receipt = json.loads((local_airflow.home / "runs" / run_id / "receipts" / "extract.json").read_text())
    assert counts["value"] in (receipt["counts"], json.dumps(receipt["counts"]))


def test_a_run_with_a_logical_date_ends_its_window_there(
    api: Api, trigger: Callable[..., str], local_airflow: LocalAirflow, said: list[str]
) -> None:
    date = time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() - 3 * 86400))
    run_id = trigger({"tune": "never", "dry_run": True}, date)
    follow(api, run_id, said.append)
    about = json.loads((local_airflow.home / "runs" / run_id / "run.json").read_text())
    assert about["as_of"][:19] == date[:19]
    assert tasks(api, run_id)["publish"]["state"] == "skipped"


def test_what_cannot_be_mended_fails_at_once_and_says_why(api: Api, trigger: Callable[..., str]) -> None:
    run_id = trigger({"windowdays": 30})
    with pytest.raises(AirflowError) as caught:
        follow(api, run_id, str)
    assert "failed in extract" in caught.value.what
    assert "windowdays" in caught.value.what
    assert "promised: as_of, window_days" in caught.value.what
    failed = tasks(api, run_id)["extract"]
    assert failed["try_number"] == 1
    log = api.get(f"{RUNS}/{quote(run_id, safe='')}/taskInstances/extract/logs/1?full_content=true")
    content = json.dumps(log["content"])
    assert content.count("the form has fields that do not exist") == 1


def test_a_value_out_of_range_is_refused_before_anything_starts(trigger: Callable[..., str]) -> None:
    with pytest.raises(AirflowError, match="Airflow refused POST"):
        trigger({"window_days": 0})


def test_secrets_are_readable_by_their_owner_only(local_airflow: LocalAirflow) -> None:
    for name in ("local.json", "passwords.json"):
        assert stat.S_IMODE((local_airflow.folder / name).stat().st_mode) == 0o600
    assert local_airflow.password not in repr(local_airflow.api())


def test_status_says_where_it_answers(local_airflow: LocalAirflow) -> None:
    status = local_airflow.status()
    assert f"serves {local_airflow.url}: metadatabase healthy, scheduler healthy" in status
    assert urlopen(local_airflow.url).status == 200


def test_stopping_ends_every_process_and_starting_again_keeps_port_and_password(
    local_airflow: LocalAirflow,
) -> None:
    before = (local_airflow.url, local_airflow.password)
    leaders = local_airflow.leaders()
    local_airflow.stop()
    assert not any(leader.members() for leader in leaders.values())
    assert "is stopped" in local_airflow.status()
    local_airflow.stop()
    local_airflow.start(str)
    assert (local_airflow.url, local_airflow.password) == before
    assert local_airflow.is_running()


def test_the_caller_s_own_airflow_settings_do_not_reach_it(
    local_airflow: LocalAirflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", "somebody.elses.AuthManager")
    monkeypatch.setenv("AIRFLOW_HOME", "/somewhere/else")
    environment = local_airflow.environment()
    assert "AIRFLOW__CORE__AUTH_MANAGER" not in environment
    assert environment["AIRFLOW_HOME"] == str(local_airflow.folder)


def test_airflow_gets_no_path_that_it_would_expand(tmp_path: Path) -> None:
    """Its configuration fills in `$HOME`, and gives up its own defaults at a `%`."""
    airflow = LocalAirflow(tmp_path / "50% $HOME")
    for _ in range(2):
        with airflow.alone("test"):
            own = airflow.folder.resolve()
            assert not set("%$") & set(str(own))
            assert (own / "lock").exists()
        shutil.rmtree(own)
    plain = LocalAirflow(tmp_path / "it's [x]? #1")
    with plain.alone("test"):
        assert plain.folder.resolve() == plain.folder


def test_two_at_once_are_refused(local_airflow: LocalAirflow) -> None:
    other = LocalAirflow(local_airflow.home)
    with local_airflow.alone("make demo"):
        with pytest.raises(AirflowError, match="is at work in") as caught, other.alone("make up"):
            pass
        assert caught.value.found.startswith("make demo, process ")
        with pytest.raises(AirflowError, match="is at work in"), other.alone("make demo"):
            pass
