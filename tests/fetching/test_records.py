"""records.py: an answer becomes rows, or one error that says which user and which value is wrong."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from pipeline.errors import ApiError
from pipeline.fetching.pace import Answer
from pipeline.fetching.records import document_of, rows
from tests.fetching.conftest import planned

U = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


def test_rows_have_the_id_and_the_fields_that_are_kept() -> None:
    plan = planned(
        records="a.b",
        id_field="user.no",
        fields=["segment", "p.visits:number", "vip:boolean", "since:date", "nick?"],
    )
    document = {
        "a": {
            "b": [
                {
                    "user": {"no": 1},
                    "segment": "gold",
                    "p": {"visits": "2.5"},
                    "vip": True,
                    "since": "2026-11-28T23:30:00-02:00",
                    "other": 1,
                },
                {"user": {"no": "2"}, "segment": 7, "p": None, "vip": None, "since": "2026-11-28"},
            ]
        }
    }
    assert rows(plan, document, 1) == [
        {
            "user_no": 1,
            "segment": "gold",
            "p_visits": 2.5,
            "vip": True,
            "since": date(2026, 11, 29),
            "nick": None,
        },
        {
            "user_no": 2,
            "segment": "7",
            "p_visits": None,
            "vip": None,
            "since": date(2026, 11, 28),
            "nick": None,
        },
    ]


def test_of_a_user_who_is_there_twice_the_last_record_counts() -> None:
    users = [{"id": 1, "segment": "a"}, {"id": 2, "segment": "b"}, {"id": 1, "segment": "c"}]
    assert rows(planned(records="", fields=["segment"]), users, 1) == [
        {"id": 2, "segment": "b"},
        {"id": 1, "segment": "c"},
    ]


@pytest.mark.parametrize(
    ("kind", "given", "id_"),
    [
        ("integer", 2**63 - 1, 2**63 - 1),
        ("integer", -5, -5),
        ("integer", 17.0, 17),
        ("integer", "17", 17),
        ("text", "00123", "00123"),
        ("text", 123, "123"),
        ("uuid", U.upper(), U),
        ("uuid", U.replace("-", ""), U),
    ],
)
def test_ids_keep_the_type_that_the_shop_says(kind: Any, given: object, id_: object) -> None:
    assert rows(planned(id_type=kind, fields=[]), {"data": [{"id": given}]}, 1) == [{"id": id_}]


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        *(("integer", value) for value in (2**63, 1.5, True, "00123", "1e3", "abc", [1], "٣", 1e300)),
        *(("text", value) for value in (True, 1.5, {"a": 1}, "x" * 256, "a\0b", "\ud800")),
        *(("uuid", value) for value in (7, "7", U + "0", [U])),
    ],
)
def test_an_id_of_another_type(kind: Any, given: object) -> None:
    good = {"integer": 1, "text": "a", "uuid": U}[kind]
    with pytest.raises(ApiError, match=r"page 3, user 2: `id` is of another type than ids\.user") as error:
        rows(planned(id_type=kind, fields=[]), {"data": [{"id": good}, {"id": given}]}, 3)
    assert not error.value.can_retry
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("user", [{}, {"id": None}, {"id": ""}, {"ID": 1}])
def test_a_user_without_an_id(user: dict[str, Any]) -> None:
    with pytest.raises(ApiError, match="page 1, user 1: no id"):
        rows(planned(fields=[]), {"data": [user]}, 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("x:number", value) for value in ("much", True, [1], float("inf"), 10**400)),
        *(("x:boolean", value) for value in ("true", 1)),
        *(("x:date", value) for value in ("yesterday", 20261128, "0001-01-01T00:00:00+10:00")),
        *(("x", value) for value in ([1], {"a": 1}, "a\0b", "\ud800")),
    ],
)
def test_a_value_of_another_kind(field: str, value: object) -> None:
    with pytest.raises(ApiError, match="page 1, user 1: `x` is no "):
        rows(planned(fields=[field]), {"data": [{"id": 1, "x": value}]}, 1)


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"users": []}, "no such key; keys: users"),
        ({"data": {"1": {}}}, "dict; keys: data"),
        ({"data": None}, "NoneType; keys: data"),
        ([], "no such key"),
        ({}, "no such key; keys: none"),
    ],
)
def test_a_page_without_the_list_of_users(document: Any, found: str) -> None:
    with pytest.raises(ApiError, match="page 2 of the API has no list of users") as error:
        rows(planned(), document, 2)
    assert error.value.found == found


def test_a_user_that_is_none() -> None:
    with pytest.raises(ApiError, match="page 1, user 2: not a JSON object"):
        rows(planned(fields=[]), {"data": [{"id": 1}, "2"]}, 1)


def test_a_field_that_no_user_of_the_first_page_has() -> None:
    users = {"data": [{"id": 1, "segmnt": "a"}, {"id": 2}]}
    with pytest.raises(ApiError, match="no user of the first page has the field `segment`") as error:
        rows(planned(fields=["segment"]), users, 1)
    assert error.value.found == "id, segmnt"
    none = [{"id": 1, "segment": None}, {"id": 2, "segment": None}]
    assert rows(planned(fields=["segment"]), users, 2) == none
    assert rows(planned(fields=["segment?"]), users, 1) == none


def answer(body: bytes, status: int = 200) -> Answer:
    return Answer(status, {"content-type": "text/html"}, body)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>log in, s3cret</html>", b"[NaN]", b"{", b"\xff\xfe\xfd", b"[" * 100_000, b"1" * 5000],
)
def test_a_page_that_is_no_json(body: bytes) -> None:
    with pytest.raises(ApiError, match="page 4 of the API is no JSON") as error:
        document_of(answer(body), 4)
    assert error.value.found == f"{len(body):,} bytes, text/html"
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("status", [401, 403])
def test_a_login_that_is_refused(status: int) -> None:
    with pytest.raises(ApiError, match=f"refuses the login .status {status}"):
        document_of(answer(b"s3cret", status), 1)


@pytest.mark.parametrize("status", [204, 301, 400, 404, 410])
def test_another_status(status: int) -> None:
    with pytest.raises(ApiError, match=f"page 7 of the API has status {status}"):
        document_of(answer(b"{}", status), 7)


def test_json() -> None:
    assert document_of(answer(json.dumps({"a": [1]}).encode()), 1) == {"a": [1]}
