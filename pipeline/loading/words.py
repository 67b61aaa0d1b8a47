"""SQL that reads a text column without the words that stand for a missing value."""

from __future__ import annotations

from pipeline.contract.missing import BLANKS, WORDS


def literal(text: str) -> str:
    """`text` as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def trimmed(column: str) -> str:
    """SQL for the text of `column` without blanks around it; null where nothing is left."""
    text, blanks = f"CAST({column} AS VARCHAR)", literal(BLANKS)
    has_some = f"regexp_matches({text}, {literal(f'^[{BLANKS}]|[{BLANKS}]$')})"
    # To look first is quicker: trim takes three times as long with blanks beyond ASCII.
    return f"nullif(CASE WHEN {has_some} THEN trim({text}, {blanks}) ELSE {text} END, '')"


def is_word(value: str, words: tuple[str, ...] = WORDS) -> str:
    """SQL: whether the trimmed text `value` is one of `words`, in whatever case."""
    return f"(lower({value}) IN ({', '.join(map(literal, words))}))"


def without(value: str, words: tuple[str, ...] = WORDS) -> str:
    """SQL for the trimmed text `value`; null where it is one of `words`."""
    return f"CASE WHEN {is_word(value, words)} THEN NULL ELSE {value} END"


def counted(n: int, noun: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
