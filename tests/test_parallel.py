"""pipeline/parallel.py: results in order, the first part alone, an error that ends the work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator

import pytest

from pipeline.parallel import ahead, in_order, n_threads


def noted(parts: Iterable[int], asked: list[int]) -> Iterator[int]:
    """The same `parts`; `asked` gets each one as it is asked for."""
    for part in parts:
        asked.append(part)
        yield part


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_the_order_of_the_parts(threads: int) -> None:
    def work(number: int) -> int:
        time.sleep(0.01 * (number % 3 == 1))
        return 2 * number

    assert list(in_order(work, range(10), threads)) == list(range(0, 20, 2))
    assert list(in_order(work, [], threads)) == []


def test_the_first_part_is_alone_and_the_others_are_side_by_side() -> None:
    """What it leaves is there for all; two of the others wait for each other, which one thread could not."""
    both, left = threading.Barrier(2, timeout=10), list[int]()

    def work(number: int) -> int:
        if number == 0:
            time.sleep(0.05)
            left.append(number)
        else:
            assert left
            both.wait()
        return number

    assert list(in_order(work, range(3), 2)) == [0, 1, 2]


def test_an_error_is_raised_where_its_result_would_be_and_ends_the_work() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 2:
            raise ValueError("two")
        return number

    results, seen = in_order(work, range(100), 2), list[int]()
    with pytest.raises(ValueError, match="two"):
        seen.extend(results)
    assert len(begun) < 10


def test_no_more_parts_are_taken_than_are_worked_on() -> None:
    taken: list[int] = []
    results = in_order(lambda number: number, noted(range(100), taken), 2)
    assert [next(results), next(results)] == [0, 1]
    assert len(taken) <= 5
    results.close()  # type: ignore[attr-defined]


def test_no_number_of_threads_is_one_for_each_core() -> None:
    assert n_threads(3) == 3
    assert n_threads(0) >= 1


def test_parts_are_worked_out_ahead_and_come_in_order() -> None:
    made: list[int] = []
    results = ahead(noted(range(10), made))
    assert next(results) == 0
    deadline = time.monotonic() + 10
    while len(made) < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert made == [0, 1], "one ahead, and no more"
    assert list(results) == list(range(1, 10))
    assert list(ahead([])) == []


def test_an_error_comes_where_its_part_would_have_come() -> None:
    def parts() -> Iterator[int]:
        yield 1
        raise ValueError("two")

    results = ahead(parts())
    assert next(results) == 1
    with pytest.raises(ValueError, match="two"):
        next(results)


def test_whoever_stops_early_leaves_no_thread() -> None:
    results = ahead(iter(range(100)))
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPool")]
