"""pace.py: the limit of requests, and the waits after which a page is asked for again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from pipeline.errors import ApiBusy, ApiError
from pipeline.fetching.pace import Answer, Pace

NOW = datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC)
GOOD = Answer(200, {}, b"[]")


class Clock:
    """Seconds that pass only where somebody waits, and the statuses an API answers with."""

    def __init__(self, *answers: Answer | None) -> None:
        self.at, self.answers = 100.0, list(answers)
        self.requests: list[float] = []
        self.said: list[str] = []

    def request(self, address: str, query: Mapping[str, str]) -> Answer:
        self.requests.append(self.at - 100)
        answer = self.answers.pop(0) if self.answers else GOOD
        if answer is None:
            raise ApiBusy("the API gives no answer")
        return answer

    def sleep(self, seconds: float) -> None:
        self.at += seconds

    def pace(self, per_minute: int = 6000) -> Pace:
        return Pace(
            self.request,
            per_minute,
            self.said.append,
            clock=lambda: self.at,
            sleep=self.sleep,
            now=lambda: NOW,
        )


def busy(status: int = 429, **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"")


def test_no_more_requests_a_minute_than_were_promised() -> None:
    clock = Clock()
    pace = clock.pace(per_minute=30)
    for _ in range(4):
        pace.get("https://api.example.com", {})
    assert clock.requests == [0, 2, 4, 6]


def test_retry_after_in_seconds_and_as_a_date() -> None:
    clock = Clock(busy(retry_after="7"), busy(503, retry_after="Sat, 28 Nov 2026 12:00:30 GMT"))
    assert clock.pace().get("https://api.example.com", {}) == GOOD
    assert clock.requests == [0, 7, 37]
    assert clock.said == [
        "the API answers 429; attempt 2 of 8 in 7 seconds",
        "the API answers 503; attempt 3 of 8 in 30 seconds",
    ]


def test_without_it_each_wait_is_twice_the_one_before_up_to_a_bound() -> None:
    clock = Clock(*[None, busy(500), busy(retry_after="soon")] * 2, busy(502), busy(504))
    with pytest.raises(ApiBusy, match="504"):
        clock.pace().get("https://api.example.com", {})
    assert clock.requests == [0, 1, 3, 7, 15, 31, 63, 123]
    assert ApiBusy.can_retry


def test_a_date_that_is_past_is_no_wait_asked_for() -> None:
    clock = Clock(busy(retry_after="Sat, 28 Nov 2026 11:00:00 GMT"), busy(retry_after="0"))
    clock.pace().get("https://api.example.com", {})
    assert clock.requests == [0, 1, 3]


def test_a_wait_of_many_hours_is_left_to_a_person() -> None:
    with pytest.raises(ApiError, match="come back in 24 hours") as error:
        Clock(busy(retry_after="86400")).pace().get("https://api.example.com", {})
    assert not error.value.can_retry
    assert "goes on where it stopped" in error.value.then


def test_other_answers_are_for_the_caller() -> None:
    clock = Clock(busy(404))
    assert clock.pace().get("https://api.example.com", {}).status == 404
    assert clock.said == []
