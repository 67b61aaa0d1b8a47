"""Taking a publication back: by whom, to which, for how long; and what a hold does to later nights."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from pipeline.errors import PublisherBusy, ServingError
from pipeline.serving import Moved, Publication, publication, publications, release, rollback
from tests.serving.nights import POPULAR, Shop, as_of


def back(shop: Shop, **options: Any) -> Moved:
    return rollback(shop.url, shop.settings, say=shop.said.append, **options)


def freed(shop: Shop, **options: Any) -> Moved:
    return release(shop.url, shop.settings, say=shop.said.append, **options)


def states(shop: Shop) -> list[tuple[int | None, str]]:
    return [(row.version, row.state) for row in publications(shop.url, shop.settings)[0]]


def history(shop: Shop) -> list[tuple[Any, ...]]:
    return shop.read(
        "SELECT cause, from_version, to_version, is_held FROM serving.live_history ORDER BY number"
    )


def nights(shop: Shop, *days: int) -> list[Publication]:
    """Nights whose only list is of one item, 10 + day."""
    return [
        shop.publish(shop.night(day, {1: [10 + day]}, popular={"all": [20 + day]}, similar={day: [30 + day]}))
        for day in days
    ]


@pytest.fixture
def three(shop: Shop) -> Shop:
    """Versions 1, 2, 3 of the nights 1, 2, 3; 3 is live."""
    nights(shop, 1, 2, 3)
    return shop


def test_back_to_what_was_live_before_and_twice_undoes_itself(three: Shop) -> None:
    assert back(three) == Moved(3, 2, is_held=False)
    assert three.lists() == [(1, 1, 12)]
    assert three.read("SELECT item_id FROM serving.popular_items") == [(22,)]
    assert three.read("SELECT item_id, similar_item_id FROM serving.similar_items") == [(2, 32)]
    assert three.said[-1] == "version 2 is live; before it was 3"
    assert back(three) == Moved(2, 3, is_held=False)
    assert three.lists() == [(1, 1, 13)]
    assert back(three).live_version == 2


def test_back_to_a_version_of_choice(three: Shop) -> None:
    assert back(three, to=1) == Moved(3, 1, is_held=False)
    assert three.lists() == [(1, 1, 11)]
    assert back(three) == Moved(1, 3, is_held=False)


def test_who_when_from_and_to_are_on_record(three: Shop) -> None:
    back(three, who="anna@laptop")
    login = three.read("SELECT session_user::text", "")[0][0]
    [row] = three.read(
        "SELECT moved_by, cause, from_version, to_version, moved_at <= now() FROM serving.live_history"
        " ORDER BY number DESC LIMIT 1"
    )
    assert row == (f"anna@laptop as {login}", "rollback", 3, 2, True)
    assert [entry[0] for entry in history(three)] == ["publish", "publish", "publish", "rollback"]


@pytest.mark.parametrize("to", [99, 2**62])
def test_a_version_that_is_not_stored_is_refused_by_name(three: Shop, to: int) -> None:
    with pytest.raises(ServingError, match=f"version {to} cannot be put back") as refused:
        back(three, to=to)
    assert refused.value.found == "stored versions: 1, 2, 3; live: 3"
    assert "python -m pipeline publications" in refused.value.then
    assert three.lists() == [(1, 1, 13)]
    assert len(history(three)) == 3


def test_a_dropped_version_is_refused(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(keep_versions=1)
    nights(shop, 1, 2, 3)
    with pytest.raises(ServingError, match="version 1 cannot be put back") as refused:
        back(shop, to=1)
    assert refused.value.found == "stored versions: 2, 3; live: 3"


def test_nothing_before_the_first(shop: Shop) -> None:
    with pytest.raises(ServingError, match="nothing was published yet"):
        back(shop)
    nights(shop, 1)
    with pytest.raises(ServingError, match="no publication was live before this one"):
        back(shop)
    assert back(shop, to=1) == Moved(1, 1, is_held=False)
    assert history(shop) == [("publish", None, 1, False)]


def test_the_run_that_was_rolled_back_does_not_come_back_by_itself(three: Shop) -> None:
    back(three)
    publication = three.publish(three.night(3, {1: [13]}, popular={"all": [23]}, similar={3: [33]}))
    assert (publication.version, publication.is_live) == (3, False)
    assert "and not live; `python -m pipeline run publish --force`, or `force` in" in three.said[-1]
    mended = three.publish(three.night(3, {1: [19]}))
    assert (mended.version, mended.is_live) == (4, False)
    assert "version 3 of this run was rolled back" in three.said[-1]
    assert three.lists() == [(1, 1, 12)]
    forced = three.publish(three.night(3, {1: [19]}), force=True)
    assert (forced.version, forced.is_live) == (4, True)


def test_a_late_retry_never_replaces_a_newer_one_after_a_rollback(three: Shop) -> None:
    back(three, to=2)
    assert not three.publish(three.night(1, {1: [18]})).is_live
    assert three.lists() == [(1, 1, 12)]


def test_the_next_night_goes_live_after_a_rollback(three: Shop) -> None:
    back(three)
    assert nights(three, 4)[0].is_live
    assert back(three) == Moved(4, 2, is_held=False)


def test_a_hold_keeps_later_nights_stored_until_release(three: Shop) -> None:
    assert back(three, hold=True, who="anna") == Moved(3, 2, is_held=True)
    for published in nights(three, 4, 5):
        assert not published.is_live
    assert "version 5 is held back" in three.said[-1]
    assert "anna as" in three.said[-1]
    assert three.lists() == [(1, 1, 12)]
    assert states(three) == [(1, "stored"), (2, "live"), (3, "stored"), (4, "held back"), (5, "held back")]
    hold = publications(three.url, three.settings)[1]
    assert hold is not None
    assert hold.held_by.startswith("anna as ")

    assert freed(three) == Moved(2, 5, is_held=False)
    assert three.lists() == [(1, 1, 15)]
    assert states(three)[-2:] == [(4, "stored"), (5, "live")]
    assert publications(three.url, three.settings)[1] is None
    assert history(three)[-2:] == [("rollback", 3, 2, True), ("release", 2, 5, False)]
    assert nights(three, 6)[0].is_live


def test_force_does_not_break_a_hold(three: Shop) -> None:
    back(three, hold=True)
    assert not three.publish(three.night(4, {1: [14]}), force=True).is_live


def test_a_hold_without_going_back(three: Shop) -> None:
    assert back(three, to=3, hold=True) == Moved(3, 3, is_held=True)
    assert history(three)[-1] == ("hold", 3, 3, True)
    assert back(three) == Moved(3, 2, is_held=True)


def test_a_release_without_later_nights_moves_nothing(three: Shop) -> None:
    back(three, hold=True)
    assert freed(three) == Moved(2, 2, is_held=False)
    assert "kept nothing back" in three.said[-1]
    assert freed(three) == Moved(2, 2, is_held=False)
    assert "there was no hold" in three.said[-1]
    assert three.lists() == [(1, 1, 12)]


def test_what_a_release_would_put_live_is_never_dropped(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(keep_versions=1)
    nights(shop, 1, 2, 3)
    back(shop, hold=True)
    nights(shop, 4, 5, 6)
    assert shop.versions() == [2, 3, 6]
    assert freed(shop) == Moved(2, 6, is_held=False)


def test_what_a_rollback_would_go_back_to_is_kept_before_others(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(keep_versions=1)
    nights(shop, 5, 6)
    shop.publish(shop.night(1))
    assert shop.versions() == [1, 2]
    assert back(shop, to=1).live_version == 1
    assert back(shop).live_version == 2


def test_nobody_waits_for_a_night_that_is_loading(three: Shop) -> None:
    """The pointer is moved while another publisher holds its lock in mid-load."""
    is_loading, may_end = threading.Event(), threading.Event()

    def say(line: str) -> None:
        is_loading.set()
        may_end.wait(20)

    night = three.night(4, {1: [14]})
    loading = threading.Thread(target=three.publish, args=(night,), kwargs={"say": say})
    loading.start()
    assert is_loading.wait(20)
    assert back(three) == Moved(3, 2, is_held=False)
    assert three.lists() == [(1, 1, 12)]
    back(three, to=2, hold=True)
    may_end.set()
    loading.join()
    assert three.lists() == [(1, 1, 12)]
    assert states(three)[-1] == (4, "held back")


def test_a_version_marked_for_deletion_cannot_be_put_back(three: Shop) -> None:
    with three.connect("publisher") as db:
        db.execute("UPDATE serving_storage.publication SET dropped_at = now() WHERE version = 1")
        db.execute("INSERT INTO serving_storage.attempt (version, run_id) VALUES (1, 'night-1')")
    with pytest.raises(ServingError, match="version 1 cannot be put back"):
        back(three, to=1)
    nights(three, 4)
    assert three.versions() == [2, 3, 4]


def test_the_night_shift_needs_only_sql(three: Shop) -> None:
    with three.connect("operator") as db:
        assert db.execute("SELECT * FROM serving.rollback()").fetchall() == [(3, 2, False)]
        assert db.execute("SELECT * FROM serving.rollback(1, hold => true)").fetchall() == [(2, 1, True)]
        assert db.execute("SELECT * FROM serving.release()").fetchall() == [(1, 1, True)]
        with pytest.raises(psycopg.DatabaseError, match="version 9 cannot be put back") as refused:
            db.execute("SELECT * FROM serving.rollback(9)")
    assert refused.value.diag.message_detail == "stored versions: 1, 2, 3; live: 1"
    assert refused.value.diag.message_hint


@pytest.mark.parametrize("role", ["reader", "publisher"])
def test_nobody_else_calls_it(three: Shop, role: str) -> None:
    for call in ("serving.rollback()", "serving.release()", "serving_storage.rollback(1, false, 'me')"):
        if role == "publisher" and "storage" in call:
            continue
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            three.read(f"SELECT * FROM {call}", role)


def test_rollback_and_recommend_in_one_statement_see_one_version(three: Shop) -> None:
    with three.connect("reader") as db:
        db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        db.execute("SELECT 1 FROM serving.publications")
        back(three)
        rows = db.execute("SELECT version, item_id FROM serving.recommend(1, 1)").fetchall()
        assert rows == [(3, 13)]
        db.execute("COMMIT")
        assert db.execute("SELECT version, item_id FROM serving.recommend(1, 1)").fetchall() == [(2, 12)]


def test_publications_tell_what_to_choose_from(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(keep_versions=1)
    shop.publish(shop.night(1, popular=POPULAR))
    nights(shop, 2, 3)
    [first, _, live] = publications(shop.url, shop.settings)[0]
    assert (first.version, first.state, first.run_id, first.as_of) == (1, "dropped", "night-1", as_of(1))
    assert (live.version, live.state, live.precision_at_3, live.n_users, live.n_items) == (
        3,
        "live",
        0.25,
        1,
        1,
    )
    other = new_shop()
    with pytest.raises(ServingError, match="no serving schema"):
        publications(other.url, other.settings)


@pytest.mark.parametrize("to", [0, -1, 2**63, 10**20])
def test_what_can_be_no_version_is_refused_before_the_database(three: Shop, to: int) -> None:
    with pytest.raises(ServingError, match="cannot be put back"):
        back(three, to=to)
    assert three.lists() == [(1, 1, 13)]


def test_an_old_snapshot_cannot_put_back_what_was_dropped_since(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(keep_versions=1)
    nights(shop, 1, 2)
    with shop.connect("operator") as db:
        db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        db.execute("SELECT count(*) FROM serving.publications")
        nights(shop, 3)
        with pytest.raises(psycopg.errors.SerializationFailure):
            db.execute("SELECT * FROM serving.rollback(1)")
        db.execute("ROLLBACK")
    assert shop.lists() == [(1, 1, 13)]


def test_a_version_dropped_between_the_look_and_the_flip_never_goes_live(three: Shop) -> None:
    back(three)
    night = three.night(3, {1: [13]}, popular={"all": [23]}, similar={3: [33]})
    real = publication._begin

    def begin(*given: Any, **options: Any) -> Any:
        result = real(*given, **options)
        with three.connect("publisher") as db:
            db.execute("UPDATE serving_storage.publication SET dropped_at = now() WHERE version = 3")
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publication, "_begin", begin)
        with pytest.raises(PublisherBusy):
            three.publish(night, force=True)
    assert three.lists() == [(1, 1, 12)]


def test_force_under_a_hold_does_not_mark_an_older_run_as_held_back(three: Shop) -> None:
    back(three, to=3, hold=True)
    three.publish(three.night(1, {1: [19]}), force=True)
    assert states(three)[-1] == (4, "stored")
