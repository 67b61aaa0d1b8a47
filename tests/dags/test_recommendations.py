"""The nightly DAG loads, keeps its rules, and runs: the same stages, folders and errors as the CLI."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pipeline import config, errors
from pipeline.config import ROOT
from pipeline.contract.stages import STAGES

HEAVY = {
    *("duckdb", "great_expectations", "implicit", "numpy", "optuna", "pandas"),
    *("psycopg", "pyarrow", "scipy", "sklearn", "sqlalchemy"),
}
LOADED = """
import json, runpy, sys
{}
print(json.dumps(sorted({{name.split(".")[0] for name in sys.modules}})))
"""


def modules_after(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after `code`."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(code)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_every_dag_file_loads(bag: Any) -> None:
    assert bag.import_errors == {}
    nightly = {"recommendations", "rollback", "release"}
    assert set(bag.dags) == nightly | {"on_new_recommendations", "fetch_users"}, (
        "export_redis: only where it is named"
    )


def test_parsing_loads_nothing_heavy_that_airflow_does_not_load_itself() -> None:
    alone = modules_after("import airflow.sdk, airflow.dag_processing.dagbag")
    parsed = modules_after(
        "import airflow.sdk, airflow.dag_processing.dagbag\n"
        f"runpy.run_path({str(ROOT / 'dags' / 'recommendations.py')!r})"
    )
    assert "pipeline" in parsed
    assert not (parsed - alone) & HEAVY


def test_the_file_finds_the_pipeline_wherever_airflow_reads_it_from(tmp_path: Path) -> None:
    (tmp_path / "dags").symlink_to(ROOT / "dags")
    code = f"import runpy; runpy.run_path({str(tmp_path / 'dags' / 'recommendations.py')!r})"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_task_ids_are_the_stage_names_in_order(dag: Any) -> None:
    names = [stage.name for stage in STAGES]
    assert dag.task_ids == ["remove_old_runs", *names]
    for name, follower in pairwise(dag.task_ids):
        assert dag.get_task(name).downstream_task_ids == {follower}


def test_the_graph_tells_the_story_in_three_boxes(dag: Any) -> None:
    boxes = {
        box: set(group.children)
        for box, group in dag.task_group.children.items()
        if hasattr(group, "children")
    }
    assert list(boxes) == ["data", "model", "shelves"]
    assert set().union(*boxes.values()) == {stage.name for stage in STAGES}


def test_the_night_is_as_good_as_publish_whatever_becomes_of_old_runs(dag: Any) -> None:
    assert [task.task_id for task in dag.leaves] == ["publish"]
    assert dag.get_task("extract").trigger_rule == "all_done"


def test_one_night_at_a_time_and_none_made_up_for(dag: Any) -> None:
    assert dag.catchup is False
    assert dag.max_active_runs == 1
    assert dag.tags == {"nightshelf"}


def test_dag_and_tasks_are_explained(dag: Any) -> None:
    assert "When a task fails" in dag.doc_md
    for task in dag.tasks:
        assert task.doc_md, task.task_id


def test_the_schedule_is_that_of_config_toml(
    monkeypatch: pytest.MonkeyPatch, make_settings: Callable[..., config.Settings]
) -> None:
    late = make_settings(schedule={"cron": "30 3 * * *", "timezone": "Europe/Berlin"})
    monkeypatch.setattr(config, "load", lambda file: late)
    from airflow.dag_processing.dagbag import DagBag

    timetable = DagBag(dag_folder=str(ROOT / "dags" / "recommendations.py")).dags["recommendations"].timetable
    assert timetable.expression == "30 3 * * *"
    assert str(timetable.timezone) == "Europe/Berlin"


def test_the_schedule_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHELF_SCHEDULE", "off")
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(ROOT / "dags" / "recommendations.py"))
    assert bag.dags["recommendations"].schedule is None


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (errors.Unreachable("no answer"), "retry"),
        (errors.PublisherBusy("another publishes"), "retry"),
        (errors.DiskFull("no room"), "retry"),
        (errors.LoginRefused("wrong password"), "fail"),
        (errors.SourceError("no such table"), "fail"),
        (errors.ServingError("old schema"), "fail"),
        (errors.ValidationFailed("nulls"), "fail"),
        (errors.Refused("too much lost"), "fail"),
        (errors.SettingsError("unknown key"), "fail"),
        (KeyError("a bug"), "fail"),
        (ConnectionResetError("mid-way"), "default"),
        (MemoryError(), "default"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else value,
)
def test_only_what_a_retry_can_mend_is_retried(dag: Any, error: BaseException, action: str) -> None:
    for task in dag.tasks:
        assert task.retries == 3
        assert task.retry_exponential_backoff == 2.0
        assert task.retry_policy.evaluate(error, 1, 3).action.value == action


def test_the_form_is_config_toml_s_schema(dag: Any) -> None:
    assert list(dag.params) == [
        "as_of",
        "window_days",
        "repeat_purchases",
        "tune",
        "trials",
        "dry_run",
        "force",
    ]
    settings = config.load()
    for name in config.FORM:
        param = dag.params.get_param(name)
        assert param.value == config.form_value(settings, name)
        assert param.schema["type"] == config.form_schema(name)["type"]
    for name in dag.params:
        param = dag.params.get_param(name)
        assert param.schema["title"], name
        assert param.description, name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window_days", 0),
        ("window_days", "many"),
        ("repeat_purchases", "sometimes"),
        ("trials", -1),
        ("dry_run", "yes"),
    ],
)
def test_the_form_refuses_what_cannot_be(dag: Any, name: str, value: object) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        dag.params.get_param(name).resolve(value)


def run_dag(dag: Any, conf: dict[str, Any], logical_date: datetime | None = None) -> Any:
    """One run in this process, without a scheduler."""
    return dag.test(run_conf=conf, logical_date=logical_date)


def states(run: Any) -> dict[str, str]:
    return {task.task_id: str(task.state) for task in run.get_task_instances()}


@pytest.mark.usefixtures("airflow_tables")
def test_a_night_publishes(dag: Any, shop: str, caplog: pytest.LogCaptureFixture) -> None:
    run = run_dag(dag, {"tune": "never"})
    assert states(run) == {**{stage.name: "success" for stage in STAGES}, "remove_old_runs": "success"}
    with psycopg.connect(shop) as db:
        [(version, run_id, is_live, n_users)] = db.execute(
            "SELECT version, run_id, is_live, n_users FROM serving.publications"
        ).fetchall()
        assert (version, run_id, is_live) == (1, run.run_id, True)
        lists = db.execute("SELECT count(DISTINCT user_id) FROM serving.recommendations").fetchone()
        assert lists == (n_users,)
    folder = config.runs_folder(config.load()) / run.run_id
    about = json.loads((folder / "run.json").read_text())
    assert about["overrides"]["tune"] == "never"
    assert set(about["overrides"]) == set(config.FORM)
    chatter = [record for record in caplog.records if record.name.startswith("great_expectations")]
    assert not chatter, "no business of a task's log"
    counts = run.get_task_instance("recommend").xcom_pull(task_ids="recommend")
    assert counts == json.loads((folder / "receipts" / "recommend.json").read_text())["counts"]


@pytest.mark.usefixtures("airflow_tables")
def test_a_dry_run_publishes_nothing(dag: Any, shop: str) -> None:
    as_of = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    run = run_dag(dag, {"tune": "never", "dry_run": True, "as_of": as_of.isoformat()})
    passed = {stage.name: "success" for stage in STAGES}
    assert states(run) == {**passed, "publish": "skipped", "remove_old_runs": "success"}
    about = json.loads((config.runs_folder(config.load()) / run.run_id / "run.json").read_text())
    assert datetime.fromisoformat(about["as_of"]) == as_of
    with psycopg.connect(shop) as db:
        assert db.execute("SELECT to_regclass('serving.publications')").fetchone() == (None,)


@pytest.mark.usefixtures("airflow_tables")
def test_unknown_fields_of_the_form_are_refused_by_name(dag: Any, shop: str) -> None:
    run = run_dag(dag, {"windowdays": 30})
    found = states(run)
    assert found["extract"] == "failed"
    assert found["publish"] == "upstream_failed"


def test_a_shop_can_ask_a_person_before_it_publishes(
    monkeypatch: pytest.MonkeyPatch, make_settings: Callable[..., config.Settings], dag: Any
) -> None:
    assert "approve" not in dag.task_ids
    careful = make_settings(approval={"is_required": True, "hours": 3.0})
    monkeypatch.setattr(config, "load", lambda file: careful)
    from airflow.dag_processing.dagbag import DagBag

    asking = DagBag(dag_folder=str(ROOT / "dags" / "recommendations.py")).dags["recommendations"]
    question = asking.get_task("approve")
    assert question.upstream_task_ids == {"gate"}
    assert question.downstream_task_ids == {"publish"}
    assert question.retries == 0
    assert question.response_timeout == timedelta(hours=3)
