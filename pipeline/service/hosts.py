"""By which names a service without tokens may be asked on the machine that it runs on.

A web page on a name of its own can have a browser ask the browser's own machine: it changes the address of
that name once the page is loaded. The browser still sends the name as Host. It cannot be an address, and
localhost is nobody's. A request that comes over a network, as in a stack of containers, may use any name.
"""

from __future__ import annotations

import ipaddress
import re

from starlette.datastructures import Headers

EVERYBODYS = ("/health", "/ready")
"""Paths that tell no list: probes may ask for them by any name."""
NOT_AT_HOME = (
    "without tokens this machine may only be asked as localhost or by an IP address;"
    " set NIGHTSHELF_SERVICE_TOKENS to use another name"
)
HOST = re.compile(r"(?:\[(?P<six>[^]]*)\]|(?P<name>[^:]*))(?::[0-9]*)?")


def is_at_home(headers: Headers, server: tuple[str, int | None] | None) -> bool:
    """Whether Host is localhost or an IP address; a client that sends none is no browser.

    server: the address and port that the request came in at; where that address is not one for this machine
            alone (127.0.0.1, ::1), any Host will do
    """
    if server is not None and not _is_loopback(server[0]):
        return True
    return all(_is_safe(host) for host in headers.getlist("host"))


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return True
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback


def _is_safe(host: str) -> bool:
    found = HOST.fullmatch(host)
    if not found:
        return False
    name: str = found["six"] or found["name"] or ""
    if name.lower().removesuffix(".") == "localhost":
        return found["six"] is None
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
