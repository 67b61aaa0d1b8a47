"""The words about people who have not bought yet: whether what they look at tells what they buy first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.report import charts, words
from pipeline.report.charts import Bar
from pipeline.report.words import FEW_BUYERS
from pipeline.runs.folder import RunFolder

Row = Mapping[str, Any]


def lines(document: Row) -> list[str]:
    """The document `first_purchases` for a terminal; nothing where nobody only looks."""
    if not document["n_people"]:
        return []
    if document["why"]:
        return [f"first purchases: not judged, {document['why']}"]
    used = "used" if document["is_published"] else "not used"
    return [
        f"first purchases: {_bought(document)}, Recall@10 {document['recall_at_10']:.4f} by segment, popular"
        f" in the shop {document['recall_at_10_popular']:.4f} ({document['difference']:+.4f},"
        f" {document['ci_low']:+.4f} to {document['ci_high']:+.4f}); {_segments(document)}: {used}"
    ]


def first_purchases(folder: RunFolder) -> dict[str, Any] | None:
    """The section of the report: `sentences`, and a `chart`, empty where nothing was measured.

    None: the run has not come so far, or is of a version without segments, or nobody only looks.
    """
    document = folder.document("first_purchases") if folder.has("first_purchases") else None
    if document is None or not document["n_people"]:
        return None
    if document["why"]:
        return {"sentences": [f"Not judged: {document['why']}."], "chart": ""}
    return {"sentences": _sentences(document), "chart": _chart(document)}


def _bought(document: Row) -> str:
    purchases = words.count(document["n_purchases"], "purchase")
    return f"{purchases} by {words.count(document['n_users'], 'person', 'people')}"


def _segments(document: Row) -> str:
    numbers = sorted(set(document["n_segments"]))
    return "1 segment" if numbers == [1] else f"{' or '.join(f'{n}' for n in numbers)} segments"


def _sentences(document: Row) -> list[str]:
    ours, popular = (words.percent(document[name], 2) for name in ("recall_at_10", "recall_at_10_popular"))
    sentences = [
        f"When lists were judged, {words.count(document['n_people'], 'person', 'people')} had bought nothing"
        f" and were known by {_known(document)}. Later there were {_bought(document)} of them."
    ]
    if document["n_users"] < FEW_BUYERS:
        sentences.append(
            "These are too few to decide anything, so everybody is shown what the whole shop buys."
        )
        return sentences
    if set(document["n_segments"]) == {1}:
        beside = " or by what the shop says of them" if document["has_attributes"] else ""
        sentences.append(
            f"No division into segments by what they look at{beside} served those better who had bought for"
            " the first time shortly before. Everybody is shown what the whole shop buys."
        )
        return sentences
    sentences.append(
        f"People were put into {_segments(document)} by {_known(document)}. The ten items that are popular in"
        f" a person's segment had {ours} of these purchases, the ten that are popular in the whole shop"
        f" {popular}; the 95{words.NBSP}% interval of the difference is {words.points(document['ci_low'])} to"
        f" {words.points(document['ci_high'])} of 100 purchases."
    )
    sentences.append(
        "That is more than chance explains: people who have not bought yet are shown what is popular in their"
        " segment."
        if document["is_published"]
        else "Chance may explain the difference, so that everybody is shown what the whole shop buys."
    )
    return [*sentences, *_of_attributes(document)]


def _of_attributes(document: Row) -> list[str]:
    """Which attributes of users count; nothing where the shop says nothing of them."""
    if not document["has_attributes"]:
        return []
    names = document["attributes"]
    if not names:
        return ["What the shop says of its users served them no better, and was left out."]
    undated = "Without a date (the column known_at) it is taken as having always been so."
    return [f"Of what the shop says of its users, {', '.join(names)} served them better. {undated}"]


def _known(document: Row) -> str:
    """By what people are known, in words."""
    beside = " and by what the shop says of them" if document["attributes"] else ""
    return f"what they look at{beside}"


def _chart(document: Row) -> Any:
    names = {"recall_at_10": "Popular in the segment", "recall_at_10_popular": "Popular in the shop"}
    kinds = {"recall_at_10": "ours first", "recall_at_10_popular": "rule second"}
    return charts.bars(
        [
            Bar(name, document[key], words.percent(document[key], 1), kind=kinds[key])
            for key, name in names.items()
        ]
    )
