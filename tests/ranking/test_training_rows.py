"""Training rows of a re-ranker: drawn from a candidate table, read back in groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from pipeline.config import Filter, Run
from pipeline.contract.datasets import TIME
from pipeline.contract.features import FEATURES
from pipeline.errors import DamagedFile
from pipeline.ranking.features import CandidateTable
from pipeline.ranking.training_rows import DRAWN, TrainingRows, draw_training_rows
from pipeline.runs.folder import RunFolder
from pipeline.splits.history import History, opened
from pipeline.splits.holdout import HeldOut
from tests.shelf import day, events

N_ITEMS = 50
BOUGHT = {10: [3, 4], 20: [49], 30: [7], 40: list(range(N_ITEMS))}
"""What each user bought later, on day 8. 20's item is no candidate, 40 bought every candidate."""


Drawn = Callable[..., pa.Table]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """Fifty items, numbered from 100."""
    ids: dict[str, object] = {"user": "integer", "item": "integer"}
    folder = RunFolder.create(tmp_path_factory.mktemp("examples"), "shop", day(7), ids, {})
    folder.write("purchaser_events", events(*((1, 100 + place, 0) for place in range(N_ITEMS))))
    with opened([folder.file("purchaser_events")], day(7), Filter(), Run(), folder.scratch()) as history:
        yield history


@pytest.fixture
def drawn(history: History) -> Drawn:
    """`drawn(seed=0, users=(0, 1, 2, 3), at=7)`: rows of these users, places in BOUGHT, at a day's cut."""

    def make(seed: int = 0, users: tuple[int, ...] = (0, 1, 2, 3), at: int = 7) -> pa.Table:
        return draw_training_rows(table(len(users)), held_out(), np.array(users), history, day(at), seed)

    return make


def held_out() -> HeldOut:
    n = np.array([len(columns) for columns in BOUGHT.values()])
    cells = (np.repeat(np.arange(4), n), np.concatenate(list(BOUGHT.values())))
    moment = pa.scalar(day(8), TIME).cast(pa.int64()).as_py()
    items, bought_at = (
        sp.csr_matrix((np.full(n.sum(), value), cells), shape=(4, N_ITEMS))
        for value in (np.float32(1), np.int64(moment))
    )
    return HeldOut(pa.array(BOUGHT), np.arange(4), items, bought_at, n, 0, 0)


def table(n_users: int, n_candidates: int = 45) -> CandidateTable:
    """Items 0 to 44 for each user; a feature's number is that of its row."""
    slots = np.repeat(np.arange(n_users), n_candidates)
    items = np.tile(np.arange(n_candidates), n_users)
    rows = np.arange(len(slots), dtype=np.float32)
    return CandidateTable(n_users, slots, items, np.tile(rows[:, None], len(FEATURES)))


def of(rows: pa.Table, user: int) -> list[tuple[int, bool]]:
    return [(r["item_id"], r["bought_at"] == day(8)) for r in rows.to_pylist() if r["user_id"] == user]


def bought_on(rows: pa.Table, days: dict[int, float | None]) -> pa.Table:
    """The same rows, but what user 10 bought was bought on these days; None: never."""
    moments = {item: None if on is None else day(on) for item, on in days.items()}
    times = [
        moments.get(r["item_id"], r["bought_at"]) if r["user_id"] == 10 else r["bought_at"]
        for r in rows.to_pylist()
    ]
    place = rows.column_names.index("bought_at")
    return rows.set_column(place, "bought_at", pa.array(times, TIME))


def test_all_that_was_bought_is_drawn_and_at_most_so_many_others(drawn: Drawn) -> None:
    rows = drawn()
    assert [item for item, is_bought in of(rows, 10) if is_bought] == [103, 104]
    assert [item for item, is_bought in of(rows, 30) if is_bought] == [107]
    for user in (10, 30):
        n_bought = sum(is_bought for _, is_bought in of(rows, user))
        assert DRAWN <= len(of(rows, user)) <= DRAWN + n_bought < 43
    assert rows.filter(rows["is_drawn"])["user_id"].value_counts().to_pylist() == [
        {"values": user, "counts": DRAWN} for user in (10, 30, 40)
    ]
    assert of(rows, 40) == [(100 + place, True) for place in range(45)]


def test_a_user_none_of_whose_candidates_was_bought_teaches_nothing(drawn: Drawn) -> None:
    assert of(drawn(), 20) == []


def test_rows_keep_their_features_and_stand_by_user_and_item(drawn: Drawn) -> None:
    rows = drawn()
    keys = list(zip(rows["user_id"].to_pylist(), rows["item_id"].to_pylist(), strict=True))
    assert keys == sorted(keys)
    expected = [45 * list(BOUGHT).index(user) + item - 100 for user, item in keys]
    for name in FEATURES:
        assert rows[name].to_pylist() == expected
    assert set(rows["cut_at"].to_pylist()) == {day(7)}
    assert set(rows["bought_at"].to_pylist()) == {day(8), None}


