"""A real HTTP server that pages through users, as APIs of shops do, on a free port."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from pipeline.errors import ApiBusy
from pipeline.fetching.pace import Answer

Reply = tuple[int, Mapping[str, str], bytes]
TOKEN, KEY = "Bearer s3cret-token", "s3cret-key"


class Api:
    """What the server answers with, and what it was asked.

    users:    all of them
    replies:  of the requests to come, before any page: a status, headers and a body for each
    asked:    path and query of each request; headers: its headers
    rewrite:  changes the document of a page
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.users: Sequence[Any] = ()
        self.replies: list[Reply] = []
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.rewrite: Callable[[dict[str, Any]], Any] = lambda document: document

    def answer(self, target: str) -> Reply:
        """`/users?cursor=&limit=`, `/pages?page=&limit=`, `/links?from=&limit=`: one page of each paging."""
        if self.replies:
            return self.replies.pop(0)
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        size, headers = int(query.get("limit", 10)), {"Content-Type": "application/json"}
        if parts.path == "/pages":
            start = (int(query["page"]) - 1) * size
        else:
            start = int(query.get("cursor", query.get("from", 0)))
        page = self.users[start : start + size]
        following = start + size if start + size < len(self.users) else None
        document: dict[str, Any] = {"data": list(page), "meta": {"next": following}}
        if parts.path == "/links":
            link = f"/links?from={following}&limit={size}" if following else None
            document["meta"]["next"] = link
            if link:
                headers["Link"] = f'<{self.url}/links?from=0>; rel="first", <{self.url}{link}>; rel="next"'
        return 200, headers, json.dumps(self.rewrite(document)).encode()


@contextmanager
def api_server() -> Iterator[Api]:
    """An API while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            api.asked.append(self.path)
            api.headers.append(dict(self.headers))
            status, headers, body = api.answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api = Api(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def get(address: str, query: Mapping[str, str]) -> Answer:
    """One request, as `nightshelf_airflow/http_api.py` sends it, without a connection of Airflow's."""
    try:
        response = requests.get(address, params=dict(query), timeout=10, allow_redirects=False)
    except requests.ConnectionError:
        raise ApiBusy("the API gives no answer") from None
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, response.content)


def people(count: int) -> list[dict[str, Any]]:
    """Users 1 to `count`; every second one has no segment."""
    return [{"id": n, "segment": "gold" if n % 2 else None, "visits": n / 2} for n in range(1, count + 1)]
