"""kill -9 of the publishing process, and of its database backend, at points all over the publication."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import pytest

from pipeline.databases.embedded import Server
from pipeline.runs.folder import RunFolder
from pipeline.serving.names import text_of
from tests.faults import shelves, victim
from tests.faults.victim import Point, Whom
from tests.serving.nights import Shop

pytestmark = pytest.mark.slow

FIRST_DAY = 101
N_SPREAD = 16
MOVE = " ".join(text_of("move_pointer").split())[: victim.NAME]
COMMIT = "exit_gen"
AROUND = range(-3, 6)
"""Exchanges before and after the pointer's move; the COMMIT is the third after it."""

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([victim.__name__])


@dataclass(frozen=True)
class Attempt:
    """exchanges: in order, up to the kill; end: what a publisher that lived said last."""

    exchanges: list[str]
    end: str
    status: int | None

    def flipped(self, *, is_sent: bool) -> set[bool]:
        """Whether the new publication may be live, the last exchange having been sent or not."""
        if MOVE not in self.exchanges:
            return {False}
        after = self.exchanges[self.exchanges.index(MOVE) :]
        if COMMIT not in after[:-1]:
            return {False, True} if is_sent and after[-1] == COMMIT else {False}
        return {True}


@dataclass
class Nights:
    """A shop on which a night follows the other."""

    shop: Shop
    days: count[int]
    exchanges: list[str]

    def next(self) -> RunFolder:
        return shelves.night(self.shop, next(self.days))

    def attempt(self, folder: RunFolder, point: Point | None = None) -> Attempt:
        """Publish in another process."""
        answers, pipe = processes.Pipe(duplex=False)
        arguments = (self.shop.url, self.shop.settings, folder, point, pipe)
        child = processes.Process(target=victim.attempt, args=arguments)
        child.start()
        pipe.close()
        exchanges, end = answers.recv(), ""
        try:
            end = answers.recv()
        except EOFError:
            assert point, "only a kill ends it early"
        child.join()
        return Attempt(exchanges, end, child.exitcode)

    def killed(self, point: Point, *, is_same_run: bool) -> None:
        """Kill there; what is live then is whole, and the next run publishes."""
        version, day = shelves.shown(self.shop)
        folder = self.next()
        attempt = self.attempt(folder, point)
        if point.whom == "publisher":
            assert (attempt.status, attempt.end) == (-signal.SIGKILL, "")
        else:
            assert attempt.status == 0
            assert attempt.end in {"Unreachable", "published"}
        shown = shelves.shown(self.shop)
        is_new = shown != (version, day)
        assert is_new in attempt.flipped(is_sent=point.is_sent), attempt.exchanges[-3:]
        assert is_new or attempt.end != "published"
        if not is_same_run:
            folder = self.next()
        done = shelves.published(self.shop, folder)
        assert done.is_live
        assert shelves.shown(self.shop)[0] == done.version
        assert shelves.leftovers(self.shop) == []


@pytest.fixture(scope="module")
def nights(new_server: Callable[[], Server], shop_on: Callable[[str], Shop]) -> Nights:
    """A shop that drops a version with each new one, and the exchanges of one such publication."""
    nights = Nights(shop_on(new_server().url("serving")), count(FIRST_DAY), [])
    for _ in range(nights.shop.settings.serving.keep_versions + 1):
        shelves.published(nights.shop, nights.next())
    undisturbed = nights.attempt(nights.next())
    assert undisturbed.end == "published"
    assert undisturbed.flipped(is_sent=True) == {True}
    nights.exchanges = undisturbed.exchanges
    return nights


@pytest.mark.parametrize("place", range(N_SPREAD))
@pytest.mark.parametrize("whom", ["publisher", "backend"])
def test_killed_anywhere(nights: Nights, whom: Whom, place: int) -> None:
    exchange = (2 * place + 1) * len(nights.exchanges) // (2 * N_SPREAD)
    nights.killed(Point(whom, exchange, is_sent=place % 2 == 0), is_same_run=place % 4 < 2)


@pytest.mark.parametrize("is_sent", [False, True], ids=["before", "sent"])
@pytest.mark.parametrize("place", AROUND)
@pytest.mark.parametrize("whom", ["publisher", "backend"])
def test_killed_around_the_flip(nights: Nights, whom: Whom, place: int, is_sent: bool) -> None:
    exchange = nights.exchanges.index(MOVE) + place
    nights.killed(Point(whom, exchange, is_sent), is_same_run=place % 2 == 0)