def test_the_seed_decides_which_are_drawn(drawn: Drawn) -> None:
    assert drawn(1).equals(drawn(1))
    assert not drawn(1).equals(drawn(2))


def test_some_of_the_users_are_told_apart_by_their_ids(drawn: Drawn) -> None:
    """The table is of the third and the first user alone, in that order."""
    rows = drawn(users=(2, 0))
    assert [item for item, is_bought in of(rows, 30) if is_bought] == [107]
    assert [item for item, is_bought in of(rows, 10) if is_bought] == [103, 104]


def test_what_is_drawn_does_not_depend_on_who_else_buys_nor_on_what(drawn: Drawn) -> None:
    """User 30's rows are the same whoever stands beside; user 40, who bought all, is drawn from as others."""
    alone, among = drawn(users=(2,)), drawn()
    assert of(among, 30) == of(alone, 30)
    of_40 = {r["item_id"]: r["is_drawn"] for r in among.to_pylist() if r["user_id"] == 40}
    assert (len(of_40), sum(of_40.values())) == (45, DRAWN)


def test_every_candidate_is_drawn_as_often_as_another(drawn: Drawn) -> None:
    """Over 400 seeds each of the 45 candidates of user 40 is drawn in two of three, within five errors."""
    counts = np.zeros(45)
    for seed in range(400):
        counts += drawn(seed, users=(3,))["is_drawn"].to_numpy()
    share, error = DRAWN / 45, np.sqrt(DRAWN / 45 * (1 - DRAWN / 45) / 400)
    assert np.abs(counts / 400 - share).max() < 5 * error


def test_read_in_groups_of_a_user_and_a_cut(drawn: Drawn) -> None:
    """The same user at two cuts is two groups, also where one stands right behind the other."""
    tables = drawn(users=(0, 2)), drawn(users=(2,), at=9), drawn(users=(2, 3))
    read = TrainingRows.read(*tables, until=day(14))
    lengths = [[len(of(table, user)) for user in BOUGHT if of(table, user)] for table in tables]
    assert read.group.tolist() == [n for of_table in lengths for n in of_table]
    assert read.features.shape == (read.group.sum(), len(FEATURES))
    assert read.is_bought.sum() == 2 + 1 + 1 + 1 + 45
    assert read.has_both_labels


@pytest.mark.parametrize("users", [(1,), (3,)])
def test_nothing_bought_or_everything_teaches_nothing(drawn: Drawn, users: tuple[int, ...]) -> None:
    assert not TrainingRows.read(drawn(users=users), until=day(14)).has_both_labels


@pytest.mark.parametrize("until", [12, 9.5])
def test_what_is_bought_later_is_not_bought_yet(drawn: Drawn, until: float) -> None:
    """User 10 bought 103 on day 9 and 104 on day 12. Who asks on day 12, from its first moment, or before,
    learns what would be learnt if 104 had never been bought: the same rows, the same labels."""
    rows = bought_on(drawn(users=(0, 2)), {103: 9, 104: 12})
    never = bought_on(drawn(users=(0, 2)), {103: 9, 104: None})
    then, as_if = (TrainingRows.read(table, until=day(until)) for table in (rows, never))
    assert then.features.tobytes() == as_if.features.tobytes()
    assert then.is_bought.tolist() == as_if.is_bought.tolist()
    assert int(then.is_bought.sum()) == 2
    assert int(TrainingRows.read(rows, until=day(13)).is_bought.sum()) == 3


def test_a_user_who_had_bought_none_of_the_candidates_by_then_teaches_nothing(drawn: Drawn) -> None:
    rows = bought_on(drawn(users=(0, 2)), {103: 9, 104: 12})
    read = TrainingRows.read(rows, until=day(9))
    assert (read.group.tolist(), int(read.is_bought.sum())) == ([len(of(rows, 30))], 1)
    nothing = TrainingRows.read(rows, until=day(8))
    assert (len(nothing.group), len(nothing.features), nothing.has_both_labels) == (0, 0, False)


@pytest.mark.parametrize("column", ["last_age_days", "bought_at", "is_drawn"])
def test_rows_of_another_version_are_refused_in_words(drawn: Drawn, column: str) -> None:
    """A run that was begun by another version has other columns."""
    rows = drawn().drop_columns([column])
    with pytest.raises(DamagedFile) as caught:
        TrainingRows.read(rows, until=day(14))
    assert caught.value.found == f"no {column}"
    assert "python -m pipeline run" in caught.value.then
