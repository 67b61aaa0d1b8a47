"""plan.py: what a form can say, and what it cannot."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import SettingsError
from pipeline.fetching.plan import Field
from tests.fetching.conftest import planned


def test_a_field_has_a_path_a_kind_and_a_column() -> None:
    plan = planned(fields=["segment", "profile.lastSeen:date", " visits:number ", "coupon?", "vip?:boolean"])
    assert plan.fields == (
        Field(("segment",), "text"),
        Field(("profile", "lastSeen"), "date"),
        Field(("visits",), "number"),
        Field(("coupon",), "text", is_optional=True),
        Field(("vip",), "boolean", is_optional=True),
    )
    assert [field.column for field in plan.fields] == [
        "segment",
        "profile_lastseen",
        "visits",
        "coupon",
        "vip",
    ]


def test_the_records_may_be_the_whole_answer_and_no_fields_be_kept() -> None:
    plan = planned(records=None, fields=[], paging="next link", next_field=None)
    assert (plan.records, plan.fields, plan.next) == ((), (), ())


def test_plans_that_ask_for_the_same_pages_have_the_same_digest() -> None:
    assert planned().digest == planned(may_be_fewer=True).digest
    assert planned().digest != planned(fields=["segment"]).digest
    assert planned().digest != planned(page_size=11).digest


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fields": ["a:colour"]}, "fields"),
        ({"fields": ["a b"]}, "fields"),
        ({"fields": [""]}, "fields"),
        ({"fields": ["id"]}, "another one for the id"),
        ({"fields": ["a.b", "A_b"]}, "a column for each field"),
        ({"fields": ["1st"]}, "begin with a letter"),
        ({"fields": ["x" * 64]}, "63 characters"),
        ({"id_field": ""}, "id_field"),
        ({"records": "a..b"}, "records"),
        ({"next_field": None}, "next_field"),
        ({"table": "Users"}, "table"),
        ({"table": "users; drop"}, "table"),
        ({"table": "a.b.c"}, "table"),
        ({"table": "nightshelf_fetches"}, "table"),
        ({"table": "x" * 41}, "table"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        planned(**changes)
