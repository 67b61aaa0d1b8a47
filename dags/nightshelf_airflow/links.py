"""Addresses in Airflow's UI, and the buttons of a task that lead to the report and the validation result."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink
from airflow.sdk.configuration import conf


def ui_address() -> str:
    """The address of Airflow's UI, as `[api] base_url` gives it; empty where it is not set."""
    return str(conf.get("api", "base_url", fallback="")).rstrip("/")


def run_address(dag_id: str, run_id: str) -> str:
    """Airflow's own page of a run."""
    return f"{ui_address()}/dags/{quote(dag_id)}/runs/{quote(run_id)}"


def page_address(dag_id: str, run_id: str, page: str) -> str:
    """A page that the run has written, as `plugins/nightshelf_report.py` serves it."""
    return f"{ui_address()}/nightshelf/{quote(dag_id, safe='')}/{quote(run_id, safe='')}/{page}"


class PageLink(BaseOperatorLink):
    """A button that leads to a page of the run. Airflow asks for its address when the task has ended."""

    page = ""

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """`/nightshelf/<dag id>/<run id>/<page>` under the UI's address."""
        return page_address(ti_key.dag_id, ti_key.run_id, self.page)


class ReportLink(PageLink):
    """How good the lists are, and why they were published or refused."""

    name = "Report"
    page = "report"


class ValidationLink(PageLink):
    """Every expectation that the data was checked against, and the rows that failed."""

    name = "Validation"
    page = "validation"


LINKS: dict[str, tuple[PageLink, ...]] = {
    "validate": (ValidationLink(),),
    "evaluate": (ReportLink(),),
    "gate": (ReportLink(),),
    "publish": (ReportLink(),),
}
"""The buttons of each stage that has any."""
