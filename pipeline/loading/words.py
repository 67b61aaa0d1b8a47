"""Words that exports write where a value is missing, and SQL that reads a text column without them."""

from __future__ import annotations

NO_NUMBERS = ("-9223372036854775808", "-2147483648")
"""What becomes of a missing number where a program casts it to an integer."""

WORDS = (
    *("\\n", "null", "(null)", "<null>", "nan", "nat", "<na>", "n/a", "#n/a", "none"),
    *("na", "nil", "-", "--", "?", "undefined"),
    *NO_NUMBERS,
)
"""In lower case: missing in a column of numbers or times."""

IN_LABELS = WORDS[:10]
"""Missing in a column of texts as well; the others may be texts: `NA` is North America."""

BLANKS = " \t\r\n\v\f\u00a0\u200b\u3000\ufeff"


def literal(text: str) -> str:
    """`text` as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def trimmed(column: str) -> str:
    """SQL for the text of `column` without blanks around it; null where nothing is left."""
    return f"nullif(trim(CAST({column} AS VARCHAR), {literal(BLANKS)}), '')"


def is_word(value: str, words: tuple[str, ...] = WORDS) -> str:
    """SQL: whether the trimmed text `value` is one of `words`, in whatever case."""
    return f"(lower({value}) IN ({', '.join(map(literal, words))}))"


def without(value: str, words: tuple[str, ...] = WORDS) -> str:
    """SQL for the trimmed text `value`; null where it is one of `words`."""
    return f"CASE WHEN {is_word(value, words)} THEN NULL ELSE {value} END"


def counted(n: int, noun: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
