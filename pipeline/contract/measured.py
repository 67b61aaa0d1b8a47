"""Who was measured, in words: what `n_users` and `n_buyers` of a run's datasets and documents mean.

A buyer is measured at each cut of the test before which the buyer bought, and after which something that
counts: `n_users` counts the measurements, `n_buyers` the different buyers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def measured(row: Mapping[str, Any]) -> str:
    """`1,322 buyers`; `2,413 measurements of 1,322 buyers` where some were measured at several cuts.

    row: has `n_users`, and `n_buyers` unless it is of an earlier version, which measured each buyer once
    """
    n_users, n_buyers = row["n_users"], different_buyers(row)
    buyers = f"{n_buyers:,} {'buyer' if n_buyers == 1 else 'buyers'}"
    return buyers if n_users == n_buyers else f"{n_users:,} measurements of {buyers}"


def different_buyers(row: Mapping[str, Any]) -> int:
    """How many different buyers were measured. row: as for `measured`"""
    return int(row.get("n_buyers", row["n_users"]))
