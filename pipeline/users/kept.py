"""Which further columns of `users.sql` are attributes: those that tell of many users, not of one."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pyarrow as pa

from pipeline import engine

MOST_WORDS = 200
"""Different words of a category; a column with more is none."""
OWN_NUMBERS = "different whole numbers, nearly as many as users, as telephone numbers are"
MOST_LETTERS = 100
"""Letters of a word; a column with a longer text is no category."""


def kept(db: duckdb.DuckDBPyConnection, say: Callable[[str], None]) -> pa.RecordBatchReader | None:
    """The rows of the table `user_attributes` whose attributes are kept; None where none is.

    say: takes a line for each column that is left out, its name and why, and one with the names of those
         that are kept; never a value
    """
    values = {"most_words": MOST_WORDS, "most_letters": MOST_LETTERS}
    engine.keep(db, "attribute_names", "attribute_names", values)
    columns = "name, is_category, n_words, longest, is_kept"
    names = db.execute(f"SELECT {columns} FROM attribute_names ORDER BY name").fetchall()
    for name, is_category, n_words, longest, is_kept in names:
        if not is_kept:
            why = _why(n_words, longest) if is_category else f"it holds {n_words:,} {OWN_NUMBERS}"
            say(f"column `{name}` of users is left out: {why}")
    names_kept = [name for name, *_, is_kept in names if is_kept]
    if not names_kept:
        return None
    say(f"attributes of users: {', '.join(names_kept)}")
    return engine.rows(db, "user_attributes")


def _why(n_words: int, longest: int) -> str:
    if n_words > MOST_WORDS:
        return f"it holds {n_words:,} different texts, and a category has at most {MOST_WORDS}"
    if longest > MOST_LETTERS:
        return f"it holds a text of {longest:,} letters, and a category has at most {MOST_LETTERS}"
    return f"it holds {n_words:,} different texts, most of one user only, or e-mail addresses"
