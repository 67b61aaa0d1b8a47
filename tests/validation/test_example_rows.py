"""pipeline/validation/example_rows.py: documents without the example rows of one user."""

from __future__ import annotations

from pipeline.validation import example_rows
from tests.retention.test_erase_run import document


def test_documents_lose_their_examples_of_the_user() -> None:
    cleaned = example_rows.without(document(), "5")
    assert [suite["failed"][0]["examples"] for suite in cleaned["suites"]] == [
        [{"user_id": "1", "item_id": "5"}],
        [],
    ]
    assert cleaned["failed"] == ["events: one: 2 rows against it", "users: two: found 3"]
    assert [suite["failed"][0]["n_rows"] for suite in cleaned["suites"]] == [2, 1]
    assert example_rows.without(document(), "6") == document()
