"""What is kept of each request: one JSON line on stdout, and the numbers of /metrics."""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the latencies, in seconds."""


class Records:
    """The requests of one service. Routes are told by their pattern: no id and no token is kept anywhere."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "nightshelf_requests",
            "Requests by route and status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "nightshelf_request_seconds",
            "Seconds from a request's head to its answer's end, by route.",
            ("route",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.is_up = self._gauge("nightshelf_database_up", "1: the database answers; 0: it does not.")
        self.version = self._gauge("nightshelf_live_version", "The live publication; 0: none, or not known.")
        self.connections = self._gauge("nightshelf_pool_connections", "Connections to the database.")
        self.idle = self._gauge("nightshelf_pool_idle_connections", "Those that nobody uses now.")
        self.waiting = self._gauge("nightshelf_pool_waiting", "Requests that wait for a connection.")
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def keep(self, method: str, route: str, status: int, seconds: float, client: str) -> None:
        """One request that has ended."""
        key = method, route, status
        if key not in self._children:
            self._children[key] = (
                self._requests.labels(method, route, str(status)),
                self._seconds.labels(route),
            )
        counter, histogram = self._children[key]
        counter.inc()
        histogram.observe(seconds)
        line = {
            "time": datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds"),
            "method": method,
            "route": route,
            "status": status,
            "ms": round(1000 * seconds, 1),
            "client": client,
        }
        with suppress(OSError, ValueError):  # whoever read the lines is gone; requests go on
            sys.stdout.write(f"{json.dumps(line)}\n")
            sys.stdout.flush()

    def _gauge(self, name: str, what: str) -> Gauge:
        return Gauge(name, what, registry=self.registry)
