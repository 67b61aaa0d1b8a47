"""The DAG `fetch_users`: its form, and a run in this process against a real API and a real database."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.config import ROOT
from pipeline.databases.connect import engine
from pipeline.errors import ApiBusy, ApiError, SettingsError
from tests.dags.test_recommendations import HEAVY, modules_after
from tests.fetching.api import KEY, TOKEN, Api, api_server, people

NOW = datetime(2026, 11, 28, tzinfo=UTC)
CONF = {
    "endpoint": "users",
    "fields": ["segment", "visits:number"],
    "next_field": "meta.next",
    "page_size": 10,
    "requests_a_minute": 6000,
}


@pytest.fixture
def api() -> Iterator[Api]:
    with api_server() as server:
        yield server


@pytest.fixture
def users_api(api: Api, connect: Callable[..., None]) -> Api:
    """The API behind the Airflow connection `users_api`, with a header and a key that nobody may see."""
    extra = {"Authorization": TOKEN, "query": {"api_key": KEY}, "timeout": 10}
    connect("users_api", conn_type="http", host=api.url, extra=extra)
    return api


@pytest.fixture
def fetch_dag() -> Any:
    """The DAG, read anew: `dag.test` leaves the parameters of its run in the DAG."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=str(ROOT / "dags" / "fetch_users.py")).dags["fetch_users"]


def read(url: str) -> list[tuple[Any, ...]]:
    with engine(url).begin() as db:
        rows = db.execute(sa.text("SELECT id, segment, visits FROM fetched_users ORDER BY id"))
        return [tuple(row) for row in rows]


def test_a_run_goes_on_where_it_failed_and_shows_no_secret(
    fetch_dag: Any,
    airflow_tables: None,
    users_api: Api,
    shop_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The first attempt ends at page 2, which is no JSON; the second fetches page 2 and the rest."""
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", shop_url)
    caplog.set_level(logging.DEBUG, "nightshelf_airflow")
    users_api.users = people(25)
    page, broken = users_api.answer, [False, True]

    def answer(target: str) -> Any:
        body = f"<html>{KEY} {TOKEN}</html>".encode()
        return (200, {}, body) if broken and broken.pop(0) else page(target)

    monkeypatch.setattr(users_api, "answer", answer)
    failed = fetch_dag.test(run_conf=CONF, logical_date=NOW, run_after=NOW)
    assert str(failed.state) == "failed"
    said = caplog.text + "".join(capfd.readouterr())
    assert "page 2 of the API is no JSON" in said
    assert len(users_api.asked) == 2
    mended = fetch_dag.test(run_conf=CONF, logical_date=NOW, run_after=NOW)
    assert mended.run_id == failed.run_id
    [task] = mended.get_task_instances()
    assert str(task.state) == "success"
    counts = task.xcom_pull(task_ids="fetch_users")
    assert counts == {"n_pages": 3, "n_before": 0, "n_users": 25}
    assert [line.partition("&api_key")[0] for line in users_api.asked] == [
        "/users?limit=10",
        "/users?limit=10&cursor=10",
        "/users?limit=10&cursor=10",
        "/users?limit=10&cursor=20",
    ]
    assert read(shop_url) == [(user["id"], user["segment"], user["visits"]) for user in people(25)]
    said += caplog.text + "".join(capfd.readouterr())
    assert "fetched_users: 25 users of 3 pages" in said
    for secret in (KEY, TOKEN, TOKEN.partition(" ")[2]):
        assert secret not in said
        assert secret not in json.dumps(counts)


def test_every_request_has_the_secrets_and_no_error_shows_them(users_api: Api) -> None:
    from nightshelf_airflow.http_api import HttpApi

    with HttpApi("users_api", "/users") as api:
        assert api.address == f"{users_api.url}/users"
        assert api.get(api.address, {"limit": "1"}).status == 200
    assert users_api.asked == [f"/users?limit=1&api_key={KEY}"]
    assert users_api.headers[0]["Authorization"] == TOKEN
    assert "query" not in users_api.headers[0]


def test_an_api_that_is_gone_or_answers_too_much(
    users_api: Api, connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from nightshelf_airflow import http_api

    extra = {"query": {"api_key": KEY}}
    connect("gone_api", conn_type="http", host="http://127.0.0.1:9", extra=extra)
    connect("odd_api", conn_type="http", host="http://[127.0.0.1", extra=extra)
    connect("odd_header", conn_type="http", host=users_api.url, extra={"Authorization": f"{KEY}\nX: y"})
    tries: list[tuple[str, type[Exception], str]] = [
        ("gone_api", ApiBusy, "the API gives no answer"),
        ("odd_api", ApiError, "address or headers are wrong"),
        ("odd_header", ApiError, "address or headers are wrong"),
    ]
    for name, kind, said in tries:
        with pytest.raises(kind, match=said) as error, http_api.HttpApi(name, "/users") as api:
            api.get(api.address, {})
        assert KEY not in str(error.value)
        assert error.value.__suppress_context__
    users_api.users = people(500)
    monkeypatch.setattr(http_api, "LONGEST_ANSWER", 1000)
    with http_api.HttpApi("users_api", "/users") as api, pytest.raises(ApiError, match="more than"):
        api.get(api.address, {"limit": "500"})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "there is no Airflow connection `users_api`"),
        ({"conn_type": "postgres", "host": "db"}, "is no HTTP connection with a host"),
        ({"conn_type": "http"}, "is no HTTP connection with a host"),
        (
            {"conn_type": "http", "host": "http://api", "extra": {"query": "s3cret-key"}},
            "no JSON object",
        ),
    ],
)
def test_a_connection_that_cannot_be_used(
    connect: Callable[..., None], fields: dict[str, Any], said: str, airflow_tables: None
) -> None:
    from nightshelf_airflow.http_api import HttpApi

    if fields:
        connect("users_api", **fields)
    with pytest.raises(SettingsError, match=said) as error:
        HttpApi("users_api", "/users")
    assert KEY not in str(error.value)


def test_parsing_loads_nothing_heavy_that_airflow_does_not_load_itself() -> None:
    code = "import airflow.sdk, airflow.dag_processing.dagbag"
    parsed = modules_after(f"{code}\nrunpy.run_path({str(ROOT / 'dags' / 'fetch_users.py')!r})")
    assert not (parsed - modules_after(code)) & HEAVY


def test_the_form_says_what_every_field_is(bag: Any) -> None:
    dag = bag.dags["fetch_users"]
    assert dag.doc_md
    assert dag.is_paused_upon_creation is True
    assert dag.schedule is None
    for name in dag.params:
        field = dag.params.get_param(name)
        assert field.schema["title"], name
        assert field.description, name
        assert field.schema["section"], name
        assert field.resolve() == field.value
