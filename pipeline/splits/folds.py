"""The temporal folds: the cuts at which models are judged and re-rankers learn, and what each holds out.

Every fold trains on events before its cut and asks about purchases after it (rolling-origin evaluation).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from pathlib import Path

from pipeline.runs.folder import RunFolder
from pipeline.times import utc

WEEK = timedelta(days=7)
LABEL_DAYS = timedelta(days=14)
"""How far after a cut re-rankers learn what is bought; where the horizon is longer, as far as that."""
ENOUGH_TO_SEARCH = 1_000
"""Users, each counted at every cut, that the search for parameters is told of."""
ENOUGH_FOR_SESSIONS = 1_000
"""The same, whose orders session lists are judged by."""


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

    @property
    def name(self) -> str:
        """Of the cut, in a file's name."""
        return f"{self.cut_at:%Y%m%dT%H%M%S%f}"


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


def for_fitting(folder: RunFolder) -> list[Fold]:
    """The cuts of the test at which models are fitted anew, oldest first: a week or more lies between two."""
    return _apart(tests(folder), None, WEEK)


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


def before_test(folder: RunFolder) -> tuple[Path, ...]:
    """The files of all events before the test."""
    return (folder.file("train"), folder.file("validation_set"))


def test_from(folder: RunFolder) -> datetime:
    """When the test begins: for stages that must not see the test itself."""
    return _moment(folder, "test_from")


def for_search(folder: RunFolder) -> list[Fold]:
    """The cuts before the test that parameters are searched at, oldest first.

    The newest that measure ENOUGH_TO_SEARCH users together, or all: a search is fitted once, at the oldest of
    them, so it is not told more days than it needs.
    """
    return _newest(folder, validations(folder), "validation_set", ENOUGH_TO_SEARCH)


def for_session_lists(folder: RunFolder) -> list[Fold]:
    """The cuts of the test whose orders session lists are judged by, oldest first.

    The newest that measure ENOUGH_FOR_SESSIONS users together, or all.
    """
    return _newest(folder, tests(folder), "test", ENOUGH_FOR_SESSIONS)


def _newest(folder: RunFolder, over: list[Fold], part: str, enough: int) -> list[Fold]:
    """The newest of `over`, cuts of `part`, that measure `enough` users together, or all."""
    measured_at = folder.document("split").get("measured_at") or {}
    n_users = [n for n in measured_at.get(part, ()) if n]
    n_cuts = (n_cuts for n_cuts, n in enumerate(accumulate(n_users[::-1]), 1) if n >= enough)
    return over[-next(n_cuts, len(over)) :]


def for_learning(folder: RunFolder, most: int) -> list[Fold]:
    """The cuts before the test that re-rankers learn from, oldest first, about a week apart.

    most: how many there are up to the oldest cut of validation, where models are first judged, that one too
    Each asks about LABEL_DAYS after it, but never about the test. They are the cuts of validation, of which
    one that lies close to another is left out, and cuts in the weeks before those.
    """
    of_validation = _apart(validations(folder), None, _step(folder))
    oldest_first = [*earlier(folder, most - 1)[::-1], *of_validation]
    return [_with_labels(folder, fold, test_from(folder)) for fold in oldest_first]


def latest_for_learning(folder: RunFolder, most: int) -> list[Fold]:
    """The cuts of the test that the published re-ranker learns from too, as `for_learning` has the others."""
    newest = for_learning(folder, most)[-1].cut_at
    of_test = _apart(tests(folder), newest, _step(folder))
    return [_with_labels(folder, fold, _moment(folder, "as_of")) for fold in of_test]


def earlier(folder: RunFolder, most: int) -> list[Fold]:
    """At most `most` cuts before validation, newest first; each asks about the days up to the next one.

    A split that has no cut in time has them too, inside `train`.
    """
    cut_at, first_at = _moment(folder, "validation_from"), _moment(folder, "first_at")
    step = _step(folder)
    if step <= timedelta(0):
        return []
    n = min(most, int((cut_at - first_at) / step + 1e-9) - 1)
    train = (folder.file("train"),)
    cuts = [cut_at - k * step for k in range(n + 1)]
    return [Fold(train, cut, train, cut, following) for following, cut in pairwise(cuts)]


def _step(folder: RunFolder) -> timedelta:
    """How far apart the cuts lie that re-rankers learn from: a week.

    A third of the history before validation where that is less, so that there are two of them and as much
    history before the older one. (A sixth of the history where there is no cut in time.)
    """
    history = _moment(folder, "validation_from") - _moment(folder, "first_at")
    is_timed = folder.document("split")["method"] == "time"
    return min(WEEK, history / 3) if is_timed else history / 6


def _apart(over: list[Fold], newest: datetime | None, step: timedelta) -> list[Fold]:
    """Those of `over`, oldest first, that lie `step` or more after the one before; newest: of those before"""
    kept: list[Fold] = []
    for fold in over:
        if newest is None or fold.cut_at - newest >= step:
            kept.append(fold)
            newest = fold.cut_at
    return kept


def _with_labels(folder: RunFolder, fold: Fold, end: datetime) -> Fold:
    """The same cut, asked about as long as labels look ahead, and not beyond `end`."""
    split = folder.document("split")
    if split["method"] != "time":
        return fold
    until = min(fold.cut_at + max(timedelta(days=split["test_days"]), LABEL_DAYS), end)
    part = "validation_set" if end == test_from(folder) else "test"
    later = tuple(dict.fromkeys((*fold.later, folder.file(part))))
    return Fold(fold.before, fold.cut_at, later, fold.cut_at, until)


def _moment(folder: RunFolder, name: str) -> datetime:
    return utc(datetime.fromisoformat(folder.document("split")[name]))
