"""Real servers that receive alerts in tests, one for HTTP and one for SMTP, each on a free port."""

from __future__ import annotations

import base64
import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast


class WebServer:
    """What an HTTP server received: path, headers and JSON document of each POST, in order.

    status: the status of its answers
    drip:   seconds between two bytes of an answer; 0: no delay
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.status = 200
        self.drip = 0.0
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.documents: list[dict[str, Any]] = []


@contextmanager
def web_server() -> Iterator[WebServer]:
    """An HTTP server while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.paths.append(self.path)
            received.headers.append(dict(self.headers))
            received.documents.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            if received.drip:
                for byte in b"HTTP/1.0 200 OK\r\n\r\n":
                    time.sleep(received.drip)
                    self.wfile.write(bytes([byte]))
                return
            self.send_response(received.status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received = WebServer(server.server_address[1])
    with _serving(server):
        yield received


class MailServer:
    """What an SMTP server received: sender and recipients of each envelope, and each message.

    logins: user names and passwords that were given; a password that begins with `wrong` is refused
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.logins: list[tuple[str, str]] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.messages: list[Message] = []

    def body(self, number: int = 0) -> str:
        """The HTML of a message."""
        [part] = cast(list[Message], self.messages[number].get_payload())
        return cast(bytes, part.get_payload(decode=True)).decode()


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """An SMTP server (RFC 5321, AUTH PLAIN and LOGIN, no TLS) while the block runs."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 here")
            sender, to = "", list[str]()
            while line := self.line():
                command, _, rest = line.partition(" ")
                match command.upper():
                    case "EHLO":
                        self.say("250-here\r\n250 AUTH PLAIN LOGIN")
                    case "AUTH":
                        self.login(rest)
                    case "MAIL":
                        sender = _address(rest)
                    case "RCPT":
                        to.append(_address(rest))
                    case "DATA":
                        self.say("354 go on")
                        received.messages.append(message_from_bytes(self.message(), policy=default))
                        received.envelopes.append((sender, to))
                if command.upper() not in ("EHLO", "AUTH"):
                    self.say("221 bye" if command.upper() == "QUIT" else "250 ok")

        def login(self, rest: str) -> None:
            mechanism, _, given = rest.partition(" ")
            if mechanism == "PLAIN":
                _, user, password = base64.b64decode(given).decode().split("\0")
            else:
                user = base64.b64decode(given or self.answer_to("VXNlcm5hbWU6")).decode()
                password = base64.b64decode(self.answer_to("UGFzc3dvcmQ6")).decode()
            received.logins.append((user, password))
            self.say("535 no" if password.startswith("wrong") else "235 welcome")

        def answer_to(self, challenge: str) -> str:
            self.say(f"334 {challenge}")
            return self.line()

        def message(self) -> bytes:
            lines = iter(self.rfile.readline, b".\r\n")
            return b"".join(line[1:] if line.startswith(b".") else line for line in lines)

        def line(self) -> str:
            return self.rfile.readline().decode().strip()

        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    received = MailServer(server.server_address[1])
    with _serving(server):
        yield received


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _address(rest: str) -> str:
    return rest.partition("<")[2].partition(">")[0]
