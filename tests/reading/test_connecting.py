"""URLs that lead nowhere, and what errors of a connection mean."""

from __future__ import annotations

import socket

import psycopg
import pytest
from psycopg import errors as pg

from pipeline.config import Serving
from pipeline.errors import SettingsError
from pipeline.reading.connecting import Line, NoShop, admit, answer_of, check_url, conninfo, reading
from pipeline.reading.refusals import Unavailable, Unstorable

SERVING = Serving()
PASSWORD = "kept-from-every-error"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://a:b@h/x",
        "postgresql+psycopg://a:b@h:5432/x",
        "postgresql://a:b@one:1,two:2/x",
        "host=/run/postgresql dbname=x",
    ],
)
def test_a_url_that_may_lead_somewhere_is_taken(url: str) -> None:
    check_url(url, "")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://a:{PASSWORD}@h:99999/x",
        f"postgresql://a:{PASSWORD}@h:0/x",
        f"postgresql://a:{PASSWORD}@h:port/x",
        f"postgresql://a:{PASSWORD}@{'h' * 70}/x",
        f"nonsense {PASSWORD}",
        f"postgresql://a:p@{PASSWORD}@h/x",
    ],
)
def test_a_url_that_leads_nowhere_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SettingsError, match="cannot be read") as refused:
        check_url(url, "mend it")
    assert "mend it" in str(refused.value)
    assert PASSWORD not in str(refused.value)


def test_the_name_of_a_driver_is_left_out() -> None:
    assert conninfo("postgresql+psycopg://h/x") == "postgresql://h/x"


class Socket(Line):
    """A line of which only the socket is real."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()

    def fileno(self) -> int:
        return self.near.fileno()

    @property
    def closed(self) -> bool:
        return self.is_given_up


@pytest.mark.parametrize(
    ("raised", "becomes", "words"),
    [
        (pg.UndefinedTable(), NoShop, "finds no serving schema `serving`"),
        (pg.InsufficientPrivilege(), NoShop, "finds no serving schema `serving`"),
        (pg.QueryCanceled(), Unavailable, "took too long"),
        (pg.CharacterNotInRepertoire(), Unstorable, "^$"),
        (psycopg.OperationalError("gone"), psycopg.OperationalError, "gone"),
        (pg.SyntaxError("ours"), pg.SyntaxError, "ours"),
    ],
)
def test_an_error_becomes_what_it_means(raised: Exception, becomes: type[Exception], words: str) -> None:
    with pytest.raises(becomes, match=words), reading(SERVING, Socket()):
        raise raised


def test_who_gives_up_is_told_that_it_took_too_long() -> None:
    line = Socket()
    line.give_up()
    assert line.far.recv(1) == b"", "the other end hears of it"
    with pytest.raises(Unavailable, match="took too long"), reading(SERVING, line):
        raise psycopg.OperationalError("the connection was closed")


def test_a_connection_that_closed_is_a_lost_one_whatever_it_says() -> None:
    class Closed(Socket):
        closed = True  # type: ignore[assignment]

    with pytest.raises(psycopg.OperationalError, match="was lost"), reading(SERVING, Closed()):
        raise psycopg.InterfaceError("no connection")


def test_a_login_that_may_write_and_an_empty_shop_give_nothing() -> None:
    admit(("app", True, True, []), SERVING)
    with pytest.raises(Unavailable, match="may do more than read"):
        admit(("app", True, True, ["owns it"]), SERVING)
    with pytest.raises(Unavailable, match="no member of nightshelf_reader"):
        admit(("app", False, True, []), SERVING)
    with pytest.raises(Unavailable, match="nothing is published yet"):
        answer_of((None, 20, None))
    assert answer_of((1, 20, "{}")).version == 1
