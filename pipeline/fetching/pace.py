"""Requests to the API, one at a time: no more a minute than promised, and again later where it is busy."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pipeline.errors import ApiBusy, ApiError

BUSY = frozenset((408, 429, 500, 502, 503, 504))
"""Statuses after which the same request may be answered a little later."""

ATTEMPTS = 8
"""How often one page is asked for before the task fails, which Airflow tries again."""

FIRST_WAIT, LONGEST_BACKOFF = 1.0, 60.0
"""Seconds to the second attempt; each further wait is twice as long, up to the bound."""

LONGEST_WAIT = 3600.0
"""Seconds that the API may ask for with Retry-After."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; the names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Request = Callable[[str, Mapping[str, str]], Answer]
"""GET of an address with these query parameters added. Raises ApiBusy where no answer comes."""


@dataclass
class Pace:
    """Sends the requests of one fetch.

    request:      sends one
    per_minute:   the most requests in a minute, repeats among them
    say:          takes a line about each wait
    clock, sleep: seconds that only grow; how to wait
    now:          the time of day, for a Retry-After that is a date
    """

    request: Request
    per_minute: int
    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _next_at: float = field(default=0.0, init=False)

    def get(self, address: str, query: Mapping[str, str]) -> Answer:
        """The answer, which is not one of BUSY.

        Raises ApiBusy after ATTEMPTS, and ApiError where the API asks for more than LONGEST_WAIT.
        """
        backoff = FIRST_WAIT
        for attempt in range(1, ATTEMPTS + 1):
            self._wait_for_turn()
            wait = backoff
            try:
                answer = self.request(address, query)
            except ApiBusy as error:
                busy = error
            else:
                if answer.status not in BUSY:
                    return answer
                busy = _busy(answer.status)
                wait = self._asked_for(answer) or backoff
            if attempt < ATTEMPTS:
                self.say(f"{busy.what}; attempt {attempt + 1} of {ATTEMPTS} in {wait:.3g} seconds")
                self.sleep(wait)
                backoff = min(2 * backoff, LONGEST_BACKOFF)
        raise busy

    def _wait_for_turn(self) -> None:
        wait = self._next_at - self.clock()
        if wait > 0:
            self.sleep(wait)
        self._next_at = self.clock() + 60 / self.per_minute

    def _asked_for(self, answer: Answer) -> float:
        """Seconds of `Retry-After` (RFC 9110, 10.2.3), a number or a date; 0 where there is none."""
        value = answer.headers.get("retry-after", "").strip()
        is_number = value.isascii() and value.isdigit()
        seconds = float(value) if is_number else _seconds_until(value, self.now())
        if seconds > LONGEST_WAIT:
            raise ApiError(
                f"the API answers {answer.status} and asks to come back in {seconds / 3600:.3g} hours",
                promised=f"a wait of at most {LONGEST_WAIT / 3600:.3g} hour",
                then="clear this task at that time: it goes on where it stopped",
            )
        return seconds


def _seconds_until(value: str, now: datetime) -> float:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())


def _busy(status: int) -> ApiBusy:
    return ApiBusy(
        f"the API answers {status}",
        promised="an answer with status 200",
        then="nothing: Airflow tries again and goes on where it stopped; or ask for fewer requests a minute",
    )
