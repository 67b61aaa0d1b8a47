"""The buttons of a task: the run's report, and what validation found."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink
from airflow.sdk.configuration import conf


class PageLink(BaseOperatorLink):
    """A page of the run, as `plugins/nightshelf_report.py` shows it. Airflow asks when the task has ended."""

    page = ""

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """`/nightshelf/<dag id>/<run id>/<page>` under the UI's address."""
        root = conf.get("api", "base_url", fallback="").rstrip("/")
        return (
            f"{root}/nightshelf/{quote(ti_key.dag_id, safe='')}/{quote(ti_key.run_id, safe='')}/{self.page}"
        )


class ReportLink(PageLink):
    """How good the lists are, and why they were published or refused."""

    name = "Report"
    page = "report"


class ValidationLink(PageLink):
    """Every expectation the data was held against, and the rows that failed."""

    name = "Validation"
    page = "validation"


LINKS: dict[str, tuple[PageLink, ...]] = {
    "validate": (ValidationLink(),),
    "evaluate": (ReportLink(),),
    "gate": (ReportLink(),),
    "publish": (ReportLink(),),
}
"""The buttons of each stage that has any."""
