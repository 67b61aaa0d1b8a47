"""The nights that the faults are tried on hold every list, so that none can be half there unseen."""

from __future__ import annotations

from pipeline.serving.copy_lines import KINDS
from tests.faults.shelves import N_ROWS, N_UNSEEN


def test_every_list_is_judged() -> None:
    assert {kind.dataset for kind in KINDS} <= N_ROWS.keys() | N_UNSEEN.keys()
