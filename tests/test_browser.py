"""The Airflow UI in a real browser: log in, open the DAG, fill in the form, trigger, see green."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from pipeline import config
from pipeline.airflow_local import USER, LocalAirflow
from pipeline.demo import follow
from pipeline.local import DAG_ID
from pipeline.stages import STAGES

pytestmark = pytest.mark.slow
SHOTS = config.home() / "screenshots"
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
SECONDS = 60_000.0


@pytest.fixture
def page(local_airflow: LocalAirflow) -> Iterator[Page]:
    """A page of Debian's chromium, logged in as admin."""
    program = shutil.which("chromium")
    assert program, "no browser: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(SECONDS)
        page.goto(local_airflow.url)
        page.fill("input[name=username]", USER)
        page.fill("input[name=password]", local_airflow.password)
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Dags")
        yield page
        browser.close()


def shoot(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def test_a_night_is_triggered_from_the_form(
    page: Page, local_airflow: LocalAirflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSHELF_HOME", str(local_airflow.home))
    api = local_airflow.api()
    page.goto(f"{local_airflow.url}/dags/{DAG_ID}")
    page.get_by_role("button", name="Trigger").first.click()
    form = page.get_by_role("dialog")
    for title in ("As of", "Window (days)", "Repeat purchases", "Tune", "Trials", "Dry run", "Force"):
        expect(form.get_by_role("group").filter(has_text=title).first).to_be_visible()
    window = form.get_by_role("spinbutton", name="Window (days)")
    window.fill("120")
    window.blur()
    shoot(page, "form")
    form.get_by_role("button", name="Trigger").click()
    page.wait_for_url("**/runs/**")
    [run] = api.get(f"/dags/{DAG_ID}/dagRuns?order_by=-run_after&limit=1")["dag_runs"]
    assert run["conf"]["window_days"] == 120
    follow(api, run["dag_run_id"], str)
    page.goto(f"{local_airflow.url}/dags/{DAG_ID}/runs/{run['dag_run_id']}")
    expect(page.get_by_text("Success").first).to_be_visible()
    for stage in STAGES:
        expect(page.get_by_text(stage.name, exact=True).first).to_be_visible()
    shoot(page, "run")
