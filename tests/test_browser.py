"""The Airflow UI in a real browser: log in, open the DAG, fill in the form, trigger, see green."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import psycopg
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from pipeline import config
from pipeline.contract.stages import STAGES
from pipeline.local.airflow import USER, LocalAirflow
from pipeline.local.demo import follow
from pipeline.local.servers import DAG_ID
from pipeline.serving import publications, release

pytestmark = pytest.mark.slow
SHOTS = config.home() / "screenshots"
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
SECONDS = 60_000.0
expect.set_options(timeout=SECONDS)


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


FORM = {
    "Events": ("As of", "Window (days)"),
    "Learning": ("Repeat purchases", "Tune", "Trials"),
    "Publishing": ("Dry run", "Force"),
}
"""The sections of the form, folded until they are pressed, and what is in each."""


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
    for section, titles in FORM.items():
        form.get_by_role("button", name=section, exact=True).click()
        for title in titles:
            expect(form.get_by_role("group").filter(has_text=title).first).to_be_visible()
        if section == "Events":
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
    page.goto(f"{local_airflow.url}/dags/{DAG_ID}/runs/{run['dag_run_id']}/tasks/publish/details")
    page.get_by_role("link", name="Report").click()
    expect(page.get_by_text("users are live as version")).to_be_visible()
    shoot(page, "report")


def test_a_publication_is_taken_back_and_held_from_the_form(page: Page, local_airflow: LocalAirflow) -> None:
    settings, url = config.load(), local_airflow.server.url("serving")
    versions = [row.version for row in publications(url, settings)[0] if row.state == "live"]
    page.goto(f"{local_airflow.url}/dags/rollback")
    for _ in range(20):  # the form proposes a new publication once the file has been parsed again
        page.get_by_role("button", name="Trigger").first.click()
        form = page.get_by_role("dialog")
        expect(form.get_by_text("Version", exact=True)).to_be_visible()
        proposed = [o.get_attribute("value") or "" for o in form.locator("datalist option").all()]
        chosen = [text for text in proposed if text.startswith(f"version {versions[0]}, live: as of ")]
        if chosen:
            break
        page.reload()
        page.wait_for_timeout(3_000)
    form.get_by_placeholder("Start typing to see options").fill(chosen[0])
    form.locator("[data-scope=switch][data-part=root]").click()
    shoot(page, "rollback")
    form.get_by_role("button", name="Trigger").click()
    page.wait_for_url("**/runs/**")
    for _ in range(120):
        [run] = local_airflow.api().get("/dags/rollback/dagRuns?order_by=-run_after&limit=1")["dag_runs"]
        if run["state"] in ("success", "failed"):
            break
        page.wait_for_timeout(500)
    page.reload()
    shoot(page, "rolled_back")
    with psycopg.connect(url) as db:
        moves = db.execute(
            "SELECT cause, to_version, is_held, moved_by FROM serving.live_history ORDER BY number"
        ).fetchall()
    assert moves[-1][:3] == ("hold", versions[0], True)
    assert moves[-1][3].startswith(f"{USER} in Airflow as ")
    release(url, settings, say=str)
