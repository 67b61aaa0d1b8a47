from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.contract.datasets import DATASETS, MAY_CARRY, TIMES_OF_ITEMS
from pipeline.errors import SourceError
from pipeline.source import statement
from pipeline.source.columns import Shape
from tests.source import shops

IDS = {"user": "integer", "item": "integer"}


def shape(folder: str, name: str = "users") -> Shape:
    return Shape(DATASETS[name], f"{folder}/{name}.sql", IDS, "UTC")


def read(of: Shape, *columns: str) -> statement.Statement:
    """The statement, where every table has these columns."""
    return statement.read(of, lambda _: columns)


@pytest.mark.parametrize("name", ["events", "items", "users"])
def test_the_statements_of_the_project_select_what_the_contract_says(name: str) -> None:
    text = statement.read(shape("sql/source", name), lambda _: (*MAY_CARRY, *TIMES_OF_ITEMS)).sql
    for column in DATASETS[name].columns:
        assert f"AS {column}" in text


def test_comments_go_and_texts_stay(tmp_path: Path) -> None:
    text = "-- of :window_start\nSELECT 1 AS user_id, '-- no /* comment' /* a :name;\n */ AS segment;\n\n"
    folder = shops.write(tmp_path, users=text)
    assert read(shape(folder)).sql.split() == (
        ["SELECT", "1", "AS", "user_id,", "'--", "no", "/*", "comment'", "AS", "segment"]
    )


def test_a_bound_name_that_nobody_gives_is_refused(tmp_path: Path) -> None:
    folder = shops.write(tmp_path, users="SELECT :who AS user_id, NULL AS segment")
    with pytest.raises(SourceError, match="binds other names") as refused:
        read(shape(folder))
    assert refused.value.found == ":who"


def test_a_window_that_is_not_used_is_refused(tmp_path: Path) -> None:
    folder = shops.write(tmp_path, events="SELECT * FROM events WHERE occurred_at >= :window_start")
    with pytest.raises(SourceError, match="binds other names") as refused:
        read(shape(folder, "events"))
    assert refused.value.promised == ":window_start and :window_end"


@pytest.mark.parametrize(("dialect", "sign"), [("postgresql", '"'), ("mysql", "`"), ("sqlite", '"')])
def test_all_columns_of_a_table_but_some_are_selected_whatever_their_names(
    tmp_path: Path, dialect: str, sign: str
) -> None:
    text = "SELECT id AS user_id\n  -- also, all columns of shop.people but id, segment\nFROM shop.people"
    written = Shape(DATASETS["users"], f"{shops.write(tmp_path, users=text)}/users.sql", IDS, "UTC", dialect)
    names = ["id", "Segment", "user_id", "order", f"Age {sign}:years"]
    sql = statement.read(written, lambda _: names).sql
    age = f"{sign}Age {sign}{sign}\\:years{sign}"
    assert " ".join(sql.split()) == f"SELECT id AS user_id , {sign}order{sign}, {age} FROM shop.people"
    assert " ".join(read(written, "id", "segment").sql.split()) == "SELECT id AS user_id FROM shop.people"


def test_further_columns_are_selected_where_their_table_has_them(tmp_path: Path) -> None:
    """Each under its own name, whatever else the table has; a comment within a line says nothing."""
    text = "SELECT 1 AS user_id\n  -- also, where shop.people has them: segment, age,rank\nFROM shop.people"
    asked = []

    def columns_of(table: str) -> list[str]:
        asked.append(table)
        return ["id", "age", "segment"]

    written = shape(shops.write(tmp_path, users=text))
    words = statement.read(written, columns_of).sql.split()
    assert " ".join(words) == "SELECT 1 AS user_id , segment AS segment, age AS age FROM shop.people"
    assert asked == ["shop.people"]
    assert " ".join(read(written, "id").sql.split()) == "SELECT 1 AS user_id FROM shop.people"
    text = "SELECT 1 AS user_id, -- also, where people has them: segment\n 2 AS age"
    assert "segment" not in read(shape(shops.write(tmp_path, users=text)), "segment").sql
