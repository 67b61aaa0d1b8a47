"""The report in Airflow: the last task links to it, and the API server shows it to who may see the runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

import pytest
import requests
from playwright.sync_api import expect, sync_playwright

from pipeline.config import ROOT
from pipeline.local.airflow import LocalAirflow
from pipeline.local.configuration import USER
from pipeline.local.demo import follow
from pipeline.local.servers import DAG_ID
from pipeline.runs.pages import PAGE, page_of

PLUGINS = ROOT / "dags" / "plugins"


def test_tasks_link_to_the_report_and_to_what_validation_found(dag: Any) -> None:
    links = {task.task_id: [link.name for link in task.operator_extra_links] for task in dag.tasks}
    assert {name: names for name, names in links.items() if names} == {
        "validate": ["Validation"],
        "evaluate": ["Report"],
        "gate": ["Report"],
        "publish": ["Report"],
    }


@pytest.mark.parametrize(
    ("base", "start"),
    [("", "/nightshelf"), ("https://night.example/air/", "https://night.example/air/nightshelf")],
)
def test_the_link_names_the_run(dag: Any, monkeypatch: pytest.MonkeyPatch, base: str, start: str) -> None:
    class Key:
        dag_id = "recommendations"
        run_id = "scheduled__2026-11-21T00:00:00+00:00"

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    [link] = dag.get_task("publish").operator_extra_links
    address = link.get_link(dag.get_task("publish"), ti_key=Key())
    assert address == f"{start}/recommendations/scheduled__2026-11-21T00%3A00%3A00%2B00%3A00/report"


def test_airflow_finds_the_plugin_and_only_the_api_server_pays_for_it() -> None:
    code = """
import sys
from airflow.plugins_manager import _get_plugins
plugins, errors = _get_plugins()
assert not errors, errors
assert [p.name for p in plugins if p.name == "nightshelf"], plugins
assert not {"lightgbm", "pyarrow", "pipeline"} & set(sys.modules)
from airflow.plugins_manager import get_fastapi_plugins
[[app], _] = get_fastapi_plugins()
assert app["url_prefix"] == "/nightshelf"
assert not {"lightgbm", "pyarrow"} & set(sys.modules)
"""
    environment = {**os.environ, "AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_page_is_found_by_the_name_of_its_run_alone(tmp_path: Path) -> None:
    (tmp_path / "runs" / "night").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "runs", tmp_path / "runs" / "night"):
        (folder / PAGE).write_text("a page")
    runs = tmp_path / "runs"
    assert page_of(runs, "night") == runs / "night" / PAGE
    for name in (
        "",
        ".",
        "..",
        "../runs/night",
        "night/../night",
        "..\\night",
        "other",
        "night\0",
        "n" * 300,
    ):
        assert page_of(runs, name) is None, name


@pytest.fixture(scope="module")
def night(local_airflow: LocalAirflow) -> str:
    """A dry run under a real Airflow, nothing published; its id."""
    api = local_airflow.api()
    conf = {"tune": "never", "dry_run": True}
    dag_run = api.post(f"/dags/{DAG_ID}/dagRuns", {"logical_date": None, "conf": conf})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHELF_HOME", str(local_airflow.home))
        follow(api, dag_run["dag_run_id"], str)
    return str(dag_run["dag_run_id"])


@pytest.fixture
def token(local_airflow: LocalAirflow) -> str:
    """Of the local Airflow's own user."""
    api = local_airflow.api()
    api.get(f"/dags/{DAG_ID}")
    return str(api._token)


