"""A stranger's file is refused with the draft of a query; saved as it is, it loads the rows worked out here.

The rows of each data set are made up, in the format in which it is published: tests/loading/published.py.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.loading import published
from tests.loading.drafts import DRAFTED, comments, in_order, loaded, refused, text_of
from tests.loading.published import write


@pytest.mark.parametrize("name", DRAFTED)
def test_a_draft_loads_as_it_is(tmp_path: Path, name: str) -> None:
    files, rows = DRAFTED[name]
    error = refused(write(tmp_path / "data", files))
    assert "TODO" not in error.draft
    assert in_order(loaded(error.draft, tmp_path / "data")) == in_order(rows)


def test_nine_public_data_sets_and_more_load_as_they_are() -> None:
    shops = ("an export of", "events of", "a German", "a Brazilian")
    assert len([name for name in DRAFTED if not name.startswith(shops)]) >= 12


def test_iso_dates_of_online_retail_are_the_same_rows(tmp_path: Path) -> None:
    error = refused(write(tmp_path, published.ONLINE_RETAIL_ISO))
    assert loaded(error.draft, tmp_path) == DRAFTED["Online Retail II"][1]


def test_times_that_no_column_has_are_left_open(tmp_path: Path) -> None:
    """Instacart: the user is joined from orders.csv; nothing says when an order was made."""
    error = refused(write(tmp_path, published.INSTACART))
    assert "JOIN read_csv('orders.csv'" in error.draft
    assert "    TODO AS occurred_at" in error.draft
    assert "TODO: which column is the time? It may be: add_to_cart_order" in comments(error.draft)
    assert "days_since_prior_order" in comments(error.draft)
    assert "put in what it marks TODO (the time)" in error.then
    day = error.draft.replace("TODO AS occurred_at", "'2017-01-01' AS occurred_at")
    pairs = [(1, 196), (1, 196), (1, 14084), (2, 12427)]
    assert sorted(row[:2] for row in loaded(day, tmp_path)) == pairs


def test_a_user_in_a_file_that_is_not_there_is_asked_for(tmp_path: Path) -> None:
    name = "olist_order_items_dataset.csv"
    error = refused(write(tmp_path, {name: published.OLIST[name]}))
    assert "TODO AS user_id" in error.draft
    assert "Does a file with order_id and the user belong to it?" in comments(error.draft)
    assert "TODO (the user)" in error.then


def test_the_file_of_orders_leads_to_the_same_rows(tmp_path: Path) -> None:
    write(tmp_path, published.OLIST)
    error = refused(tmp_path / "olist_orders_dataset.csv")
    assert in_order(loaded(error.draft, tmp_path)) == in_order(DRAFTED["Olist"][1])


def test_a_join_that_would_double_rows_is_not_drafted(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(
        "order_id,user_id,created_at\n1,7,2024-01-13\n1,8,2024-01-14\n2,7,2024-01-15\n"
    )
    drafted = text_of(tmp_path, "lines.csv", "order_id,product_id,qty\n1,5,1\n1,6,1\n2,5,2\n")
    assert "JOIN" not in drafted
    assert "TODO AS user_id" in drafted


def test_views_without_purchases_are_named(tmp_path: Path) -> None:
    views = "train-item-views.csv"
    error = refused(write(tmp_path, {views: published.DIGINETICA[views]}))
    assert "No purchases are here" in comments(error.draft)
    assert {row[2] for row in loaded(error.draft, tmp_path)} == {"view"}


def test_order_details_are_purchases_and_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """`details` would be a view, were it a word in a column."""
    pq.write_table(
        pa.table({"order_id": [1, 2], "customer_id": ["A", "B"], "order_date": ["2024-01-13", "2024-01-14"]}),
        tmp_path / "order_details.parquet",
    )
    (tmp_path / "order_details.json").write_text(
        '{"order_id": 1, "product_id": 5, "quantity": 2}\n{"order_id": 2, "product_id": 5, "quantity": 1}\n'
    )
    error = refused(tmp_path / "order_details.json")
    assert sorted(loaded(error.draft, tmp_path)) == [
        ("A", 5, "purchase", "2024-01-13 00:00:00", "1", 2),
        ("B", 5, "purchase", "2024-01-14 00:00:00", "2", 1),
    ]
