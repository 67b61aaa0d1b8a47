"""Watches what ALS is fitted from, while stages run for real."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from pipeline.models import als
from pipeline.models.als import AlsModel
from pipeline.models.als_factors import AlsFactors
from pipeline.models.item_factors import ItemFactors
from pipeline.splits.history import History


class Fit(NamedTuple):
    """A fit: where it was told to begin, and where it left the items."""

    start: ItemFactors | None
    left: ItemFactors


def watch(monkeypatch: pytest.MonkeyPatch) -> list[Fit]:
    """Every later fit of tuned ALS, in a shop that counts as large, in the order in which they end."""
    monkeypatch.setattr(als, "LARGE", 0)
    fits: list[Fit] = []
    fit = AlsModel.fit

    def watched(self: AlsModel, history: History, start: ItemFactors | None = None) -> AlsFactors:
        factors = fit(self, history, start)
        if self.name == "als":
            fits.append(Fit(start, factors.of_items()))
        return factors

    monkeypatch.setattr(AlsModel, "fit", watched)
    return fits


def assert_each_goes_on(fits: list[Fit], first: ItemFactors | None) -> None:
    """The first begins where `first` left the items, each other one where the one before did."""
    assert fits
    for fit, before in zip(fits, [first, *(fit.left for fit in fits)], strict=False):
        if before is None:
            assert fit.start is None
            continue
        assert fit.start is not None
        assert fit.start.item_ids.equals(before.item_ids)
        np.testing.assert_array_equal(fit.start.factors, before.factors)