def ask(url: str, token: str = "") -> tuple[int, str, Any]:
    """Status, body and headers of a GET."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urlopen(Request(url, headers=headers), timeout=20) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except HTTPError as error:
        return error.code, error.read().decode(), error.headers


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "button", "said"),
    [
        ("publish", "Report", "The lists passed the gate; they are not published"),
        ("validate", "Validation", "expectations hold"),
    ],
)
def test_the_api_server_shows_the_pages_to_who_is_logged_in_and_to_nobody_else(
    local_airflow: LocalAirflow, night: str, token: str, task: str, button: str, said: str
) -> None:
    api = local_airflow.api()
    links = api.get(f"/dags/{DAG_ID}/dagRuns/{night}/taskInstances/{task}/links")["extra_links"]
    url = links[button]
    assert url.startswith(f"{local_airflow.url}/nightshelf/{DAG_ID}/")
    status, page, headers = ask(url, token)
    assert status == 200
    assert said in page
    assert headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    for stranger in ("", "nonsense"):
        status, page, _ = ask(url, stranger)
        assert status in (401, 403)
        assert said not in page
    assert ask(url)[0] == 401


@pytest.mark.slow
@pytest.mark.parametrize("page", ["report", "validation"])
def test_a_page_that_is_not_there_is_explained(local_airflow: LocalAirflow, token: str, page: str) -> None:
    root = f"{local_airflow.url}/nightshelf"
    for name in ("another", "%3Cscript%3E"):
        status, text, headers = ask(f"{root}/{DAG_ID}/{name}/{page}", token)
        assert status == 404, name
        assert headers["Content-Type"].startswith("text/html")
        assert f"The {page} of run " in text
        assert "is written when" in text
        assert "<script>" not in text


AWKWARD = {
    "300 bytes": "n" * 300,
    "300 bytes in 100 characters": "%E4%B8%AD" * 100,
    "5,000 bytes": "n" * 5_000,
    "slash": "a%2Fb",
    "parent": "..%2F..%2Fairflow",
    "dots": "%2e%2e",
    "plain dots": "..",
    "percent": "100%25",
    "half an escape": "100%",
    "nul": "a%00b",
    "no utf-8": "%FF%FE",
    "backslash": "..%5Cnight",
    "empty": "",
}


@pytest.mark.slow
def test_whatever_the_address_says_the_answer_is_a_page_in_words(
    local_airflow: LocalAirflow, token: str
) -> None:
    root = f"{local_airflow.url}/nightshelf"
    addresses = [f"{root}/{DAG_ID}/{name}/report" for name in AWKWARD.values()]
    addresses += [f"{root}/{name}/night/report" for name in AWKWARD.values()]
    addresses += [f"{root}/{DAG_ID}/night/{name}" for name in AWKWARD.values()]
    addresses += [f"{root}/", f"{root}/{DAG_ID}", f"{root}/{DAG_ID}/night", f"{root}/{DAG_ID}/a/b/report/"]
    for address in addresses:
        status, text, headers = ask(address, token)
        assert status == 404, address
        assert headers["Content-Type"].startswith("text/html"), address
        assert "Nothing to show" in text, address
    assert ask(f"{root}/{DAG_ID}/a%0Ab/report", token)[0] == 404, (
        "Airflow itself has no address with a line end"
    )


@pytest.mark.slow
def test_a_browser_is_led_to_the_login_and_a_program_is_refused(
    local_airflow: LocalAirflow, night: str, token: str
) -> None:
    page = f"{local_airflow.url}/nightshelf/{DAG_ID}/{quote(night, safe='')}/report"
    login = f"{local_airflow.url}/api/v2/auth/login?{urlencode({'next': page})}"
    html = "text/html,application/xhtml+xml,*/*;q=0.8"
    for cookie in ({}, {"_token": "nonsense"}, {"_token": ""}):
        answer = requests.get(
            page, headers={"Accept": html}, cookies=cookie, allow_redirects=False, timeout=20
        )
        assert (answer.status_code, answer.headers["Location"]) == (307, login), cookie
        assert "Precision" not in answer.text
    led = requests.get(login, headers={"Accept": html}, allow_redirects=False, timeout=20)
    assert led.headers["Location"].endswith(f"/auth/login?{urlencode({'next': page})}")
    for headers in ({"Accept": "application/json"}, {"Accept": "*/*"}, {}):
        answer = requests.get(page, headers=headers, allow_redirects=False, timeout=20)
        assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"}), headers
    answer = requests.get(
        page, headers={"Accept": html, "Authorization": "Bearer nonsense"}, allow_redirects=False, timeout=20
    )
    assert answer.status_code == 403
    answer = requests.get(page, headers={"Accept": html}, cookies={"_token": token}, timeout=20)
    assert answer.status_code == 200


@pytest.mark.slow
def test_a_person_who_opens_a_link_logs_in_and_sees_the_report(
    local_airflow: LocalAirflow, night: str
) -> None:
    program = shutil.which("chromium")
    assert program, "no browser: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.goto(f"{local_airflow.url}/nightshelf/{DAG_ID}/{quote(night, safe='')}/report")
        page.fill("input[name=username]", USER)
        page.fill("input[name=password]", local_airflow.password)
        page.keyboard.press("Enter")
        expect(page.get_by_text("The lists passed the gate; they are not published")).to_be_visible()
        assert page.url.startswith(f"{local_airflow.url}/nightshelf/{DAG_ID}/")
        browser.close()


@pytest.mark.slow
def test_a_run_is_shown_under_the_id_of_its_own_dag_alone(
    local_airflow: LocalAirflow, night: str, token: str
) -> None:
    root = f"{local_airflow.url}/nightshelf"
    assert ask(f"{root}/{DAG_ID}/{night}/report", token)[0] == 200
    for other in ("rollback", f"{DAG_ID}__other", "nothing", "~"):
        for page in ("report", "validation"):
            status, text, _ = ask(f"{root}/{other}/{night}/{page}", token)
            assert status == 404, other
            assert f"The DAG {other} has no page" in text
    assert ask(f"{root}/{DAG_ID}/{night}/airflow.cfg", token)[0] == 404
