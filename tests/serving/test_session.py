"""pipeline/serving/session.py: what the serving database does wrong becomes an error that helps."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from pipeline.databases.embedded import Server
from pipeline.errors import DamagedDatabase, Interrupted, NightshelfError, ServingError, Unreachable
from pipeline.serving import session as sessions
from pipeline.serving.session import session
from tests.databases.line import line_to
from tests.serving.nights import Shop


def raised(shop: Shop, state: str, message: str = "said by the server") -> NightshelfError:
    """How a session raises an error of that SQLSTATE."""
    with (
        pytest.raises(NightshelfError) as refused,
        session(shop.url, shop.settings, "nightshelf test") as db,
        db.transaction(as_publisher=False),
    ):
        db.execute(f"DO $$ BEGIN RAISE EXCEPTION '{message}' USING ERRCODE = '{state}'; END $$")  # type: ignore[arg-type]
    return refused.value


@pytest.mark.parametrize("state", ["25006", "53200", "57014", "40001", "40P01", "55P03", "57P01"])
def test_what_a_retry_mends_is_tried_again(shop: Shop, state: str) -> None:
    error = raised(shop, state)
    assert error.can_retry
    assert "migrate" not in error.then


def test_a_statement_that_a_person_cancelled_is_told_from_one_that_took_too_long(shop: Shop) -> None:
    assert isinstance(raised(shop, "57014", "canceling statement due to user request"), Interrupted)
    slow = raised(shop, "57014", "canceling statement due to statement timeout")
    assert isinstance(slow, ServingError)
    assert "raise statement_timeout_ms" in slow.then


@pytest.mark.parametrize(
    ("state", "then"),
    [
        ("42P01", "pipeline migrate"),
        ("42883", "pipeline migrate"),
        ("22P05", "ENCODING 'UTF8'"),
        ("54000", "shorten it in sql/source"),
        ("XX000", "look at the log of that server"),
        ("XX001", "nothing here can mend it"),
    ],
)
def test_the_next_step_is_one_that_helps(shop: Shop, state: str, then: str) -> None:
    error = raised(shop, state)
    assert isinstance(error, ServingError | DamagedDatabase)
    assert then in error.then
    assert ("migrate" in error.then) == ("migrate" in then)


def test_a_frozen_connection_is_given_up_and_the_lists_stay(
    shop: Shop, new_shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MARGIN_SECONDS", 0.3)
    shop.publish(shop.night(1))
    lists = shop.lists()
    with line_to(shop.url) as (line, url):
        prefix = shop.settings.serving.role_prefix
        frozen = new_shop(url=url, role_prefix=prefix, statement_timeout_ms=1000)
        run = sessions.Session.run

        def then_hold(db: sessions.Session, name: str, *values: object) -> object:
            if name == "move_pointer":
                line.hold()
            return run(db, name, *values)  # type: ignore[arg-type]

        monkeypatch.setattr(sessions.Session, "run", then_hold)
        with pytest.raises(Unreachable, match="serving database said nothing") as refused:
            frozen.publish(frozen.night(2))
        monkeypatch.setattr(sessions.Session, "run", run)
    assert refused.value.can_retry
    assert shop.lists() == lists
    assert shop.publish(shop.night(2)).is_live


def test_settings_of_the_database_do_not_reach_the_session(server: Server, shop: Shop) -> None:
    """Each of them made a publication wrong, or ended it."""
    name = psycopg.conninfo.conninfo_to_dict(shop.url)["dbname"]
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        for setting in (
            "datestyle = 'German'",
            "timezone = 'Asia/Kathmandu'",
            "statement_timeout = '150ms'",
            "idle_in_transaction_session_timeout = '300ms'",
            "search_path = 'nowhere'",
            "default_transaction_isolation = 'serializable'",
        ):
            db.execute(f"ALTER DATABASE {name} SET {setting}")
    assert shop.publish(shop.night(1)).is_live
    assert len(shop.lists()) == 5
