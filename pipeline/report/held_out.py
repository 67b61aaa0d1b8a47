"""The report's sentences about what was held out: what a number is worth, and why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.report import words
from pipeline.runs.folder import RunFolder

Row = Mapping[str, Any]

NOBODY = "nobody can be measured: "
"""How the reason begins that `split` gives; the page has said it already."""

COMPARED = {
    "time": "The last days were held out: no model learnt from them, and each list was compared with what {}"
    " bought then.",
    "last_purchase": "Each buyer's last order was held out: no model learnt from it, and each list was"
    " compared with what {} bought in it.",
    "random": "Rows drawn at random were held out: no model learnt from them, and each list was compared with"
    " what {} had bought in them.",
}
"""By method of the split (any other counts as `time`): what lists were compared with, and whose purchases."""


ROLLED = (
    "The last days were held out, {n} times {days}: at each of these cuts lists were made from what was known"
    " before it, and compared with what {buyers} bought within {days} of it."
)
"""The same of several cuts in time."""


def split_of(folder: RunFolder) -> Row:
    """The document `split`; empty before that stage."""
    return folder.document("split") if folder.has("split") else {}


def compared(split: Row, buyers: str) -> str:
    """What every list was compared with, why for so long, and what such numbers tell.

    buyers: how many, in words
    """
    sentence = COMPARED.get(split.get("method", "time"), COMPARED["time"]).format(buyers)
    n_cuts = split.get("n_test_cuts", 1)
    if n_cuts > 1:
        sentence = ROLLED.format(n=n_cuts, days=words.count(split["test_days"], "day"), buyers=buyers)
    more = (split.get("horizon"), split.get("worth"))
    return " ".join([sentence, *(_sentence(text) for text in more if text)])


def how_good(split: Row, mode: str, precision: float) -> list[str]:
    """Precision@3 of the lists in a sentence, and what it is worth where it is not what people buy next."""
    only = " (only items new to them count)" if mode == "exclude" else ""
    shown = "of 100 items shown in the first three places"
    if split.get("method") != "random":
        within = words.within(split.get("test_days"))
        return [f"Tested on the past: {shown}, buyers bought {words.of_100(precision)} {within}{only}."]
    found = f"Tested on rows held out at random: {shown}, {words.of_100(precision)} were among the held-out"
    sentences = [f"{found} purchases of the same buyers{only}.", _sentence(split["worth"])]
    why = split.get("unmeasured")
    return [*sentences, f"With cuts in time {why['what']}."] if why else sentences


def unjudged(split: Row) -> list[str]:
    """Why nobody is measured, and what would measure somebody; empty where somebody is."""
    if not split.get("is_unjudged"):
        return []
    why = split["unmeasured"]
    reason = why["what"].removeprefix(NOBODY)
    return [f"Why: {reason}; {why['found']}.", f"To have the lists judged: {why['then']}."]


def beside_the_number(split: Row) -> str:
    """The words under the figure of Precision@3."""
    is_random = split.get("method") == "random"
    return f"of 100 shown were {'among the rows held out at random' if is_random else 'bought'}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
