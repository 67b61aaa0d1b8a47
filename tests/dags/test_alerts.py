"""A night that fails tells every channel why and what to do, through the real hooks to real servers."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from pipeline import config
from pipeline.config import ROOT
from pipeline.local.airflow import LocalAirflow
from pipeline.local.servers import DAG_ID, unpause
from pipeline.runs.folder import RunFolder
from tests.conftest import AS_OF
from tests.dags.telling import CHANNELS, HOOK_TOKEN, MAIL_PASSWORD, TOKEN, failed_task, write_settings
from tests.receivers import Post, Web

UNKNOWN_FIELD = {"windowdays": 30}


def run(dag: Any, conf: dict[str, Any]) -> Any:
    """One run in this process, without a scheduler; it fails in extract."""
    sleep = time.sleep
    with pytest.MonkeyPatch.context() as patch:  # `test` rests a second before each task that is left out
        patch.setattr(time, "sleep", lambda _: sleep(0.01))
        made = dag.test(run_conf=conf)
    assert str(made.get_task_instance("extract").state) == "failed"
    return made


@pytest.mark.usefixtures("airflow_tables", "connected")
def test_every_channel_is_told_what_failed_and_what_to_do(
    nightly: Callable[..., Any],
    hook: Web,
    channel: Web,
    mailbox: Post,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://night.example/air/")
    made = run(nightly(**CHANNELS), UNKNOWN_FIELD)
    [document], [message], [mail] = hook.documents, channel.documents, mailbox.messages
    assert document == {
        "title": "recommendations: extract failed: the form has fields that do not exist",
        "kind": "failed",
        "dag": "recommendations",
        "run": made.run_id,
        "task": "extract",
        "attempt": 1,
        "why": "the form has fields that do not exist",
        "found": "windowdays",
        "promised": "as_of, window_days, repeat_purchases, tune, trials, dry_run, force",
        "what_to_do": "trigger again without them",
        "apps_read": "what they read before: this attempt has changed nothing",
        "as_of": None,
        "window_days": None,
        "late_since": None,
        "log": document["log"],
        "run_page": document["run_page"],
        "report": None,
        "validation": None,
    }
    assert document["log"].startswith(f"{document['run_page']}/tasks/extract")
    assert document["run_page"].startswith("https://night.example/air/dags/recommendations/runs/manual__")
    assert hook.paths == [f"/hooks/{HOOK_TOKEN}"]
    assert hook.headers[0]["X-Team"] == "night shift"

    assert channel.paths == [f"/services/{TOKEN}"]
    assert message["text"] == document["title"]
    told = "\n".join(block["text"]["text"] for block in message["blocks"])
    assert "*what to do*  trigger again without them" in told
    assert f"<{document['log']}|log>" in told

    assert mailbox.envelopes == [("airflow@shop.example", ["night@shop.example"])]
    assert mailbox.logins == [("nightshelf", MAIL_PASSWORD)]
    assert mail["Subject"] == document["title"]
    assert mail["From"] == "airflow@shop.example"
    for words in ("windowdays", "trigger again without them", "this attempt has changed nothing"):
        assert words in mailbox.body()

    log = caplog.text + "".join(capfd.readouterr())
    for name in ("ops_hook", "ops_slack", "ops_mail"):
        assert f"through the Airflow connection `{name}`" in log
    for secret in (TOKEN, HOOK_TOKEN, MAIL_PASSWORD, hook.url, channel.url):
        assert secret not in log
        for sent in (json.dumps(document), json.dumps(message), mailbox.body()):
            assert secret not in sent


@pytest.mark.usefixtures("airflow_tables", "connected")
def test_a_failure_that_is_retried_tells_nobody_until_the_last(
    nightly: Callable[..., Any], hook: Web, connect: Callable[..., None]
) -> None:
    connect(
        "shop", conn_type="postgres", host="127.0.0.1", port=1, login="reader", password="a shop password"
    )
    dag = nightly(webhook="ops_hook")
    extract = dag.get_task("extract")
    extract.retries, extract.retry_delay, extract.retry_exponential_backoff = 1, timedelta(0), 0
    made = run(dag, {"window_days": 30})
    [document] = hook.documents
    assert document["attempt"] == 2
    assert "127.0.0.1:1" in document["why"]
    assert "a shop password" not in json.dumps(document)
    folder = RunFolder.open(config.runs_folder(config.load()), made.run_id, config.load().ids.model_dump())
    assert document["as_of"] == folder.as_of.isoformat()
    assert document["window_days"] == 30
    assert document["log"] is None, "nobody has told Airflow its own address"


@pytest.mark.usefixtures("airflow_tables", "connected")
def test_a_channel_that_is_broken_hides_no_other_and_changes_no_state(
    nightly: Callable[..., Any],
    hook: Web,
    mailbox: Post,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hook.status = 500
    run(nightly(**{**CHANNELS, "slack": "nowhere"}), UNKNOWN_FIELD)
    assert len(mailbox.messages) == 1
    through = "through the Airflow connection"
    assert f"alert not sent: webhook, {through} `ops_hook`: the answer was 500" in caplog.text
    assert f"alert not sent: slack, {through} `nowhere`: there is no such connection" in caplog.text


@pytest.mark.usefixtures("airflow_tables", "connected")
def test_of_a_shop_that_cannot_be_read_the_channels_of_another_are_told(
    nightly: Callable[..., Any], tmp_path: Path, hook: Web
) -> None:
    nightly()
    (tmp_path / "settings" / "config.books.toml").write_text("[run]\nsurprise = 1\n")
    (tmp_path / "settings" / "config.wine.toml").write_text(
        '[run]\nfolder = "wine"\n[serving]\nschema = "wine"\nrole_prefix = "wine"\n'
        '[alerts]\nwebhook = "ops_hook"\n'
    )
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(ROOT / "dags" / "recommendations.py"))
    bag.dags["recommendations__books"].test()
    [document] = hook.documents
    assert (document["dag"], document["task"]) == ("recommendations__books", "settings")
    assert "config.books.toml" in document["why"]
    assert document["apps_read"] == "what they read before: this attempt has changed nothing"


def test_without_channels_nothing_is_attached(nightly: Callable[..., Any]) -> None:
    dag = nightly()
    assert not dag.deadline
    assert not dag.on_failure_callback
    assert not any(task.on_failure_callback for task in dag.tasks)


@pytest.mark.usefixtures("connected")
def test_the_pages_that_the_run_has_left_are_linked(
    nightly: Callable[..., Any], hook: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    nightly(webhook="ops_hook")
    from nightshelf_airflow.alerts import failure
    from nightshelf_airflow.channels import tell

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://night.example")
    settings = config.load()
    folder = RunFolder.create(
        config.runs_folder(settings), "night", AS_OF, settings.ids.model_dump(), {"window_days": 30}
    )
    for task, pages in (("train", []), ("train", ["report"]), ("validate", ["report", "validation"])):
        for page in pages:
            (folder.path / f"{page}.html").write_text("a page")
        tell(settings, failure(settings, failed_task(task=task)))
        document = hook.documents[-1]
        there = {page: f"https://night.example/nightshelf/recommendations/night/{page}" for page in pages}
        assert {page: document[page] for page in ("report", "validation") if document[page]} == there
        assert (document["as_of"], document["window_days"]) == (AS_OF.isoformat(), 30)


def overdue(**changed: str) -> dict[str, Any]:
    """What Airflow gives the callback of a deadline."""
    told = {"dag_id": "recommendations", "dag_run_id": "night", "state": "running", "run_type": "scheduled"}
    return {
        "dag_run": {**told, **changed},
        "deadline": {"id": "1", "deadline_time": datetime(2026, 1, 1, 6, tzinfo=UTC)},
    }


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize(
    ("run_as_it_is", "why"),
    [
        ({}, "the run had not ended at 2026-01-01 06:00 UTC, 6 h after its trigger"),
        ({"state": "failed"}, "its lists may be missing: the run has failed, and nobody had mended it"),
        ({"state": "success"}, None),
        ({"run_type": "backfill"}, None),
    ],
    ids=["running", "failed", "done meanwhile", "backfill"],
)
def test_a_night_that_is_late_is_told(
    nightly: Callable[..., Any], hook: Web, run_as_it_is: dict[str, str], why: str | None
) -> None:
    [deadline] = nightly(webhook="ops_hook", late_after_hours=6.0).deadline
    assert deadline.interval == timedelta(hours=6)
    module, _, name = deadline.callback.path.rpartition(".")
    late = getattr(import_module(module), name)
    asyncio.run(late(context=overdue(**run_as_it_is), **deadline.callback.kwargs))
    if why is None:
        assert hook.documents == []
    else:
        [document] = hook.documents
        assert document["why"].startswith(why)
        assert (document["kind"], document["late_since"]) == ("late", "2026-01-01T06:00:00+00:00")


@pytest.fixture
def airflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalAirflow]:
    """A real local Airflow whose shop tells a webhook, and whose nights are late after a second."""
    write_settings(tmp_path / "settings", webhook="ops_hook", late_after_hours=0.0003)
    monkeypatch.setenv("NIGHTSHELF_CONFIG", str(tmp_path / "settings"))
    home = Path(tempfile.mkdtemp(prefix="nightshelf-airflow-"))
    home.chmod(0o755)
    airflow = LocalAirflow(home, is_scheduled=False)
    try:
        airflow.start(str)
        yield airflow
    finally:
        airflow.stop()
        airflow.server.destroy()
        shutil.rmtree(home, ignore_errors=True)


def of_run(hook: Web, run_id: str) -> list[dict[str, Any]]:
    """What was told of failures in the run."""
    return [told for told in hook.documents if (told["run"], told["kind"]) == (run_id, "failed")]


@pytest.mark.slow
def test_a_real_airflow_tells_of_the_failure_and_that_the_night_is_late(
    airflow: LocalAirflow, hook: Web
) -> None:
    api = airflow.api()
    address = {"conn_type": "http", "host": f"{hook.url}/hooks/{HOOK_TOKEN}"}
    api.post("/connections", {"connection_id": "ops_hook", **address})
    unpause(api)
    run_id = api.post(f"/dags/{DAG_ID}/dagRuns", {"logical_date": None, "conf": UNKNOWN_FIELD})["dag_run_id"]
    until = time.monotonic() + 90
    while len(hook.documents) < 2 and time.monotonic() < until:
        time.sleep(0.2)
    told = {document["kind"]: document for document in hook.documents}
    assert set(told) == {"failed", "late"}
    assert told["failed"]["task"] == "extract"
    assert told["failed"]["what_to_do"] == "trigger again without them"
    for document in told.values():
        assert (document["dag"], document["run"]) == (DAG_ID, run_id)
        assert document["run_page"].startswith(f"{airflow.url}/dags/{DAG_ID}/runs/")

    # nobody can tell of a task whose process is gone, so Airflow's DAG processor does, once
    nightly = f"/dags/{DAG_ID}"
    api.patch(nightly, {"is_paused": True})
    lost = api.post(f"{nightly}/dagRuns", {"logical_date": None})["dag_run_id"]
    for gone in ("remove_old_runs", "extract"):
        api.patch(f"{nightly}/dagRuns/{quote(lost)}/taskInstances/{gone}", {"new_state": "failed"})
    api.patch(nightly, {"is_paused": False})
    until = time.monotonic() + 90
    while len(of_run(hook, lost)) < 2 and time.monotonic() < until:
        time.sleep(0.2)
    first, second = of_run(hook, lost)
    assert (first["task"], second["task"]) == ("extract", "remove_old_runs")
    assert "marked it failed" in first["found"]
    assert len(of_run(hook, run_id)) == 1
    files = [path for path in airflow.folder.rglob("*") if path.is_file()]
    logs = "".join(path.read_text(errors="replace") for path in files)
    assert "alert sent: webhook" in logs
    assert HOOK_TOKEN not in logs
