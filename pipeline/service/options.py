"""The options of `python -m pipeline serve` and of `python -m pipeline.service`."""

from __future__ import annotations

import argparse
from pathlib import Path

HOST, PORT = "127.0.0.1", 3000


def add_options(command: argparse.ArgumentParser) -> None:
    """`port`, `host` and `config`."""
    command.add_argument(
        "--port", type=_port, default=PORT, metavar="N", help="the port (default: %(default)s; 0: a free one)"
    )
    command.add_argument(
        "--host",
        default=HOST,
        metavar="ADDRESS",
        help="the address to listen on (default: %(default)s, for this machine alone)",
    )
    command.add_argument("--config", type=Path, metavar="FILE", help="settings (default: config.toml)")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65_535):
        raise argparse.ArgumentTypeError("a port is a whole number from 0 to 65535")
    return int(text)
