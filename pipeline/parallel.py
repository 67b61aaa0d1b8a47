"""Works on the parts of a whole side by side, in threads.

What is done with a part spends its time in libraries that let other threads run meanwhile: NumPy, SciPy,
LightGBM, implicit. So two cores do nearly twice as much, and everything is in memory once.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

END = object()

Part = TypeVar("Part")
Result = TypeVar("Result")


def n_threads(threads: int) -> int:
    """How many threads the setting `run.threads` means: 0 is one for each core that the process may use."""
    return threads or len(os.sched_getaffinity(0))


def in_order(work: Callable[[Part], Result], parts: Iterable[Part], threads: int) -> Iterator[Result]:
    """The result of `work` for each of `parts`, in their order. threads: as in `run.threads`

    The first part is worked on alone: what all parts share and is worked out when first asked for is there
    before the others ask. At most one result more than there are threads waits.
    """
    rest = iter(parts)
    for first in rest:
        yield work(first)
        break
    most = n_threads(threads)
    if most == 1:
        yield from map(work, rest)
        return
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(most) as pool:
        try:
            for part in rest:
                waiting.append(pool.submit(work, part))
                if len(waiting) > most:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def ahead(parts: Iterable[Part]) -> Generator[Part, None, None]:
    """The same `parts`: the next one is worked out in a thread while one is made use of.

    To be closed by whoever may stop early: that waits for the part that is being worked out.
    """
    rest, context = iter(parts), copy_context()
    with ThreadPoolExecutor(1) as pool:

        def ask() -> Future[Part]:
            return pool.submit(context.run, next, rest, END)  # type: ignore[arg-type]

        waiting = ask()
        try:
            while (part := waiting.result()) is not END:
                waiting = ask()
                yield part
        finally:
            waiting.cancel()
