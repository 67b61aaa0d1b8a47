"""A run is marked failed, whatever Airflow answers meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pipeline.errors import AirflowError
from pipeline.local import demo
from pipeline.local.api import Api

Answer = tuple[int, str, str]
"""Of one request to mark the run: HTTP status, then the states of the run and of its only task."""


@contextmanager
def airflow(answers: list[Answer]) -> Iterator[tuple[Api, list[Answer]]]:
    """An API that answers as told, one by one; and what is left of the answers."""
    left, states = list(answers), {"run": "running", "task": "queued"}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._answer(200, {"access_token": "t"})

        def do_PATCH(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, states["run"], states["task"] = left.pop(0)
            self._answer(status, {})

        def do_GET(self) -> None:
            tasks = {"task_instances": [{"task_id": "publish", "state": states["task"]}]}
            self._answer(200, tasks if self.path.endswith("taskInstances") else {"state": states["run"]})

        def _answer(self, status: int, document: dict[str, Any]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Api(f"http://127.0.0.1:{server.server_address[1]}", "admin", "secret"), left
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "A_LOOK_SECONDS", 0.0)


MARKED: Answer = (200, "failed", "skipped")


@pytest.mark.parametrize(
    "before",
    [
        pytest.param([], id="at once"),
        pytest.param([(500, "running", "queued")], id="the database breaks the request off"),
        pytest.param([(200, "success", "skipped")], id="a scheduler calls it a success"),
        pytest.param([(200, "failed", "running")], id="a task was begun meanwhile"),
        pytest.param([(409, "queued", "queued")] * (demo.MARKED_TIMES - 1), id="as often as it tries"),
    ],
)
def test_it_goes_on_until_no_task_is_left(before: list[Answer]) -> None:
    with airflow([*before, MARKED, MARKED]) as (api, left):
        demo.mark_failed(api, "manual__1")
        assert left == [MARKED]


@pytest.mark.parametrize(
    ("answer", "told"),
    [((500, "running", "queued"), "refused PATCH"), ((200, "success", "skipped"), "is not marked failed")],
)
def test_it_says_what_it_met_in_the_end(answer: Answer, told: str) -> None:
    with airflow([answer] * demo.MARKED_TIMES) as (api, left), pytest.raises(AirflowError) as refused:
        demo.mark_failed(api, "manual__1")
    assert told in str(refused.value)
    assert not left
