from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.contract.datasets import DATASETS
from pipeline.errors import SourceError
from pipeline.source import statement
from pipeline.source.columns import Shape
from tests.source import shops

IDS = {"user": "integer", "item": "integer"}


def shape(folder: str, name: str = "users") -> Shape:
    return Shape(DATASETS[name], f"{folder}/{name}.sql", IDS, "UTC")


@pytest.mark.parametrize("name", ["events", "items", "users"])
def test_the_statements_of_the_project_select_what_the_contract_says(name: str) -> None:
    text = statement.read(shape("sql/source", name)).sql
    for column in DATASETS[name].columns:
        assert f"AS {column}" in text


def test_comments_go_and_texts_stay(tmp_path: Path) -> None:
    text = "-- of :window_start\nSELECT 1 AS user_id, '-- no /* comment' /* a :name;\n */ AS segment;\n\n"
    folder = shops.write(tmp_path, users=text)
    assert statement.read(shape(folder)).sql.split() == (
        ["SELECT", "1", "AS", "user_id,", "'--", "no", "/*", "comment'", "AS", "segment"]
    )


def test_a_bound_name_that_nobody_gives_is_refused(tmp_path: Path) -> None:
    folder = shops.write(tmp_path, users="SELECT :who AS user_id, NULL AS segment")
    with pytest.raises(SourceError, match="binds other names") as refused:
        statement.read(shape(folder))
    assert refused.value.found == ":who"


def test_a_window_that_is_not_used_is_refused(tmp_path: Path) -> None:
    folder = shops.write(tmp_path, events="SELECT * FROM events WHERE occurred_at >= :window_start")
    with pytest.raises(SourceError, match="binds other names") as refused:
        statement.read(shape(folder, "events"))
    assert refused.value.promised == ":window_start and :window_end"
