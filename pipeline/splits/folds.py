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
    later:        files whose purchases in `[since, until)` (all of them where None) are asked about
    """

    before: tuple[Path, ...]
    cut_at: datetime
    later: tuple[Path, ...]
    since: datetime | None = None
    until: datetime | None = None


def is_unjudged(folder: RunFolder) -> bool:
    """Whether the split of this run measures nobody, so that no model can be judged."""
    return bool(folder.document("split").get("is_unjudged", False))


def tests(folder: RunFolder) -> list[Fold]:
    """The cuts that models are measured at, oldest first; each asks about the days up to the next one.

    What lies between two of them is history at the later one. Cuts that measure nobody are left out (a day on
    which the shop is closed); where none measures anybody the newest stays. A split without a cut in time has
    one fold, which asks about all of `test`.
    """
    return _rolled(folder, before_test(folder), "test", ("test_from", "as_of"), "n_test_cuts")


def validations(folder: RunFolder) -> list[Fold]:
    """The cuts right before the test that models are chosen at, oldest first, as far apart as the test's."""
    before, between = (folder.file("train"),), ("validation_from", "test_from")
    return _rolled(folder, before, "validation_set", between, "n_validation_cuts")


def _rolled(
    folder: RunFolder, before: tuple[Path, ...], part: str, between: tuple[str, str], n_cuts: str
) -> list[Fold]:
    """The cuts that divide a part evenly, less those that measure nobody; the newest where none does.

    before: the files of what lies before the part; between: its ends
    """
    split, own = folder.document("split"), folder.file(part)
    first, end = (_moment(folder, name) for name in between)
    if split["method"] != "time":
        return [Fold(before, first, (own,))]
    n = split.get(n_cuts, 1)  # runs of earlier releases have one cut, and no word about it
    ends = [first + (end - first) * place / n for place in range(n + 1)]
    files = [before, *[(*before, own)] * (n - 1)]
    over = [
        Fold(known, cut_at, (own,), cut_at, until)
        for known, (cut_at, until) in zip(files, pairwise(ends), strict=True)
    ]
    if n == 1:
        return over
    n_users = split["measured_at"][part]
    return [fold for fold, n_measured in zip(over, n_users, strict=True) if n_measured] or over[-1:]


def validation(folder: RunFolder) -> Fold:
    """The newest cut before the test."""
    return validations(folder)[-1]


def test(folder: RunFolder) -> Fold:
    """Trained on all before the test, asked about the whole of it."""
    return Fold(before_test(folder), test_from(folder), (folder.file("test"),))


def before_test(folder: RunFolder) -> tuple[Path, ...]:
    """The files of all events before the test."""
    return (folder.file("train"), folder.file("validation_set"))


def test_from(folder: RunFolder) -> datetime:
    """When the test begins: for stages that must not see the test itself."""
    return _moment(folder, "test_from")


def for_training(folder: RunFolder, most: int) -> list[Fold]:
    """The folds re-rankers learn from: validation's and those before them, newest first, `most` in all."""
    newest = validations(folder)[::-1][:most]
    return [*newest, *earlier(folder, most - len(newest))]


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
    return [Fold((train,), cut, (train,), cut, following) for following, cut in pairwise(cuts)]


def _moment(folder: RunFolder, name: str) -> datetime:
    return utc(datetime.fromisoformat(folder.document("split")[name]))
