"""pipeline/users/kept.py: which further columns tell of many users."""

from __future__ import annotations

import pyarrow as pa

from pipeline import engine
from pipeline.contract.datasets import DATASETS
from pipeline.users.kept import MOST_LETTERS, MOST_WORDS, kept

SCHEMA = DATASETS["user_attributes"].schema({"user": "integer", "item": "integer"})


def chosen(**columns: list[str | float]) -> tuple[set[str] | None, list[str]]:
    """The names that are kept (None: no rows), and the lines; user 1 has the first value of each column."""
    lines: list[str] = []
    rows = [
        (user, name, *((value, None) if isinstance(value, str) else (None, value)), None)
        for name, values in columns.items()
        for user, value in enumerate(values, 1)
    ]
    table = pa.table([list(column) for column in zip(*rows, strict=True)] or [[]] * 5, schema=SCHEMA)
    with engine.connect() as db:
        db.register("user_attributes", table)
        found = kept(db, lines.append)
        names = found and set(found.read_all()["name"].to_pylist())
    return names, lines


def test_what_differs_between_most_users_is_left_out_and_no_value_is_told() -> None:
    many = [f"town-{number % (MOST_WORDS + 1)}" for number in range(1_000)]
    columns = {
        "country": ["CH", "AT"] * 50,
        "mail": [f"secret{number}@example.com" for number in range(100)],
        "town": many,
        "region": [text for text in many if text != "town-0"],
        "note": ["a" * (MOST_LETTERS + 1), "b"] * 50,
        "label": ["a" * MOST_LETTERS, "b"] * 50,
        "age": [float(20 + number % 60) for number in range(1_000)],
        "phone": [555_000_000.0 + number for number in range(1_000)],
        "owner": ["a", "b@example.com"] * 50,
    }
    names, lines = chosen(**columns)
    assert names == {"age", "country", "label", "region"}
    assert lines == [
        "column `mail` of users is left out:"
        " it holds 100 different texts, most of one user only, or e-mail addresses",
        "column `note` of users is left out: it holds a text of 101 letters, and a category has at most 100",
        "column `owner` of users is left out:"
        " it holds 2 different texts, most of one user only, or e-mail addresses",
        "column `phone` of users is left out: it holds 1,000 different whole numbers, nearly as many as"
        " users, as telephone numbers are",
        "column `town` of users is left out: it holds 201 different texts, and a category has at most 200",
        "attributes of users: age, country, label, region",
    ]


def test_half_as_many_words_as_users_are_a_category() -> None:
    assert chosen(plan=["a", "a", "b", "b"]) == ({"plan"}, ["attributes of users: plan"])
    assert chosen(plan=["a", "b", "b"])[0] is None
    assert chosen(phone=["secret"])[0] is None
    assert chosen() == (None, [])
