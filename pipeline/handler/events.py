"""Calls as they come: from API Gateway (payloads 1.0 and 2.0), a function URL, or another program directly.

A direct call names a route of pipeline/reading/routes.py and its parameters:
{"route": "recommendations", "user_id": 42, "n": 10}

What a gateway has done to a path before (observed in captured events, see docs/aws.md): REST APIs and
function URLs hand it on as it was sent; HTTP APIs decode it, and end it at a `?` that was encoded.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from pipeline.reading import paths
from pipeline.reading.refusals import Refusal
from pipeline.reading.replies import Reply

Event = Mapping[str, Any]
FUNCTION_URL = ".lambda-url."
"""In the domain name of every function URL."""
IDS = {"user_id", "item_id"}
NO_BALANCER = "a load balancer is no door of this function; an API Gateway or a function URL is one"
NOT_UTF_8 = "the path, the query, the body or a value is not UTF-8"
UNKNOWN = (
    "this is no call: an event of API Gateway or of a function URL is one, or an object with `route`, such as"
    ' {"route": "recommendations", "user_id": 42, "n": 10}'
)


@dataclass(frozen=True)
class Call:
    """What was asked.

    path:    decoded but for what paths.decoded keeps; of a direct call the name of a route
    query:   the last value of each name
    headers: by small letters
    parts:   of a direct call the parts of the path, by name
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    parts: Mapping[str, str] | None = None


def read(event: Any) -> Call:
    """The call of an event. Raises Refusal."""
    try:
        if "route" in event:
            return _direct(event)
        if "elb" in event["requestContext"]:
            raise Refusal(422, NO_BALANCER)
        return _second(event) if "http" in event["requestContext"] else _first(event)
    except (UnicodeError, binascii.Error):
        raise Refusal(422, NOT_UTF_8) from None
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        raise Refusal(422, UNKNOWN) from None


def _second(event: Event) -> Call:
    """Payload 2.0: of HTTP APIs and of function URLs."""
    context = event["requestContext"]
    stage, path = f"/{context.get('stage', '$default')}", event["rawPath"]
    is_decoded = FUNCTION_URL not in (context.get("domainName") or "")
    if path.startswith(f"{stage}/"):
        path = path.removeprefix(stage)
    query = parse_qsl(event.get("rawQueryString") or "", keep_blank_values=True, errors="strict")
    return Call(
        context["http"]["method"],
        _path(_without_base(event, path), is_decoded),
        dict(query),
        _small(event.get("headers")),
        _body(event),
    )


def _first(event: Event) -> Call:
    """Payload 1.0: of REST APIs, which has no `version`, and of HTTP APIs."""
    return Call(
        event["httpMethod"],
        _path(_without_base(event, event["path"]), "version" in event),
        {name: _known(value) for name, value in (event.get("queryStringParameters") or {}).items()},
        _small(event.get("headers")),
        _body(event),
    )


def _direct(event: Event) -> Call:
    """A call that names a route."""
    rest = {_known(name): value for name, value in event.items() if name != "route" and value is not None}
    if event["route"] == "session":
        return Call("POST", "session", body=json.dumps(rest).encode(), parts={})
    values = {name: _text(name, value) for name, value in rest.items()}
    parts = {name: values.pop(name) for name in IDS & values.keys()}
    return Call("GET", _known(event["route"]), values, parts=parts)


def _text(name: str, value: Any) -> str:
    """A value as a query has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | str):
        return _known(str(value))
    raise Refusal(422, f"{name} must be a text or a whole number")


def _known(value: Any) -> str:
    """A text that can be written as UTF-8. Raises TypeError or UnicodeError."""
    if not isinstance(value, str):
        raise TypeError
    value.encode()
    return value


def _without_base(event: Event, path: str) -> str:
    """The path without what a domain name of the shop's own has in front of it, where the route tells."""
    rest = (event.get("pathParameters") or {}).get("proxy")
    catches_all = event.get("resource") == "/{proxy+}" or (event.get("routeKey") or "").endswith(" /{proxy+}")
    return f"/{rest}" if catches_all and rest and path.endswith(f"/{rest}") else path


def _path(path: str, is_decoded: bool) -> str:
    if is_decoded:
        return path.replace("%", "%25").replace("\n", "%0A")
    return paths.decoded(path.encode("ascii"))


def _small(headers: Mapping[str, str] | None) -> Mapping[str, str]:
    return {name.lower(): value for name, value in (headers or {}).items()}


def _body(event: Event) -> bytes:
    text = _known(event.get("body") or "")
    return base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode()


def reply_to(event: Any, call: Call | None, reply: Reply) -> dict[str, Any]:
    """The reply as whoever sent the event takes it.

    call: None where the event could not be read

    To a direct call: `status`, and `body` as JSON that is read already.
    """
    text = reply.body.decode()
    if isinstance(event, Mapping) and ("requestContext" in event or "httpMethod" in event):
        is_left_out = call is not None and call.method == "HEAD"
        return {
            "statusCode": reply.status,
            "headers": dict(reply.headers),
            "body": "" if is_left_out else text,
            "isBase64Encoded": False,
        }
    return {"status": reply.status, "body": json.loads(text)}
