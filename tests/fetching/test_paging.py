"""paging.py: the request of each page, and where the next one is, for each kind of paging."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import ApiError
from pipeline.fetching.pace import Answer
from pipeline.fetching.paging import next_position, request_of
from pipeline.fetching.plan import Plan
from tests.fetching.conftest import planned

HERE = "https://api.example.com/users"


def following(
    plan: Plan, document: Any, position: str = "", n_records: int = 10, link: str = ""
) -> str | None:
    answer = Answer(200, {"link": link} if link else {}, b"")
    return next_position(plan, position, answer, document, n_records)


def test_a_cursor() -> None:
    plan = planned()
    assert request_of(plan, "") == (HERE, {"limit": "10"})
    assert request_of(plan, "a+b") == (HERE, {"limit": "10", "cursor": "a+b"})
    assert following(plan, {"meta": {"next": "a+b"}}) == "a+b"
    assert following(plan, {"meta": {"next": 20}}) == "20"


@pytest.mark.parametrize("last", [{"next": None}, {"next": ""}, {"next": False}, {}])
def test_the_end_of_the_cursors(last: dict[str, Any]) -> None:
    assert following(planned(), {"meta": last}, position="20") is None


def test_page_numbers_end_with_an_empty_page() -> None:
    plan = planned(paging="page number", position_parameter="page", size_parameter=None, next_field=None)
    assert request_of(plan, "") == (HERE, {"page": "1"})
    assert following(plan, {}) == "2"
    assert following(plan, {}, position="2", n_records=3) == "3"
    assert following(plan, {}, position="3", n_records=0) is None
    zero = planned(paging="page number", position_parameter="page", first_page=0)
    assert request_of(zero, "") == (HERE, {"limit": "10", "page": "0"})


def test_a_link_in_the_answer() -> None:
    plan = planned(paging="next link", secrets=frozenset({"api_key"}))
    link = following(plan, {"meta": {"next": f"{HERE}?after=5&api_key=s3cret&limit=10"}})
    assert link == "/users?after=5&limit=10"
    assert request_of(plan, link) == (f"{HERE}?after=5&limit=10", {})
    assert following(plan, {"meta": {"next": "?after=9"}}, position=link) == "/users?after=9"


@pytest.mark.parametrize(
    "link",
    [
        f'<{HERE}?a=1>; rel="next"',
        f'<{HERE}>; rel="first", <{HERE}?a=1>; title="x, y"; rel="last next"',
        f"<{HERE}?a=1>;rel=next",
    ],
)
def test_a_link_in_the_header(link: str) -> None:
    plan = planned(paging="next link", next_field=None)
    assert following(plan, [], link=link) == "/users?a=1"


def test_without_a_link_it_was_the_last_page() -> None:
    plan = planned(paging="next link", next_field=None)
    assert following(plan, []) is None
    assert following(plan, [], link=f'<{HERE}>; rel="prev"') is None


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/users?a=1",
        "http://api.example.com/users",
        "https://api.example.com:8443/",
        "//e/",
    ],
)
def test_no_other_server_is_given_the_secrets(link: str) -> None:
    with pytest.raises(ApiError, match="on another server"):
        following(planned(paging="next link"), {"meta": {"next": link}})


@pytest.mark.parametrize("link", ["https://[1/", "https://api.example.com:port/"])
def test_a_link_that_is_no_address(link: str) -> None:
    with pytest.raises(ApiError, match="no address"):
        following(planned(paging="next link"), {"meta": {"next": link}})


@pytest.mark.parametrize("document", [{"data": []}, {"meta": None}, {"meta": {}}, []])
def test_a_first_page_without_the_key_of_the_cursor(document: Any) -> None:
    with pytest.raises(ApiError, match=r"no `meta\.next`") as error:
        following(planned(), document)
    assert "next_field" in error.value.then


@pytest.mark.parametrize("cursor", [True, 1.5, ["a"], {"a": 1}])
def test_a_cursor_that_is_none(cursor: object) -> None:
    with pytest.raises(ApiError, match="leads to no next page"):
        following(planned(), {"meta": {"next": cursor}})


def test_a_cursor_without_end() -> None:
    with pytest.raises(ApiError, match="too long"):
        following(planned(), {"meta": {"next": "x" * 4_001}})
