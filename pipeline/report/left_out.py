"""The report's table of who and what is left out: how many, of how many, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pipeline.report import validation, words
from pipeline.runs.folder import RunFolder

Counts = Mapping[str, Any]


class Row(NamedTuple):
    """`n` of `n_all` are left out; `why` is a sentence that names the file or setting that decides it."""

    who: str
    n: int
    n_all: int
    why: str


def left_out(folder: RunFolder) -> list[dict[str, str]]:
    """Rows `who`, `number`, `share`, `why`: buyers first, then items, then events; empty before `validate`.

    The rows about ids that the shop's own tables lack are shown even when they count nobody; of the others
    those that count somebody.
    """
    document = validation.document(folder) or {}
    met: Counts = document.get("left_out", {})
    if not met:
        return []
    kept: Counts = folder.receipt("filter_purchasers").get("counts", {})
    made: Counts = folder.receipt("recommend").get("counts", {})
    rows = [*_people(met, kept, made), *_items(met, made), *_events(folder, met, kept)]
    return [
        {
            "who": row.who,
            "number": f"{row.n:,} of {row.n_all:,}",
            "share": _share(row.n / row.n_all) if row.n else "",
            "why": row.why,
        }
        for row in rows
    ]


def _people(met: Counts, kept: Counts, made: Counts) -> list[Row]:
    """Buyers and browsers without lists."""
    users = met["users"]
    rows = []
    if users["file"]:
        why = f"{users['file']} does not have them: no list"
        rows.append(Row("Buyers unknown to the shop", users["n_unknown"], users["n_bought"], why))
    n_known = users["n_bought"] - users["n_unknown"]
    if "n_users" in made and "n_users" in kept:
        n_taking_part = made["n_users"] + made["n_users_without_list"] - made["n_browsers"]
        others = [
            Row(
                "Buyers with too few or too many events",
                kept["n_users"] - n_taking_part,
                n_known,
                "settings under [filter]: no list, and no model learns from them",
            ),
            Row(
                "Buyers for whom nothing is left",
                made["n_users_without_list"],
                n_known,
                "they bought all that may be shown, and run.repeat_purchases leaves that out: no list",
            ),
            Row(
                "Buyers of very many different items",
                made.get("n_buyers_not_in_also_bought", 0),
                n_known,
                "not counted in also_bought; they have lists",
            ),
        ]
        rows += [row for row in others if row.n > 0]
    if n_browsers := kept.get("n_browsers", 0):
        has_lists = made.get("n_browsers", 0)
        so = f"; {has_lists:,} of them have one all the same" if has_lists else ""
        why = f"they bought nothing: recommend.audience decides whether they get lists of their own{so}"
        rows.append(Row("People who only looked", n_browsers, users["n_ids"], why))
    return rows


def _items(met: Counts, made: Counts) -> list[Row]:
    """Bought items that the catalogue lacks, and items that may not be shown."""
    items = met["items"]
    rows = []
    if items["file"]:
        why = f"{items['file']} does not have them: no name and no category, and they count as available"
        rows.append(Row("Items bought, unknown to the shop", items["n_unknown"], items["n_bought"], why))
    if n_gone := made.get("n_unavailable_items", 0):
        why = f"{items['file']} says that they are not available: in no list"
        rows.append(Row("Items that are not available", n_gone, made["n_items"], why))
    return rows


def _events(folder: RunFolder, met: Counts, kept: Counts) -> list[Row]:
    """Events that no model learns from."""
    extracted: Counts = folder.receipt("extract").get("counts", {})
    n_forgotten = extracted.get("rows_in", 0) - extracted.get("rows_out", 0)
    reasons = [
        ("Events without a user", met["n_without_user"], "user_id is null"),
        ("Events without an item", met["n_without_item"], "item_id is null"),
        (
            "Events of unknown users",
            kept.get("n_events_of_unknown_users", 0),
            f"{met['users']['file']} lacks them",
        ),
        ("Events of people who only looked", kept.get("n_events_of_browsers", 0), "they bought nothing"),
        ("Returns and cancellations", kept.get("n_returns", 0), "a quantity of 0 or below is no purchase"),
        ("Exact duplicates", kept.get("n_duplicates", 0), "an event counts once"),
    ]
    rows = [Row(who, n, met["n_events"], why) for who, n, why in reasons if n]
    if n_forgotten > 0:
        why = "they were forgotten (python -m pipeline forget)"
        rows.append(Row("Rows of forgotten users", n_forgotten, extracted["rows_in"], why))
    return rows


def _share(share: float) -> str:
    return words.percent(share, int(share < 0.1)) if share >= 0.001 else f"less than 0.1{words.NBSP}%"
