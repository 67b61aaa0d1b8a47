"""An answer of the API as rows of the table: every value is of the kind that the plan promises.

Messages name the user by page and place, and the value that is wrong; they never show the whole answer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from pipeline.errors import ApiError, shortened
from pipeline.fetching.pace import Answer
from pipeline.fetching.plan import Field, Kind, Path, Plan

Row = dict[str, Any]
"""Column -> value; the id is there and of its type."""

BIGINT = 2**63
EXACT = 2**53
"""Whole numbers below it are the same as floating-point numbers."""

TEXT_ID_LENGTH = 255
"""Characters of an id, at most."""

PROMISED = {
    "integer": "a whole number that fits 64 bits",
    "text": f"a text of 1 to {TEXT_ID_LENGTH} characters",
    "uuid": "a UUID",
}
ABSENT = object()


def document_of(answer: Answer, page: int) -> Any:
    """The answer's JSON.

    Raises ApiError for every status but 200, and where the body is no JSON.
    """
    if answer.status in (401, 403):
        raise ApiError(
            f"the API refuses the login (status {answer.status})",
            promised="login, password or headers that may read the users",
            then="correct them in the Airflow connection, then clear this task: it goes on where it stopped",
        )
    if answer.status != 200:
        raise ApiError(
            f"page {page:,} of the API has status {answer.status}",
            promised="status 200 and the users as JSON; no redirect",
            then="correct the connection's address or the endpoint. Where a cursor has expired, trigger the"
            " DAG anew: a new run begins with the first page",
        )
    try:
        return json.loads(answer.body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise ApiError(
            f"page {page:,} of the API is no JSON",
            found=f"{len(answer.body):,} bytes, {answer.headers.get('content-type', 'of unknown type')}",
            promised="a JSON document in UTF-8",
            then="look at what the endpoint answers: a page for people, such as a login, is no API",
        ) from None


def rows(plan: Plan, document: Any, page: int) -> list[Row]:
    """The users of a page in their order; the last one counts where an id is there twice.

    Raises ApiError where the list is not in its place, a user has no id or one of another type, a field
    is of another kind, or a field that is not optional is absent from the whole first page.
    """
    records = _records(plan.records, document, page)
    if page == 1 and records:
        _check_fields(plan, records)
    by_id: dict[Any, Row] = {}
    for place, record in enumerate(records, start=1):
        where = f"page {page:,}, user {place:,}"
        if not isinstance(record, dict):
            raise ApiError(f"{where}: not a JSON object", found=type(record).__name__)
        identity = _id(plan, record, where)
        row = {plan.id_column: identity}
        for field in plan.fields:
            row[field.column] = _field(field, record, where)
        by_id.pop(identity, None)
        by_id[identity] = row
    return list(by_id.values())


def _records(path: Path, document: Any, page: int) -> list[Any]:
    value = _at(path, document)
    if isinstance(value, list):
        return value
    name = f"`{'.'.join(path)}`" if path else "the whole answer"
    found = "no such key" if value is ABSENT else type(value).__name__
    if isinstance(document, dict):
        found += f"; keys: {', '.join(map(str, document)) or 'none'}"
    raise ApiError(
        f"page {page:,} of the API has no list of users in its place",
        found=found,
        promised=f"a list at {name}",
        then="correct records in the trigger form",
    )


def _check_fields(plan: Plan, records: list[Any]) -> None:
    """Raise ApiError where no user of the first page has a field: its name is misspelt."""
    for field in plan.fields:
        if not field.is_optional and all(_at(field.path, record) is ABSENT for record in records):
            first = records[0]
            raise ApiError(
                f"no user of the first page has the field `{field.name}`",
                found=", ".join(map(str, first)) if isinstance(first, dict) else type(first).__name__,
                promised="a key of each user, or of some",
                then=f"correct fields in the trigger form; `{field.name}?` where all may lack it",
            )


def _at(path: Path, value: Any) -> Any:
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return ABSENT
        value = value[part]
    return value


def _id(plan: Plan, record: Mapping[str, Any], where: str) -> Any:
    value, name = _at(plan.id, record), ".".join(plan.id)
    if value is ABSENT or value is None or value == "":
        raise ApiError(
            f"{where}: no id",
            found="no such key" if value is ABSENT else repr(value),
            promised=f"`{name}` in every user",
            then="correct id_field in the trigger form, or the user in the system behind the API",
        )
    converted = {"integer": _integer, "text": _text_id, "uuid": _uuid}[plan.id_type](value)
    if converted is None:
        raise ApiError(
            f"{where}: `{name}` is of another type than ids.user",
            found=shortened(repr(value)),
            promised=PROMISED[plan.id_type],
            then="correct id_field in the trigger form, or [ids] user in the settings",
        )
    return converted


def _integer(value: Any) -> int | None:
    """A whole number, also as 17.0 and as "17", which are one number each."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        value = int(value)
    if isinstance(value, str) and len(value) <= 20 and value.removeprefix("-").isdecimal():
        number = int(value)
        value = number if str(number) == value else None
    return value if isinstance(value, int) and -BIGINT <= value < BIGINT else None


def _text_id(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < BIGINT:
        return str(value)
    text = _text(value) if isinstance(value, str) else None
    return text if text is not None and len(text) <= TEXT_ID_LENGTH else None


def _uuid(value: Any) -> str | None:
    try:
        return str(UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def _field(field: Field, record: Mapping[str, Any], where: str) -> Any:
    value = _at(field.path, record)
    if value is None or value is ABSENT:
        return None
    converted = {"text": _text, "number": _number, "boolean": _boolean, "date": _date}[field.kind](value)
    if converted is None:
        raise ApiError(
            f"{where}: `{field.name}` is no {field.kind}",
            found=shortened(repr(value)),
            promised=KINDS[field.kind],
            then="name another kind for this field in the trigger form, or leave it out",
        )
    return converted


KINDS: Mapping[Kind, str] = {
    "text": "a text that a database can hold, a number, true or false",
    "number": "a number, or a text that is one",
    "boolean": "true or false",
    "date": "a day as 2026-11-28, or a time as 2026-11-28T09:00:00Z",
}


def _text(value: Any) -> str | None:
    """A text without a zero byte and half characters; numbers and booleans as JSON writes them."""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if not isinstance(value, str) or "\0" in value:
        return None
    return value if value.isprintable() or value.encode(errors="ignore").decode() == value else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _date(value: Any) -> date | None:
    """The day; of a time with a zone, in UTC."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment.astimezone(UTC) if moment.tzinfo else moment).date()
    except (ValueError, OverflowError):
        return None


def _refuse_constant(name: str) -> None:
    raise ValueError(name)
