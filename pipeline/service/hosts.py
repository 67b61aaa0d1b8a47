"""By which names a service without tokens may be asked.

A web page on a name of its own can have a browser ask this machine: the name's address is changed once the
page is loaded. The browser still sends that name as Host. It cannot be an address, and localhost is nobody's.
"""

from __future__ import annotations

import ipaddress
import re

from starlette.datastructures import Headers

EVERYBODYS = ("/health", "/ready")
"""Paths that tell no list: probes may ask for them by any name."""
NOT_AT_HOME = (
    "without tokens only localhost or an IP address may be asked;"
    " set NIGHTSHELF_SERVICE_TOKENS to use another name"
)
HOST = re.compile(r"(?:\[(?P<six>[^]]*)\]|(?P<name>[^:]*))(?::[0-9]*)?")


def is_at_home(headers: Headers) -> bool:
    """Whether Host is localhost or an IP address; a client that sends none is no browser."""
    return all(_is_safe(host) for host in headers.getlist("host"))


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
