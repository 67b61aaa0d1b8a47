"""Editions: whole copies of a publication beside each other in Redis, and the pointer to one of them.

An edition is written under keys of its own; then the pointer moves to it in one transaction. Whoever writes
has noted the edition in a hash before its first key, so that what a killed writer left is found. States:

    writing    keys are being written; nobody reads them
    live       the pointer names it, and no key expires
    old        the pointer has left it
    expiring N its keys expire at the latest at the Unix time N
    gone       its keys are being deleted
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import redis

from pipeline.errors import ExportBusy
from pipeline.reading.keys import Keys

WRITING, LIVE, OLD, EXPIRING, GONE = "writing", "live", "old", "expiring", "gone"
SCANNED = 5_000
"""Keys that are asked for at a time."""


class Editions:
    """The editions of one shop. client: decodes answers"""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client, self._keys = client, keys

    def live(self) -> str | None:
        """The edition that apps read."""
        edition = self._client.get(self._keys.live)
        return None if edition is None else str(edition)

    def states(self) -> Mapping[str, str]:
        """Every edition that has keys -> its state."""
        states = self._client.hgetall(self._keys.editions)
        return {str(edition): str(state) for edition, state in states.items()}

    def begin(self, version: int) -> str:
        """A new edition of a publication, whose keys may be written now."""
        edition = f"{version}-{self._client.incr(self._keys.counter)}"
        self._client.hset(self._keys.editions, edition, WRITING)
        return edition

    def put_live(self, edition: str) -> None:
        """Move the pointer to `edition`. Raises ExportBusy where another export has begun since."""
        keys = self._keys
        with self._client.pipeline() as pipe:
            try:
                pipe.watch(keys.editions, keys.live)  # type: ignore[no-untyped-call]
                state, before = pipe.hget(keys.editions, edition), pipe.get(keys.live)
                if state != WRITING:
                    raise redis.WatchError
                pipe.multi()
                if before:
                    pipe.hset(keys.editions, before, OLD)
                pipe.hset(keys.editions, edition, LIVE)
                pipe.set(keys.live, edition)
                pipe.execute()
            except redis.WatchError:
                raise ExportBusy(
                    "another export to Redis has begun meanwhile",
                    promised="one at a time; apps read what they read before",
                    then="the same again (Airflow does so by itself)",
                ) from None

    def sweep(self) -> None:
        """Delete what killed exports left. Nobody else may be writing."""
        live, now = self.live(), int(time.time())
        for edition, state in self.states().items():
            word, _, until = state.partition(" ")
            is_over = word == EXPIRING and int(until) < now
            if edition != live and (word in (WRITING, GONE) or is_over):
                self.drop(edition)

    def expire_old(self, seconds: int) -> None:
        """Let the keys of editions that the pointer has left expire after so many seconds."""
        until = int(time.time()) + seconds
        for edition, state in self.states().items():
            if state == OLD:
                self._expire(edition, seconds)
                self._client.hset(self._keys.editions, edition, f"{EXPIRING} {until}")

    def drop(self, edition: str) -> None:
        """Delete an edition that nobody reads."""
        self._client.hset(self._keys.editions, edition, GONE)
        for keys in self._of(edition):
            self._client.unlink(*keys)
        self._client.hdel(self._keys.editions, edition)

    def _expire(self, edition: str, seconds: int) -> None:
        for keys in self._of(edition):
            with self._client.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.expire(key, seconds)
                pipe.execute()

    def _of(self, edition: str) -> Iterator[list[str]]:
        """The keys of an edition, some at a time."""
        cursor = 0
        pattern = _literal(self._keys.of(edition)) + "*"
        while True:
            cursor, keys = self._client.scan(cursor, match=pattern, count=SCANNED)
            if keys:
                yield [str(key) for key in keys]
            if cursor == 0:
                return


def _literal(text: str) -> str:
    """A pattern that matches `text` alone."""
    return "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in text)
