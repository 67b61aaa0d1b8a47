"""The temporal folds: the cuts at which models are judged and re-rankers learn, and what each holds out.

Every fold trains on events before its cut and asks about purchases after it (rolling-origin evaluation).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from pipeline.runs.folder import RunFolder
from pipeline.times import utc


@dataclass(frozen=True)
class Fold:
    """One cut in time. Nothing that is fitted or counted at it sees the events from `cut_at` on.

    before:       files whose events before `cut_at` are the history
    later:        the file whose purchases in `[since, until)` (all of it where None) are asked about
    """

    before: tuple[Path, ...]
    cut_at: datetime
    later: Path
    since: datetime | None = None
    until: datetime | None = None


def is_unjudged(folder: RunFolder) -> bool:
    """Whether the split of this run measures nobody, so that no model can be judged."""
    return bool(folder.document("split").get("is_unjudged", False))


def validation(folder: RunFolder) -> Fold:
    """Trained on `train`, asked about `validation_set`."""
    return Fold((folder.file("train"),), _moment(folder, "validation_from"), folder.file("validation_set"))


def test(folder: RunFolder) -> Fold:
    """Trained on all before the test, asked about `test`."""
    return Fold(before_test(folder), test_from(folder), folder.file("test"))


def before_test(folder: RunFolder) -> tuple[Path, ...]:
    """The files of all events before the test."""
    return (folder.file("train"), folder.file("validation_set"))


def test_from(folder: RunFolder) -> datetime:
    """When the test begins: for stages that must not see the test itself."""
    return _moment(folder, "test_from")


def for_training(folder: RunFolder, most: int) -> list[Fold]:
    """The folds re-rankers learn from: validation and those before it, newest first, `most` in all."""
    return [validation(folder), *earlier(folder, most - 1)]


def earlier(folder: RunFolder, most: int) -> list[Fold]:
    """At most `most` folds inside `train`, newest first; each asks about the days up to the cut of the next.

    Those days are as many as the test has, or a third of the history before validation where that is less,
    so that there are two folds and as much history before the older one. (A split that has no cut in time
    has no test days: a sixth of the history.)
    """
    cut_at, first_at = _moment(folder, "validation_from"), _moment(folder, "first_at")
    days = timedelta(days=folder.document("split")["test_days"] or 0)
    days = min(days, (cut_at - first_at) / 3) if days else (cut_at - first_at) / 6
    if days <= timedelta(0):
        return []
    n = min(most, int((cut_at - first_at) / days + 1e-9) - 1)
    train = folder.file("train")
    cuts = [cut_at - k * days for k in range(n + 1)]
    return [Fold((train,), cut, train, cut, following) for following, cut in pairwise(cuts)]


def _moment(folder: RunFolder, name: str) -> datetime:
    return utc(datetime.fromisoformat(folder.document("split")[name]))


@dataclass(frozen=True)
class Cuts:
    """`train` ends before `validation_from`, `validation_set` before `test_from`, `test` before `as_of`."""

    validation_from: datetime
    test_from: datetime
    test_days: float
    is_shortened: bool


def cuts(first_at: datetime, as_of: datetime, test_days: int) -> Cuts:
    """Where to cut a history that begins at `first_at`.

    The last `test_days` are the test, as many before them the validation set. A history shorter than
    three times `test_days` is cut into three equal parts instead.
    """
    held_out = timedelta(days=test_days)
    history = as_of - first_at
    is_shortened = history < 3 * held_out
    if is_shortened:
        held_out = history / 3
    test_from = as_of - held_out
    return Cuts(test_from - held_out, test_from, held_out / timedelta(days=1), is_shortened)
