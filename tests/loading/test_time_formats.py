"""pipeline/loading/time_formats.py: from the values of a column, how it writes times."""

from __future__ import annotations

import duckdb
import pytest

from pipeline.loading import time_formats
from pipeline.loading.head import Column


def column(*values: str, kind: str = "VARCHAR") -> Column:
    return Column("t", kind, values, 0)


def read(form: time_formats.TimeFormat, *values: str) -> str:
    """What the SQL of a format makes of a value, in UTC."""
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        names = "t", "clock"
        given = ", ".join(f"'{value}' AS {name}" for value, name in zip(values, names, strict=False))
        [(text,)] = db.execute(
            f"SELECT CAST(CAST({form.sql.format(*names)} AS TIMESTAMP) AS VARCHAR) FROM (SELECT {given})"
        ).fetchall()
        return str(text)


@pytest.mark.parametrize(
    ("values", "first", "has_zone", "is_day"),
    [
        (["2024-01-13 18:05:00"], "2024-01-13 18:05:00", False, False),
        (["2024-01-13T18:05:00Z"], "2024-01-13 18:05:00", True, False),
        (["2024-01-13"], "2024-01-13 00:00:00", False, True),
        (["2019-10-01 00:00:00 UTC"], "2019-10-01 00:00:00", True, False),
        (["2024-05-01 10:00:00 +0200"], "2024-05-01 08:00:00", True, False),
        (["1433221332117"], "2015-06-02 05:02:12.117", True, False),
        (["978300760"], "2000-12-31 22:12:40", True, False),
        (["978300760.0", "978300761.5"], "2000-12-31 22:12:40", True, False),
        (["1612069510766593"], "2021-01-31 05:05:10.766593", True, False),
        (["20240113"], "2024-01-13 00:00:00", False, True),
        (["20240113180500"], "2024-01-13 18:05:00", False, False),
        (["13/01/2024"], "2024-01-13 00:00:00", False, True),
        (["01/13/2024"], "2024-01-13 00:00:00", False, True),
        (["1/2/2024 9:05", "13/2/2024 10:00"], "2024-02-01 09:05:00", False, False),
        (["1/2/2024 9:05", "2/13/2024 10:00"], "2024-01-02 09:05:00", False, False),
        (["1/2/2024 9:05 PM", "1/31/2024 10:00 AM"], "2024-01-02 21:05:00", False, False),
        (["13.01.24 18:05"], "2024-01-13 18:05:00", False, False),
        (["13-Jan-2024"], "2024-01-13 00:00:00", False, True),
        (["Jan 13, 2024"], "2024-01-13 00:00:00", False, True),
        (["09 13, 2009"], "2009-09-13 00:00:00", False, True),
        (["2024/01/13 18:05"], "2024-01-13 18:05:00", False, False),
        (["2024/01/13 18:05:00Z"], "2024-01-13 18:05:00", True, False),
        (["24-01-05", "24-02-13", "24-03-28"], "2024-01-05 00:00:00", False, True),
        (["05-01-24", "13-02-24", "28-03-24"], "2024-01-05 00:00:00", False, True),
        (["01/05/24", "02/13/24", "03/28/24"], "2024-01-05 00:00:00", False, True),
    ],
)  # fmt: skip
def test_a_format_is_found(values: list[str], first: str, has_zone: bool, is_day: bool) -> None:
    form = time_formats.guess(column(*values))
    assert form is not None
    assert read(form, values[0]) == first
    assert (form.has_zone, form.is_day) == (has_zone, is_day)


def test_day_or_month_first_is_decided_by_which_days_lie_closer_together() -> None:
    """Three days in a row in December, or the twelfth of three months."""
    by_day = time_formats.guess(column("01/12/2009 07:45", "02/12/2009 08:00", "03/12/2009 08:00"))
    by_month = time_formats.guess(column("12/01/2009 07:45", "12/02/2009 08:00", "12/03/2009 08:00"))
    assert by_day is not None
    assert by_month is not None
    assert read(by_day, "01/12/2009 07:45") == read(by_month, "12/01/2009 07:45") == "2009-12-01 07:45:00"
    for form, order in ((by_day, "day before month"), (by_month, "month before day")):
        assert f"{order}: LOOK AT IT" in form.words
        assert "closer together" in form.words


def test_a_single_day_that_may_be_two_is_named() -> None:
    form = time_formats.guess(column("01/02/2024"))
    assert form is not None
    assert "day before month: LOOK AT IT, the other way round would do as well" in form.words
    assert "closer" not in form.words


@pytest.mark.parametrize(
    ("day", "clock", "told"),
    [
        ("13.01.2024", "18:05", "2024-01-13 18:05:00"),
        ("2024-01-13", "18:05:30", "2024-01-13 18:05:30"),
        ("01/13/2024", "6:05 PM", "2024-01-13 18:05:00"),
    ],
)
def test_the_day_and_the_time_of_day_in_two_columns(day: str, clock: str, told: str) -> None:
    form = time_formats.guess(column(day), column(clock))
    assert form is not None
    assert read(form, day, clock) == told
    assert not form.is_day


@pytest.mark.parametrize(
    "values",
    [
        ["829"],
        ["Tuesday"],
        ["13/01/2024", "soon"],
        ["31/31/2024"],
        ["1433221332117", "978300760"],
        ["9999-12-31T23:59:59.999999-23:59x"],
        ["0001-01-01 00:00:00 UTC"],
        ["-1"],
        [],
    ],
)
def test_what_is_no_time_of_a_shop_is_none(values: list[str]) -> None:
    assert time_formats.guess(column(*values)) is None


def test_days_that_are_counted_begin_on_a_day_that_is_named() -> None:
    form = time_formats.day_number(column("1", "711"))
    assert form is not None
    assert read(form, "711") == "2001-12-12 00:00:00"
    assert "2000-01-01 stands for day 0" in form.words
    assert time_formats.day_number(column("1", "x")) is None
