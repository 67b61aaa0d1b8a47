"""Which attributes of users are kept, and their rows."""

from __future__ import annotations

from tests.shelf import day
from tests.transform.tables import rows_out

ROWS = [
    *((user, "plan", "free") for user in (2, 1, 5, 6, 7)),
    (3, "plan", "paid"),
    *((user, "plan", "paid", None, day(1)) for user in (4, 8, 9, 10, 11)),
    *((user, "name", f"name-{user}") for user in (1, 2, 3, 4)),
    *((user, "note", "a text of 19 letters"[:19]) for user in range(1, 6)),
    *((user, "mail", "shop@example.com") for user in range(1, 21)),
    *((user, "phone", None, 555_000.0 + user) for user in range(1, 6)),
    *((user, "height", None, 1.5 + user / 100) for user in range(1, 6)),
    *((user, "born", None, 1_990.0 + user % 4) for user in range(1, 7)),
    (1, "age", None, 30.0),
    (2, "age", None, 31.0),
]


def test_attribute_names() -> None:
    assert rows_out("attribute_names", {"most_words": 3, "most_letters": 18}, user_attributes=ROWS) == [
        ("age", False, 2, 0, True),
        ("born", False, 4, 0, True),
        ("height", False, 5, 0, True),
        ("mail", True, 1, 16, False),
        ("name", True, 4, 6, False),
        ("note", True, 1, 19, False),
        ("phone", False, 5, 0, False),
        ("plan", True, 2, 4, True),
    ]
    few = {"most_words": 1, "most_letters": 19}
    kept = {row[0] for row in rows_out("attribute_names", few, user_attributes=ROWS) if row[-1]}
    assert kept == {"born", "height", "note"}


def test_user_attributes() -> None:
    """User 2 is listed twice: the lower number counts."""
    names = [("age", False, 2, 0, True), ("name", True, 4, 6, False), ("plan", True, 2, 4, True)]
    of_few = [row for row in ROWS if row[0] <= 4]
    rows = [*of_few, (2, "age", None, 29.0), (2, "plan", "paid", None, day(1))]
    assert rows_out("user_attributes", user_attributes=rows, attribute_names=names) == [
        (1, "age", None, 30.0, None),
        (1, "plan", "free", None, None),
        (2, "age", None, 29.0, None),
        (2, "plan", "free", None, None),
        (3, "plan", "paid", None, None),
        (4, "plan", "paid", None, day(1)),
    ]
