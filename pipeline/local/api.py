"""A client of Airflow's REST API, as far as the demo and the tests need it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from pipeline.errors import AirflowError, NightshelfError, Unreachable

SECONDS = 20.0


class Api:
    """A client that logs in once. It has no `repr` of its own, which could show the password."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url.rstrip("/")
        self._login = {"username": user, "password": password}
        self._token = ""

    def health(self) -> dict[str, Any]:
        """Status and last heartbeat of each component; empty while the server does not answer."""
        try:
            return self._send("GET", "/api/v2/monitor/health", None, {})
        except NightshelfError:
            return {}

    def serves_tasks(self) -> bool:
        """Whether the API that tasks use answers. Its first request takes seconds, in which the UI hangs."""
        try:
            self._send("GET", "/execution/health", None, {})
        except NightshelfError:
            return False
        return True

    def get(self, path: str) -> dict[str, Any]:
        """GET `/api/v2` + path."""
        return self._call("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST `/api/v2` + path."""
        return self._call("POST", path, body)

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """PATCH `/api/v2` + path."""
        return self._call("PATCH", path, body)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        if not self._token:
            self._token = self._send("POST", "/auth/token", self._login, {})["access_token"]
        return self._send(method, f"/api/v2{path}", body, {"Authorization": f"Bearer {self._token}"})

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        all_headers = {"Content-Type": "application/json", "Accept": "application/json", **headers}
        try:
            with urlopen(
                Request(self.url + path, data, all_headers, method=method), timeout=SECONDS
            ) as answer:
                content: dict[str, Any] = json.load(answer)
        except HTTPError as error:
            raise AirflowError(
                f"Airflow refused {method} {path} with {error.code}",
                found=error.read().decode(errors="replace")[:500],
            ) from None
        except (URLError, HTTPException, OSError, ValueError) as error:
            raise Unreachable(
                f"Airflow does not answer at {self.url}", found=str(error), then="make status"
            ) from None
        return content
