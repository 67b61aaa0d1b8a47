"""The words about new items: whether what nobody had bought could be foreseen, and what their places cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.report import charts, words
from pipeline.report.charts import Bar
from pipeline.report.words import FEW_BUYERS
from pipeline.runs.folder import RunFolder

Row = Mapping[str, Any]
LISTS = {
    "content": "As ranked for them",
    "popular_in_categories": "Best sellers, by category",
    "random_in_categories": "At random, by category",
    "random": "At random",
}


def lines(document: Row) -> list[str]:
    """The document `cold_items` for a terminal."""
    if document["why"]:
        return [f"new items: not judged, {document['why']}"]
    said = [f"new items: {_in_short(document['all'])}"]
    if document["never_bought"]:
        said.append(f"  never bought before: {_in_short(document['never_bought'])}")
    if places := document["new_items"]:
        said.append(
            f"  their places ({places['slots']} from rank {places['from_rank']}): Recall@20"
            f" {places['recall_at_20']:.4f}, without {places['recall_at_20_without']:.4f}"
            f" ({places['difference']:+.4f}, {places['ci_low']:+.4f} to {places['ci_high']:+.4f})"
        )
    return said


def cold_items(folder: RunFolder) -> dict[str, Any] | None:
    """The section of the report: `sentences`, and a `chart`, empty where nothing was measured.

    None: the run has not come so far, or is of a version that did not judge new items, or of a shop without
    a table of items.
    """
    document = folder.document("cold_items") if folder.has("cold_items") else None
    if document is None or not folder.has("items"):
        return None
    if document["why"]:
        why = document["why"]
        return {"sentences": [f"Not judged: {why}."], "chart": ""}
    return {"sentences": _sentences(document), "chart": _chart(document)}


def _recall(row: Row) -> dict[str, Row]:
    return {of["list"]: of for of in row["lists"]}


def _is_few(row: Row) -> bool:
    return int(row["n_buyers"]) < FEW_BUYERS


def _purchases(row: Row) -> str:
    purchases, buyers = words.count(row["n_purchases"], "purchase"), words.count(row["n_buyers"], "buyer")
    return f"{purchases} by {buyers}"


def _in_short(row: Row) -> str:
    if _is_few(row):
        return f"{_purchases(row)}, too few to decide anything"
    recall = _recall(row)
    ours, by_chance = recall["content"], recall["random_in_categories"]["recall_at_10"]
    of_popular = recall.get("popular_in_categories")
    popular = f" popular in their categories {of_popular['recall_at_10']:.4f}," if of_popular else ""
    return (
        f"{_purchases(row)}, Recall@10 {ours['recall_at_10']:.4f} ({ours['ci_low']:.4f} to"
        f" {ours['ci_high']:.4f}),{popular} random in their categories {by_chance:.4f}"
    )


def _sentences(document: Row) -> list[str]:
    row, never = document["all"], document["never_bought"]
    recall = _recall(row)
    days, n_items = f"{document['cold_days']:.0f}", words.count(document["n_items"], "item")
    sentences = [
        f"Nobody had bought {n_items} of the shop when lists were judged, or the first did less than {days}"
        f" days before; {document['n_never_bought']:,} of them were never bought. They are called new here."
        f" Later there were {_purchases(row)} of new items.",
    ]
    if _is_few(row):
        sentences.append("These are too few to decide anything.")
    else:
        at_10, popular = (recall[name]["recall_at_10"] for name in ("content", "popular_in_categories"))
        low, high = recall["content"]["ci_low"], recall["content"]["ci_high"]
        sentences.append(
            "Ranked for each buyer by what the shop says of them and how they began to sell, the first ten"
            f" new items had {words.percent(at_10, 2)} of these purchases (95{words.NBSP}% interval"
            f" {words.percent(low, 2)} to {words.percent(high, 2)}); the best sellers among the new items of"
            f" the buyer's categories had {words.percent(popular, 2)}.{_times(row)}"
        )
    if never and not _is_few(never):
        share = words.percent(_recall(never)["content"]["recall_at_10"], 2)
        sentences.append(
            "Of items that nobody had ever bought, ranked among themselves, the first ten had"
            f" {share} of {_purchases(never)}.{_times(never)}"
        )
    sentences += filter(None, [_places(document["new_items"]), _unknown(document)])
    return [*sentences, UNCHANGING]


UNCHANGING = (
    "Names, categories and embeddings without a date (the column known_at) are taken as having always been as"
    " they are today, and items without one (added_at) as having always been for sale."
)


def _times(row: Row) -> str:
    if row["times_random"] is None:
        return ""
    chance = _recall(row)["random_in_categories"]["recall_at_10"]
    return (
        f" Ten drawn at random from the buyer's categories would have {words.percent(chance, 2)}; the ranking"
        f" has {_times_in_words(row['times_random'])} times as many."
    )


def _times_in_words(times: float) -> str:
    return f"{times:,.0f}" if times >= 10 else f"{times:.1f}"


def _places(places: Row | None) -> str:
    if places is None:
        return "No list had a place for a new item: nothing was new enough, or there are no places."
    low, high = (words.points(places[end]) for end in ("ci_low", "ci_high"))
    return (
        f"Of {words.count(places['n_lists'], 'list')} {places['n_with_new']:,} had a new item in one of its"
        f" places among the first 20; {places['n_bought']:,} such items were bought. With them the first 20"
        " have"
        f" {words.percent(places['recall_at_20'], 2)} of what was bought, without them"
        f" {words.percent(places['recall_at_20_without'], 2)}; the 95{words.NBSP}% interval of the difference"
        f" is {low} to {high} of 100 purchases."
    )


def _unknown(document: Row) -> str:
    if not (number := document["n_unknown"]):
        return ""
    return (
        f"Besides there were {words.count(number, 'purchase')} of items that the shop's table did not have by"
        " then, so that they could not be shown."
    )


def _chart(document: Row) -> Any:
    rows = []
    for of in document["all"]["lists"]:
        kind = "ours first" if of["list"] == "content" else "rule second"
        value, low, high = (of[name] for name in ("recall_at_10", "ci_low", "ci_high"))
        rows.append(Bar(LISTS[of["list"]], value, words.percent(value, 2), low, high, kind))
    return charts.bars(rows)
