"""The next step of an error, rewritten for somebody who works in Airflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import ROOT
from pipeline.errors import SourceError
from pipeline.shops import Shop

FIRST = Shop("", ROOT / "config.toml")
BOOKS = Shop("books", ROOT / "config.books.toml")
ELSEWHERE = Shop("", Path("/settings/config.toml"))


@pytest.mark.parametrize(
    ("shop", "then", "in_airflow"),
    [
        (
            FIRST,
            "edit sql/source/events.sql, then: python -m pipeline run extract",
            "edit sql/source/events.sql, then: clear the task `extract`",
        ),
        (
            FIRST,
            "python -m pipeline run train --run-id a__2026-01-01T00:00:00+00:00",
            "clear the task `train`",
        ),
        (FIRST, "python -m pipeline run --as-of last", "python -m pipeline run --as-of last"),
        (
            FIRST,
            "trigger with force, or python -m pipeline run publish --run-id a --force",
            "trigger with force, or python -m pipeline run publish --run-id a --force",
        ),
        (
            BOOKS,
            "trigger with force, or python -m pipeline run publish --run-id a --force",
            "trigger with force, or python -m pipeline run publish --config config.books.toml --run-id a"
            " --force",
        ),
        (
            BOOKS,
            "write sql/books/events.sql, or set [source] sql in config.toml",
            "write sql/books/events.sql, or set [source] sql in config.books.toml",
        ),
        (BOOKS, "trigger the DAG recommendations", "trigger the DAG recommendations__books"),
        (BOOKS, "python -m pipeline run train --run-id a", "clear the task `train`"),
        (
            ELSEWHERE,
            "python -m pipeline migrate",
            "python -m pipeline migrate --config /settings/config.toml",
        ),
    ],
)
def test_the_next_step_is_one_that_can_be_taken_in_airflow(
    monkeypatch: pytest.MonkeyPatch, shop: Shop, then: str, in_airflow: str
) -> None:
    monkeypatch.syspath_prepend(ROOT / "dags")
    from nightshelf_airflow.advice import adapt_to_airflow

    error = SourceError("something", promised='[ids] user = "text" in config.toml', then=then)
    adapt_to_airflow(error, shop)
    assert error.then == in_airflow
    assert shop.path.name in error.promised
    assert str(error).endswith(in_airflow)
