"""Puts each event into `train`, `validation_set` or `test`, by the method that `split.method` names."""

from __future__ import annotations

from pipeline.config import Split
from pipeline.engines.tables import Tables
from pipeline.splits.horizon import Cuts

PARTS = ("train", "validation_set", "test")

WORTH = {
    "time": "",
    "last_purchase": "",
    "random": "rows held out at random are guessed from other rows of the same people, of the same order too:"
    " such a number tells whether items that are bought together are found, not what people buy next, and"
    " cannot be compared with one of a cut in time",
}
"""What a number tells that is measured by each method; empty for what people buy next, as it should be."""


def keep_parts(db: Tables, how: Split, where: Cuts, seed: int) -> None:
    """Let statements read `purchaser_events` with the column `part`, one of PARTS, as the table `parts`.

    where: the cuts of the method `time`; seed: of the method `random`
    """
    if how.method == "time":
        moments = {"validation_from": where.validation_from, "test_from": where.test_from}
        db.show("parts", "split_time", moments)
    elif how.method == "random":
        db.keep("drawn", "split_random", {"seed": str(seed), "test_share": how.test_share})
        db.show_query("parts", "SELECT * FROM drawn")
    else:
        db.show("parts", "split_last_purchase")
