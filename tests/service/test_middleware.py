"""What every request passes: its log line, its numbers, its headers, its size."""

from __future__ import annotations

import http.client
import json
import re
import socket
from datetime import UTC, datetime
from urllib.parse import urlsplit

from pipeline.service.middleware import BODY_SECONDS, MOST_BYTES
from pipeline.service.run import STOP_SECONDS
from tests.service.running import Running


def test_each_request_is_one_json_line_without_ids(service: Running) -> None:
    service.get("/users/1/recommendations?n=3")
    service.ask("/users/1/recommendations/99/explanation", "HEAD")
    service.ask("/nowhere/1", "PUT")
    service.ask("/session/recommendations", "POST", {"item_ids": [11]})
    lines = [json.loads(line) for line in service.lines(4)]
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("GET", "/users/{user_id}/recommendations", 200),
        ("HEAD", "/users/{user_id}/recommendations/{item_id}/explanation", 404),
        ("other", "(none)", 404),
        ("POST", "/session/recommendations", 200),
    ]
    for line in lines:
        assert set(line) == {"time", "method", "route", "status", "ms", "client"}
        assert line["client"] == "127.0.0.1"
        assert 0 <= line["ms"] < 10_000
        assert abs((datetime.now(UTC) - datetime.fromisoformat(line["time"])).total_seconds()) < 60


def test_metrics_count_requests_and_tell_the_live_version(service: Running) -> None:
    for _ in range(3):
        service.get("/popular")
    service.ask("/popular?n=0")
    text = service.ask("/metrics").body.decode()
    assert 'nightshelf_requests_total{method="GET",route="/popular",status="200"} 3.0' in text
    assert 'nightshelf_requests_total{method="GET",route="/popular",status="422"} 1.0' in text
    assert 'nightshelf_request_seconds_count{route="/popular"} 4.0' in text
    assert 'nightshelf_request_seconds_bucket{le="0.02",route="/popular"}' in text
    assert "nightshelf_live_version 1.0" in text
    assert "nightshelf_database_up 1.0" in text
    assert re.search(r"nightshelf_pool_connections [1-8]\.0", text)


def test_every_answer_has_the_headers_that_protect_a_browser(service: Running) -> None:
    for path in ("/popular", "/docs", "/none", "/popular?n=0", "/health"):
        headers = service.ask(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_a_body_has_a_bound_told_or_not(service: Running) -> None:
    route = "/session/recommendations"
    large = b'{"item_ids": [11]}' + b" " * (MOST_BYTES - 18)
    assert service.ask(route, "POST", large).status == 200
    reply = service.ask(route, "POST", large + b" ")
    assert (reply.status, reply.json) == (413, {"detail": "a request may have at most 524,288 bytes"})
    where = urlsplit(service.url)
    line = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
    line.request("POST", route, iter([large, b" " * 1024]), encode_chunked=True)
    assert line.getresponse().status == 413
    line.close()


def test_a_client_that_goes_away_before_its_body_ends_is_no_fault_of_the_service(service: Running) -> None:
    where = urlsplit(service.url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as line:
        head = b"POST /session/recommendations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 400\r\n\r\n{"
        line.sendall(head)
        service.get("/health")
    assert sorted(json.loads(line)["status"] for line in service.lines(2)) == [200, 400]


def test_a_body_that_does_not_come_is_not_waited_for_and_holds_no_stop_up(service: Running) -> None:
    assert BODY_SECONDS < STOP_SECONDS
    where = urlsplit(service.url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as line:
        line.sendall(
            b"POST /session/recommendations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 400\r\n\r\n{"
        )
        service.get("/health")
        service.process.terminate()
        assert line.recv(1000).startswith(b"HTTP/1.1 408 ")
    assert service.process.wait(timeout=10) == 0
    assert service.process.stderr is not None
    assert b"Traceback" not in service.process.stderr.read()


def test_no_other_protocol_is_spoken(service: Running) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "MDAwMDAwMDAwMDAwMDAwMA==",
        "Sec-WebSocket-Version": "13",
    }
    assert service.ask("/health", headers=upgrade).json == {"status": "ok"}


def test_requests_of_one_connection_are_answered_in_turn(service: Running) -> None:
    where = urlsplit(service.url)
    line = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
    for method, path, status in (
        ("GET", "/popular", 200),
        ("HEAD", "/popular", 200),
        ("GET", "/none", 404),
    ) * 3:
        line.request(method, path)
        reply = line.getresponse()
        reply.read()
        assert reply.status == status
    line.close()
