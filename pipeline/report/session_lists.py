"""The words about session lists, what an app shows beside a basket: how good they were in the test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from pipeline.report import charts, words
from pipeline.report.charts import Bar
from pipeline.report.words import FEW_BUYERS
from pipeline.runs.folder import RunFolder

Row = Mapping[str, Any]


def lines(document: Row) -> list[str]:
    """The document `session_lists` for a terminal; first-time buyers, if there are any, on a second line."""
    if document["why"]:
        return [f"session lists: not judged, {document['why']}"]
    sentences = [f"session lists: {_in_short(document['all'], document['length'])}"]
    if document["first_time"]:
        sentences.append(f"  first-time buyers: {_in_short(document['first_time'], document['length'])}")
    return sentences


def session_lists(folder: RunFolder) -> dict[str, Any] | None:
    """The section of the report: `sentences`, and a `chart`, empty where nothing was measured.

    None: the run has not come so far, or is of a version that did not judge them.
    """
    if not folder.has("session_lists"):
        return None
    document = folder.document("session_lists")
    if document["why"]:
        why = document["why"]
        return {"sentences": [f"Not judged: {why}.{_single(document)}"], "chart": ""}
    return {"sentences": _sentences(document), "chart": _chart(document)}


def _orders(row: Row) -> str:
    """`1,200 orders`; `1,200 orders of 700 buyers` where some were measured at several cuts."""
    n_orders, n_buyers = row["n_orders"], _n_buyers(row)
    orders = words.count(n_orders, "order")
    return orders if n_orders == n_buyers else f"{orders} of {words.count(n_buyers, 'buyer')}"


def _is_few(row: Row) -> bool:
    return _n_buyers(row) < FEW_BUYERS


def _n_buyers(row: Row) -> int:
    """Earlier releases measured one order of each buyer."""
    return int(row.get("n_buyers", row["n_orders"]))


def _in_short(row: Row, length: int) -> str:
    orders = _orders(row)
    if _is_few(row):
        return f"{orders}, too few to decide anything"
    low, high = (f"{100 * row[end]:+.1f}" for end in ("ci_low", "ci_high"))
    return (
        f"the hidden item was among their {length} in {row['hit_rate_at_10']:.1%} of {orders},"
        f" among {length} popular ones in {row['popular_hit_rate_at_10']:.1%}:"
        f" {100 * row['difference']:+.1f} points ({low} to {high}){_doubt(row)}"
    )


def _doubt(row: Row) -> str:
    if row["ci_high"] < 0:
        return ", worse than popular"
    return "" if row["ci_low"] > 0 else ", which may be chance"


def _sentences(document: Row) -> list[str]:
    row, length, orders = document["all"], document["length"], _orders(document["all"])
    n_cuts = document.get("n_cuts", 1)
    last = "in the test" if n_cuts < 2 else f"after each of {n_cuts} cuts of the test"
    found = (
        f"One item of each buyer's last order {last} was hidden, and {length} items were shown for the"
        f" others: in {words.percent(row['hit_rate_at_10'])} of {orders} the hidden item was among them, with"
        f" the {length} most popular items of the shop in {words.percent(row['popular_hit_rate_at_10'])}."
    )
    named = (
        f"On average {row['n_named']:.1f} of the {length} items go with an item of the basket; the others are"
        " popular ones that fill the list up."
    )
    first = document["first_time"]
    sentences = [found, _verdict(row), named]
    if first is None:
        sentences.append("Nobody among these buyers bought for the first time.")
    elif _is_few(first):
        sentences.append(f"First-time buyers: {words.count(first['n_orders'], 'order')}. {_verdict(first)}")
    else:
        sentences.append(
            f"First-time buyers: in {words.percent(first['hit_rate_at_10'])} of"
            f" {words.count(first['n_orders'], 'order')}, with popular items in"
            f" {words.percent(first['popular_hit_rate_at_10'])}. {_verdict(first)}"
        )
    return [*sentences, *filter(None, [_single(document).strip()])]


def _verdict(row: Row) -> str:
    if _is_few(row):
        return "These are too few to decide anything."
    low, high = (_points(row[end]) for end in ("ci_low", "ci_high"))
    between = f"the 95{words.NBSP}% interval of the difference is {low} to {high} of 100 orders"
    if row["ci_low"] > 0:
        return f"That they are better is hardly chance: {between}."
    if row["ci_high"] < 0:
        return f"They are worse than popular items, hardly by chance: {between}."
    return f"Whether they are better cannot be said: {between}."


def _single(document: Row) -> str:
    number = document["n_orders_of_one_item"]
    if not number:
        return ""
    if number == 1:
        return " One last order was of one item alone, so that nothing was left to go by."
    return f" {number:,} last orders were of one item alone, so that nothing was left to go by."


def _points(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "\N{MINUS SIGN}")


def _chart(document: Row) -> Markup:
    groups = [("All orders", document["all"])]
    if document["first_time"] and not _is_few(document["first_time"]):
        groups.append(("First-time buyers", document["first_time"]))
    rows = []
    for name, row in groups:
        ours, popular = row["hit_rate_at_10"], row["popular_hit_rate_at_10"]
        orders = _orders(row)
        rows.append(Bar(name, ours, words.percent(ours), kind="ours first", note=orders))
        rows.append(Bar("", popular, words.percent(popular), kind="rule second"))
    return charts.bars(rows)
