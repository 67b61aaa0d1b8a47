"""Tables for a person."""

from __future__ import annotations

from pipeline.serving.tables import text_table


def test_columns_stand_side_by_side() -> None:
    table = text_table(("rank", "name"), [(1, "milk"), (10, None)])
    assert table == "\n".join(
        [
            "  rank  name",
            "  ----  ----",
            "     1  milk",
            "    10",
        ]
    )


def test_a_table_without_rows_has_its_heads() -> None:
    assert text_table(("rank", "name"), []) == "  rank  name\n  ----  ----"
