"""A run that fails or is late alerts every channel, through the real hooks to real servers."""

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

import psycopg
import pytest

from pipeline import config
from pipeline.config import ROOT
from pipeline.loading import load
from pipeline.local.airflow import LocalAirflow
from pipeline.local.servers import DAG_ID, unpause
from pipeline.runs.folder import RunFolder
from tests.conftest import AS_OF
from tests.dags.alert_settings import CHANNELS, HOOK_TOKEN, MAIL_PASSWORD, TOKEN, failure, write_settings
from tests.dags.test_assets import events as asset_events
from tests.receivers import MailServer, WebServer

UNKNOWN_FIELD = {"windowdays": 30}


def run(dag: Any, conf: dict[str, Any]) -> Any:
    """One run in this process, without a scheduler; it fails in extract."""
    sleep = time.sleep
    with pytest.MonkeyPatch.context() as patch:  # `test` sleeps a second before each skipped task
        patch.setattr(time, "sleep", lambda _: sleep(0.01))
        dag_run = dag.test(run_conf=conf)
    assert str(dag_run.get_task_instance("extract").state) == "failed"
    return dag_run


@pytest.mark.usefixtures("airflow_tables", "connected")
def test_every_channel_says_what_failed_and_what_to_do(
    nightly: Callable[..., Any],
    webhook: WebServer,
    slack: WebServer,
    mailbox: MailServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://night.example/air/")
    dag_run = run(nightly(**CHANNELS), UNKNOWN_FIELD)
    [document], [message], [mail] = webhook.documents, slack.documents, mailbox.messages
    assert document == {
        "title": "recommendations: extract failed: the form has fields that do not exist",
        "kind": "failed",
        "dag": "recommendations",
        "run": dag_run.run_id,
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
    assert webhook.paths == [f"/hooks/{HOOK_TOKEN}"]
    assert webhook.headers[0]["X-Team"] == "night shift"

    assert slack.paths == [f"/services/{TOKEN}"]
    assert message["text"] == document["title"]
    text = "\n".join(block["text"]["text"] for block in message["blocks"])
    assert "*what to do*  trigger again without them" in text
    assert f"<{document['log']}|log>" in text

    assert mailbox.envelopes == [("airflow@shop.example", ["night@shop.example"])]
    assert mailbox.logins == [("nightshelf", MAIL_PASSWORD)]
    assert mail["Subject"] == document["title"]
    assert mail["From"] == "airflow@shop.example"
    for words in ("windowdays", "trigger again without them", "this attempt has changed nothing"):
        assert words in mailbox.body()

    log = caplog.text + "".join(capfd.readouterr())
    for name in ("ops_hook", "ops_slack", "ops_mail"):
        assert f"through the Airflow connection `{name}`" in log
    for secret in (TOKEN, HOOK_TOKEN, MAIL_PASSWORD, webhook.url, slack.url):
        assert secret not in log
        for sent in (json.dumps(document), json.dumps(message), mailbox.body()):
            assert secret not in sent


@pytest.mark.usefixtures("airflow_tables", "connected")
def test_a_failure_that_is_retried_alerts_nobody_until_the_last(
    nightly: Callable[..., Any], webhook: WebServer, connect: Callable[..., None]
) -> None:
    connect(
        "shop", conn_type="postgres", host="127.0.0.1", port=1, login="reader", password="a shop password"
    )
    dag = nightly(webhook="ops_hook")
    extract = dag.get_task("extract")
    extract.retries, extract.retry_delay, extract.retry_exponential_backoff = 1, timedelta(0), 0
    dag_run = run(dag, {"window_days": 30})
    [document] = webhook.documents
    assert document["attempt"] == 2
    assert "127.0.0.1:1" in document["why"]
    assert "a shop password" not in json.dumps(document)
    folder = RunFolder.open(config.runs_folder(config.load()), dag_run.run_id, config.load().ids.model_dump())
    assert document["as_of"] == folder.as_of.isoformat()
    assert document["window_days"] == 30
    assert document["log"] is None, "[api] base_url is not set"


@pytest.mark.usefixtures("airflow_tables", "connected")
def test_a_channel_that_is_broken_hides_no_other_and_changes_no_state(
    nightly: Callable[..., Any],
    webhook: WebServer,
    mailbox: MailServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    webhook.status = 500
    run(nightly(**{**CHANNELS, "slack": "nowhere"}), UNKNOWN_FIELD)
    assert len(mailbox.messages) == 1
    through = "through the Airflow connection"
    assert f"alert not sent: webhook, {through} `ops_hook`: the answer was 500" in caplog.text
    assert f"alert not sent: slack, {through} `nowhere`: there is no such connection" in caplog.text


@pytest.mark.usefixtures("airflow_tables", "connected")
def test_a_shop_that_cannot_be_read_alerts_through_the_channels_of_another(
    nightly: Callable[..., Any], tmp_path: Path, webhook: WebServer
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
    [document] = webhook.documents
    assert (document["dag"], document["task"]) == ("recommendations__books", "settings")
    assert "config.books.toml" in document["why"]
    assert document["apps_read"] == "what they read before: this attempt has changed nothing"


@pytest.mark.usefixtures("airflow_tables", "connected")
@pytest.mark.parametrize(
    "fault", ["[run]\nsurprise = 1", "[run", "x = y = z", "[alerts]\nslack = 3"], ids=lambda fault: fault[:12]
)
def test_where_no_shop_can_be_read_the_file_s_own_channels_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, webhook: WebServer, fault: str
) -> None:
    (tmp_path / "config.toml").write_text(
        f'{fault}\n[alerts]\nwebhook = "ops_hook"\n[split]\ntest_days = 14\n'
    )
    monkeypatch.setenv("NIGHTSHELF_CONFIG", str(tmp_path))
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(ROOT / "dags" / "recommendations.py"))
    bag.dags["recommendations"].test()
    [document] = webhook.documents
    assert (document["dag"], document["task"]) == ("recommendations", "settings")
    assert "config.toml" in document["why"]
    assert document["what_to_do"]


@pytest.mark.usefixtures("airflow_tables", "connected")
def test_a_shop_that_cannot_be_read_is_told_of_no_run_of_another(
    nightly: Callable[..., Any], tmp_path: Path, webhook: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    nightly(webhook="ops_hook")
    (tmp_path / "settings" / "config.books.toml").write_text("[run]\nsurprise = 1\n")
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://night.example")
    from nightshelf_airflow import alert_subject

    settings = config.load()
    RunFolder.create(
        config.runs_folder(settings), "night", AS_OF, settings.ids.model_dump(), {"window_days": 30}
    )
    subject = alert_subject.of_run(settings, "recommendations__books", "night", "settings")
    assert (subject.as_of, subject.window_days, subject.report) == (None, None, "")
    assert subject.run_page == "https://night.example/dags/recommendations__books/runs/night"


def test_without_channels_nothing_is_attached(nightly: Callable[..., Any]) -> None:
    dag = nightly()
    assert not dag.deadline
    assert not dag.on_failure_callback
    assert not any(task.on_failure_callback for task in dag.tasks)


@pytest.mark.usefixtures("connected")
def test_the_pages_that_the_run_has_left_are_linked(
    nightly: Callable[..., Any], webhook: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    nightly(webhook="ops_hook")
    from nightshelf_airflow.delivery import deliver

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://night.example")
    settings = config.load()
    folder = RunFolder.create(
        config.runs_folder(settings), "night", AS_OF, settings.ids.model_dump(), {"window_days": 30}
    )
    for task, pages in (("train", []), ("train", ["report"]), ("validate", ["report", "validation"])):
        for page in pages:
            (folder.path / f"{page}.html").write_text("a page")
        deliver(settings, failure(task=task))
        document = webhook.documents[-1]
        addresses = {page: f"https://night.example/nightshelf/recommendations/night/{page}" for page in pages}
        assert {page: document[page] for page in ("report", "validation") if document[page]} == addresses
        assert (document["as_of"], document["window_days"]) == (AS_OF.isoformat(), 30)


def overdue(**changed: str) -> dict[str, Any]:
    """What Airflow gives the callback of a deadline."""
    run = {"dag_id": "recommendations", "dag_run_id": "night", "state": "running", "run_type": "scheduled"}
    return {
        "dag_run": {**run, **changed},
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
def test_a_run_that_is_late_alerts(
    nightly: Callable[..., Any], webhook: WebServer, run_as_it_is: dict[str, str], why: str | None
) -> None:
    [deadline] = nightly(webhook="ops_hook", late_after_hours=6.0).deadline
    assert deadline.interval == timedelta(hours=6)
    module, _, name = deadline.callback.path.rpartition(".")
    late = getattr(import_module(module), name)
    asyncio.run(late(context=overdue(**run_as_it_is), **deadline.callback.kwargs))
    if why is None:
        assert webhook.documents == []
    else:
        [document] = webhook.documents
        assert document["why"].startswith(why)
        assert (document["kind"], document["late_since"]) == ("late", "2026-01-01T06:00:00+00:00")


@pytest.mark.usefixtures("connected")
def test_a_run_that_is_late_alerts_though_the_settings_cannot_be_read_any_more(
    nightly: Callable[..., Any], webhook: WebServer
) -> None:
    [deadline] = nightly(webhook="ops_hook", late_after_hours=6.0).deadline
    file = config.path()
    file.write_text(file.read_text() + "\n[surprise]\n")
    module, _, name = deadline.callback.path.rpartition(".")
    late = getattr(import_module(module), name)
    asyncio.run(late(context=overdue(), **deadline.callback.kwargs))
    [document] = webhook.documents
    assert document["why"] == "the run had not ended at 2026-01-01 06:00 UTC, 6 h after its trigger"
    file.unlink()
    asyncio.run(late(context=overdue(), **deadline.callback.kwargs))
    assert len(webhook.documents) == 1, "nobody is known; nothing is raised in the triggerer"


@pytest.fixture
def airflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalAirflow]:
    """A real local Airflow whose shop has a webhook, and whose runs are late after a second."""
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


def failures_of(webhook: WebServer, run_id: str) -> list[dict[str, Any]]:
    """The alerts of failed tasks in the run."""
    return [alert for alert in webhook.documents if (alert["run"], alert["kind"]) == (run_id, "failed")]


@pytest.mark.slow
def test_a_real_airflow_alerts_of_a_failure_a_late_run_and_a_killed_task(
    airflow: LocalAirflow, webhook: WebServer
) -> None:
    api = airflow.api()
    address = {"conn_type": "http", "host": f"{webhook.url}/hooks/{HOOK_TOKEN}"}
    api.post("/connections", {"connection_id": "ops_hook", **address})
    unpause(api)
    run_id = api.post(f"/dags/{DAG_ID}/dagRuns", {"logical_date": None, "conf": UNKNOWN_FIELD})["dag_run_id"]
    until = time.monotonic() + 90
    while len(webhook.documents) < 2 and time.monotonic() < until:
        time.sleep(0.2)
    alerts = {document["kind"]: document for document in webhook.documents}
    assert set(alerts) == {"failed", "late"}
    assert alerts["failed"]["task"] == "extract"
    assert alerts["failed"]["what_to_do"] == "trigger again without them"
    for document in alerts.values():
        assert (document["dag"], document["run"]) == (DAG_ID, run_id)
        assert document["run_page"].startswith(f"{airflow.url}/dags/{DAG_ID}/runs/")

    # a task whose process is gone calls no callback: the DAG processor does, once for each such task
    nightly = f"/dags/{DAG_ID}"
    api.patch(nightly, {"is_paused": True})
    lost = api.post(f"{nightly}/dagRuns", {"logical_date": None})["dag_run_id"]
    for gone in ("remove_old_runs", "extract"):
        api.patch(f"{nightly}/dagRuns/{quote(lost)}/taskInstances/{gone}", {"new_state": "failed"})
    api.patch(nightly, {"is_paused": False})
    until = time.monotonic() + 90
    while len(failures_of(webhook, lost)) < 2 and time.monotonic() < until:
        time.sleep(0.2)
    first, second = failures_of(webhook, lost)
    assert (first["task"], second["task"]) == ("extract", "remove_old_runs")
    assert "marked it failed" in first["found"]
    assert len(failures_of(webhook, run_id)) == 1
    files = [path for path in airflow.folder.rglob("*") if path.is_file()]
    logs = "".join(path.read_text(errors="replace") for path in files)
    assert "alert sent: webhook" in logs
    assert HOOK_TOKEN not in logs


@pytest.mark.slow
@pytest.mark.usefixtures("airflow_tables", "connected")
def test_a_night_whose_model_lost_publishes_the_rule_and_says_so_everywhere(
    nightly: Callable[..., Any],
    webhook: WebServer,
    shop_url: str,
    serving_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A promotion in the test days: lists of a rule are live; alert, asset and record name it."""
    now, settings = datetime.now(UTC), config.load()
    load(
        "synthetic", shop_url, now=now, say=str, settings=settings, n_events=20_000, seed=1, promotion_days=14
    )
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", shop_url)
    dag_run = nightly(webhook="ops_hook").test(run_conf={"tune": "never"})
    assert str(dag_run.state) == "success"
    with psycopg.connect(serving_url) as db:
        query = (
            "SELECT params ->> 'model', precision_at_3, decision -> 'fallback' FROM serving.publications"
            " WHERE is_live"
        )
        [(model, precision, fallback)] = db.execute(query).fetchall()
    assert (fallback["reason"], fallback["model"], fallback["precision_at_3"]) == ("lost", model, precision)
    [document] = webhook.documents
    assert (document["kind"], document["task"], document["why"]) == ("lost", "publish", fallback["why"])
    extra = asset_events()[-1]
    assert (extra["model"], extra["is_fallback"], extra["precision_at_3"]) == (model, True, precision)
    assert extra["fallback_why"] == fallback["why"]
