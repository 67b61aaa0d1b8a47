"""What a drafted query makes of prices, discounts and ratings."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import Ids
from pipeline.loading import events_file
from pipeline.loading.query_file import Query
from tests.loading.drafts import NOW, comments, sql_only, text_of


def carried(sql: str, folder: Path) -> list[tuple[float | None, ...]]:
    """Price, discount and rating of the events that the query reads, sorted."""
    query = folder / "drafted.sql"
    query.write_text(sql, encoding="utf-8")
    with events_file.read(Query(query), None, None, Ids(), "UTC", NOW) as shop:
        rows = [row for batch in shop.events for row in batch.to_pylist()]
    return sorted(((row["price"], row["discount"], row["rating"]) for row in rows), key=str)


@pytest.mark.parametrize(
    ("head", "values", "kept", "told"),
    [
        (
            "unit_price",
            ["2.5", "3"],
            [(2.5, None, None), (3.0, None, None)],
            "unit_price must be paid for one",
        ),
        (
            "Preis",
            ["1.234,50", "2,00"],
            [(1234.5, None, None), (2.0, None, None)],
            "the price: Preis, its comma",
        ),
        ("discount", ["0.5", ""], [(None, 0.5, None), (None, None, None)], "discount must be money off one"),
        ("Bewertung", ["4", "5"], [(None, None, 4.0), (None, None, 5.0)], "the rating: Bewertung"),
    ],
)
def test_a_column_is_taken_for_what_its_name_says(
    tmp_path: Path, head: str, values: list[str], kept: list[tuple[float | None, ...]], told: str
) -> None:
    text = f"customer;article;date;{head}\n" + "".join(f"1;x;2024-01-13;{value}\n" for value in values)
    drafted = text_of(tmp_path, "e.csv", text)
    assert carried(drafted, tmp_path) == kept
    assert told in comments(drafted)


def test_a_price_that_is_no_number_and_a_file_without_one_are_left_alone(tmp_path: Path) -> None:
    for text in (
        "customer,article,date,price\n1,x,2024-01-13,$2.50\n",
        "customer,article,date\n1,x,2024-01-13\n",
    ):
        drafted = text_of(tmp_path, "e.csv", text)
        assert "price" not in sql_only(drafted)
        assert carried(drafted, tmp_path) == [(None, None, None)]


@pytest.mark.parametrize(
    ("head", "value", "is_sale"),
    [
        ("order_id", "A7", True), ("quantity", "2", True), ("unit_price", "2.5", True),
        ("discount_amount", "0.5", True), ("colour", "red", False),
    ],
)  # fmt: skip
def test_stars_say_what_happened_only_where_nothing_was_sold(
    tmp_path: Path, head: str, value: str, is_sale: bool
) -> None:
    """A line of an order is a purchase, however its buyer liked it; 3 of 5 stars alone are a look."""
    rows = "".join(f"1,x{stars},2024-01-13,{stars},{value}\n" for stars in (3, 5))
    drafted = text_of(tmp_path, "e.csv", f"customer,article,date,stars,{head}\n{rows}")
    assert ("THEN 'purchase' ELSE 'view'" in sql_only(drafted)) == (not is_sale)
    assert sorted(rating or 0 for _, _, rating in carried(drafted, tmp_path)) == [3, 5]


def test_a_price_that_is_no_number_far_down_costs_no_load(tmp_path: Path) -> None:
    rows = "".join(f"{n % 9},{n % 7},2024-01-13,2.50\n" for n in range(30_000))
    drafted = text_of(tmp_path, "e.csv", f"customer,article,date,price\n{rows}1,5,2024-01-14,free\n")
    prices = [price for price, _, _ in carried(drafted, tmp_path)]
    assert (len(prices), prices.count(None), set(prices)) == (30_001, 1, {2.5, None})


def test_all_parts_of_a_query_have_the_same_columns(tmp_path: Path) -> None:
    """Views below purchases have no price, which stands for null there."""
    orders = "customer,article,date,price\n1,5,2024-01-13,2.50\n"
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "shop-views.csv").write_text("customer,article,date\n2,6,2024-01-14\n")
    drafted = text_of(tmp_path / "views", "shop-orders.csv", orders)
    assert "UNION ALL" in drafted
    assert "NULL AS price" in sql_only(drafted)
    assert carried(drafted, tmp_path / "views") == [(2.5, None, None), (None, None, None)]
