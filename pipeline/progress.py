"""Shows how far a long step is: a bar in a terminal, now and then a line in a log.

The code that works says what it does and how much of it is done; whoever runs it says where that is shown
(`shown`). Nothing is shown where nobody asked, or of a step that ends within seconds.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

from tqdm import tqdm

Part = TypeVar("Part")
Step = Callable[[float], None]
"""Takes how much has been done since it was called last."""

SHORT = 10.0
"""Seconds that a step takes before anything of it is shown."""
PAUSE = 30.0
"""Seconds between two lines of a log, at first."""
LINES = 12
"""After so many lines the pause doubles: a stage of three hours leaves 60 of them."""
MANY = 10_000
"""From so many on they are told in thousands and millions."""
DELAY = 1.0
"""Seconds before a bar is drawn."""
LOOK = 2.0
"""Seconds between two looks at a step that cannot tell by itself how far it is."""


@dataclass
class Log:
    """Lines of one stage. say: takes each; name: of the stage"""

    say: Callable[[str], None]
    name: str
    n_lines: int = 0
    next_at: float = field(default_factory=lambda: time.monotonic() + SHORT)

    @contextmanager
    def step(self, what: str, total: float | None, unit: str) -> Iterator[Step]:
        """Counts what is done, and says a line when one is due."""
        began, done = time.monotonic(), 0.0
        self.next_at = max(self.next_at, began + SHORT)

        def add(more: float) -> None:
            nonlocal done
            done += more
            now = time.monotonic()
            if now >= self.next_at:
                self.say(f"{self.name}: {what}: {how_far(done, total, unit, now - began)}")
                self.n_lines += 1
                self.next_at = now + PAUSE * 2 ** (self.n_lines // LINES)

        yield add


class Bars:
    """Bars on standard error, which go when a step has ended."""

    @contextmanager
    def step(self, what: str, total: float | None, unit: str) -> Iterator[Step]:
        """Counts what is done, and moves the bar."""
        counted = "" if unit == "%" else " {n_fmt} of {total_fmt}{unit}, {rate_fmt},"
        form = "{desc}: {percentage:3.0f}%|{bar}|" + counted + " {remaining} left"
        with tqdm(
            total=total,
            desc=what,
            unit=f" {unit}",
            unit_scale=total is None or total >= MANY,
            bar_format=form if total else None,
            delay=DELAY,
            leave=False,
        ) as bar:

            def add(more: float) -> None:
                bar.update(more)

            yield add


_shown: ContextVar[Log | Bars | None] = ContextVar("shown", default=None)


def beside_bars() -> AbstractContextManager[None]:
    """While the block prints, no bar stands in its way."""
    beside: AbstractContextManager[None] = tqdm.external_write_mode()
    return beside


@contextmanager
def shown(say: Callable[[str], None], name: str) -> Iterator[None]:
    """Show the steps of the block: as bars where standard error is a terminal, else through `say`."""
    token = _shown.set(Bars() if sys.stderr.isatty() else Log(say, name))
    try:
        yield
    finally:
        _shown.reset(token)


@contextmanager
def step(what: str, total: float | None = None, unit: str = "") -> Iterator[Step]:
    """One step: the block calls what it is given with how much more is done.

    what: in a word or two; total: how much there is to do, None where nobody knows; unit: in the plural
    """
    if (where := _shown.get()) is None:
        yield lambda more: None
        return
    with where.step(what, total, unit) as add:
        yield add


def over(
    parts: Iterable[Part], what: str, total: float | None, unit: str, size: Callable[[Part], float]
) -> Iterator[Part]:
    """The same `parts`, each counted with its `size` once the next one is asked for."""
    with step(what, total, unit) as add:
        for part in parts:
            yield part
            add(size(part))


@contextmanager
def watched(what: str, percent: Callable[[], float]) -> Iterator[None]:
    """The block as one step that cannot tell by itself how far it is; `percent` is asked from a thread."""
    if _shown.get() is None:
        yield
        return
    ended = threading.Event()
    with step(what, 100.0, "%") as add:

        def look() -> None:
            done = 0.0
            while not ended.wait(LOOK):
                now = max(percent(), done)
                add(now - done)
                done = now

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def how_far(done: float, total: float | None, unit: str, seconds: float) -> str:
    """`12,288 of 85,374 users, 712 a second, 2 min left`, after so many seconds."""
    rate = done / seconds if seconds > 0 else 0.0
    total = None if total is not None and done > total else total  # it was a guess, and too low
    left = f", {in_words(max(total - done, 0.0) / rate)} left" if total and rate else ""
    if unit == "%":
        return f"{done:.0f} %{left}"
    counted = f"{done:,.0f} of {total:,.0f} {unit}" if total else f"{done:,.0f} {unit}"
    if not rate:
        return counted
    speed = f"{rate:,.0f} a second" if rate >= 1 else f"{in_words(1 / rate)} for each"
    return f"{counted}, {speed}{left}"


def in_words(seconds: float) -> str:
    """`40 s`, `2 min`, `1 h 5 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
