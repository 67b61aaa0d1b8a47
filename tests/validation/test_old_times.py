from __future__ import annotations

from pipeline.validation.checks import Result, document, table
from pipeline.validation.old_times import with_old_times

GOOD = Result("events", 7, (), ())


def test_events_before_any_shop_are_a_warning_with_their_number_and_the_oldest() -> None:
    result = with_old_times(GOOD, 3, "0000-00-00 00:00:00")
    assert result.is_success
    [line] = document([result])["failed"]
    assert line.startswith("events: no event before 1990")
    assert line.endswith("3 rows against it (for instance occurred_at 0000-00-00 00:00:00)")
    assert "0 of 1 expectations hold" in table(result)


def test_without_such_events_nothing_is_told() -> None:
    assert with_old_times(GOOD, 0, "") == GOOD
