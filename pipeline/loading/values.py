"""SQL that reads the columns of a shop's file beside its ids, after a check of every value.

Where a column is a text, words for a missing value (`\\N`, `NULL`) are read as missing, and counted in a
note. A value that cannot be read is refused, with its row.
"""

from __future__ import annotations

from pipeline.contract.missing import IN_LABELS, WORDS
from pipeline.errors import SourceError
from pipeline.loading.ids import EXACT, FLOATS, INTEGERS, IdColumn
from pipeline.loading.table_file import AGAIN, TableFile
from pipeline.loading.words import counted, is_word, literal, trimmed, without

TRUE = ("true", "t", "yes", "y", "on", "1", "1.0")
FALSE = ("false", "f", "no", "n", "off", "0", "0.0")
NUMBERS = (*INTEGERS, *EXACT, *FLOATS)
SIMPLE = ("VARCHAR", "ENUM", "BOOLEAN", "UUID", "DATE", "TIMESTAMP", '"NULL"', *NUMBERS)
"""How the names of DuckDB's types of single values begin; what ends in `]` is a list of them."""


def label(file: TableFile, name: str) -> str:
    """A column of names or groups as text; null where the file has none."""
    kind = _kind(file, name)
    if kind is None:
        return "CAST(NULL AS VARCHAR)"
    if _is_text(kind):
        _note_words(file, name, IN_LABELS)
        value = trimmed(name)
        is_missing = f"{value} IS NULL OR {is_word(value, IN_LABELS)}"
        return f"CASE WHEN {is_missing} THEN NULL ELSE CAST({name} AS VARCHAR) END"
    if kind in FLOATS:
        whole = f"CAST(CAST({name} AS BIGINT) AS VARCHAR)"
        is_whole = f"{name} = trunc({name}) AND abs({name}) < {FLOATS[kind]}"
        return (
            f"CASE WHEN isnan({name}) THEN NULL WHEN {is_whole} THEN {whole} ELSE CAST({name} AS VARCHAR) END"
        )
    return f"CAST({name} AS VARCHAR)"


def event_type(file: TableFile) -> str:
    """The column `event_type` as text without blanks around it; what it says is for `validate` to judge."""
    _kind(file, "event_type")
    return trimmed("event_type")


def order(file: TableFile, name: str) -> str:
    """A column of order ids as text, by the rules of ids; null where the file has none."""
    kind = _kind(file, name)
    if kind is None:
        return "CAST(NULL AS VARCHAR)"
    if kind.startswith(("BOOLEAN", "DATE", "TIMESTAMP")):
        return f"CAST({name} AS VARCHAR)"
    return IdColumn(file, name, is_label=True).sql("text")


def number(file: TableFile, name: str, absent: str = "NULL") -> str:
    """A column of numbers as DOUBLE; `absent`, in SQL, where the file has none or a value is missing."""
    kind = _kind(file, name)
    value = "NULL" if kind is None else name
    if kind in FLOATS:
        value = f"CASE WHEN isnan({name}) THEN NULL ELSE {name} END"
    elif kind and _is_text(kind):
        _note_words(file, name, WORDS)
        value = without(trimmed(name))
        unreadable = f"{value} IS NOT NULL AND try_cast({value} AS DOUBLE) IS NULL"
        file.refuse(name, unreadable, "holds what is no number", "numbers such as 1250 or 12.50")
    elif kind and not kind.startswith(NUMBERS) and kind != '"NULL"':
        file.refuse(name, f"{name} IS NOT NULL", f"holds no numbers: it is {kind}", "numbers")
    return f"coalesce(CAST({value} AS DOUBLE), {absent})"


def boolean(file: TableFile, name: str, absent: str) -> str:
    """A column of yes and no as BOOLEAN; `absent`, in SQL, where the file has none. Missing is null."""
    kind = _kind(file, name)
    if kind is None:
        return absent
    if _is_text(kind):
        _note_words(file, name, WORDS)
    value = f"lower({without(trimmed(name))})"
    known = ", ".join(map(literal, (*TRUE, *FALSE)))
    unreadable = f"{value} IS NOT NULL AND {value} NOT IN ({known})"
    file.refuse(name, unreadable, "holds what is neither true nor false", "true or false, or 1 and 0")
    return f"{value} IN ({', '.join(map(literal, TRUE))})"


def _kind(file: TableFile, name: str) -> str | None:
    """The type of a column; None where the file has none. Raises SourceError for lists and the like."""
    kind = file.types.get(name)
    if kind is None or (kind.startswith(SIMPLE) and not kind.endswith("]")):
        return kind
    shown = file.first(name, f"{name} IS NOT NULL")
    first = f"{name}[1] in SQL, {name}.str[0] in pandas" if kind.endswith("]") else "a text or a number"
    raise SourceError(
        f"`{name}` of {file.path} holds more than one simple value in a row",
        found=f"{kind}, such as {str(shown[1])[:100]} in {shown[0]}" if shown else kind,
        promised="one text, number or time in each row",
        then=f"write one of them ({first}), {AGAIN}",
    )


def _is_text(kind: str) -> bool:
    return kind == "VARCHAR" or kind.startswith("ENUM")


def _note_words(file: TableFile, name: str, words: tuple[str, ...]) -> None:
    value = trimmed(name)
    query = f"SELECT count(*), min({value}) FROM {file.source} WHERE {is_word(value, words)}"
    [(n_rows, shown)] = file.fetch(query)
    if n_rows:
        file.notes.append(f"{file.path.name}: `{name}`: {shown} in {counted(n_rows, 'row')}, read as missing")
