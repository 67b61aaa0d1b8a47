"""The request of a page, and where the next page is.

The position of a page is a text: empty for the first one, then a cursor, a link or the number of the page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from pipeline.errors import ApiError
from pipeline.fetching.pace import Answer
from pipeline.fetching.plan import Path, Plan

LONGEST = 4_000
"""Characters of a position."""

LINK = re.compile(r"<([^>]*)>([^<]*)")
NEXT = re.compile(r';\s*rel\s*=\s*("[^"]*\bnext\b[^"]*"|next\b)', re.IGNORECASE)


def request_of(plan: Plan, position: str) -> tuple[str, dict[str, str]]:
    """Address and query of the page at `position`."""
    if plan.paging == "next link" and position:
        return urljoin(plan.address, position), {}
    query = {plan.size_parameter: str(plan.page_size)} if plan.size_parameter else {}
    if plan.paging == "page number":
        query[plan.position_parameter] = position or str(plan.first_page)
    elif position:
        query[plan.position_parameter] = position
    return plan.address, query


def next_position(plan: Plan, position: str, answer: Answer, document: Any, n_records: int) -> str | None:
    """Where the page after the one at `position` is; None after the last one.

    document: the answer's JSON; n_records: users on the page

    Page numbers end with an empty page: servers may give fewer users a page than was asked for. Raises
    ApiError where the first page lacks what leads to the second, and for a link to another server.
    """
    if plan.paging == "page number":
        return str(int(position or plan.first_page) + 1) if n_records else None
    if plan.paging == "next link" and not plan.next:
        value = _linked(answer.headers)
    else:
        value = _value(plan.next, document, is_first=not position)
    if value is None:
        return None
    if plan.paging == "next link":
        value = _on_this_server(plan, request_of(plan, position)[0], value)
    if len(value) > LONGEST:
        raise ApiError("the position of the next page is too long", found=f"{len(value):,} characters")
    return value


def _value(path: Path, document: Any, *, is_first: bool) -> str | None:
    """The cursor or link at `path`; None where it is null, false, empty or, on a later page, absent."""
    name = ".".join(path)
    for part in path:
        if not isinstance(document, dict) or part not in document:
            if is_first:
                raise ApiError(
                    f"the first page has no `{name}`, which leads to the next page",
                    found=_names(document),
                    promised="its place in the answer; null or empty on the last page",
                    then="correct next_field in the trigger form. Where the last page lacks it, and all users"
                    " fit on one page, ask for smaller pages",
                )
            return None
        document = document[part]
    if document is None or document is False or document == "":
        return None
    if isinstance(document, str) or (isinstance(document, int) and document is not True):
        return str(document)
    raise ApiError(
        f"`{name}` leads to no next page", found=type(document).__name__, promised="a text or a number"
    )


def _linked(headers: Mapping[str, str]) -> str | None:
    """The address of the header `Link` with rel=next (RFC 8288); None where there is none."""
    links = LINK.findall(headers.get("link", ""))
    return next((address for address, parameters in links if NEXT.search(parameters)), None)


def _on_this_server(plan: Plan, address: str, link: str) -> str:
    """The link on the page at `address`, as path and query without secrets.

    Raises ApiError where it leads to another server.
    """
    try:
        parts, own = urlsplit(urljoin(address, link)), urlsplit(plan.address)
        is_own = (parts.scheme, parts.hostname, _port(parts)) == (own.scheme, own.hostname, _port(own))
    except ValueError:
        raise ApiError("the link to the next page is no address", promised="a URL") from None
    if not is_own:
        raise ApiError(
            "the next page is on another server, which must not be given this one's secrets",
            found=f"{parts.scheme}://{parts.hostname}",
            promised=f"{own.scheme}://{own.hostname}",
            then="set the connection to the address that the API uses in its links",
        )
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    kept = urlencode([(name, value) for name, value in pairs if name not in plan.secret_parameters])
    return urlunsplit(("", "", parts.path or "/", kept, ""))


def _port(parts: Any) -> int | None:
    return parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _names(document: Any) -> str:
    return ", ".join(map(str, document)) if isinstance(document, dict) else type(document).__name__
