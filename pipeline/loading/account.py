"""Notes on a shop's files: rows without an id, copies, ids that no list knows, ids that nearly agree."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence

from pipeline.contract.missing import BLANKS
from pipeline.loading.table_file import TableFile
from pipeline.loading.words import counted, literal

NEEDED = ("user_id", "item_id", "event_type", "occurred_at")


def rows(file: TableFile, columns: Mapping[str, str]) -> None:
    """Note how many rows were read, that all are kept, and what is odd about some of them.

    columns: name -> SQL of the values that are loaded
    """
    needed = [name for name in NEEDED if name in columns]
    missing = ", ".join(f"count(*) FILTER ({columns[name]} IS NULL)" for name in needed)
    [(n_rows, *n_missing)] = file.fetch(f"SELECT count(*), {missing} FROM {file.source}")
    parts = [f"{n:,} without {name}" for name, n in zip(needed, n_missing, strict=True) if n]
    at_fault = {name for name, n in zip(needed, n_missing, strict=True) if n}
    if at_fault - {"occurred_at"}:
        parts.append("stage validate stops a night with such rows: leave them out of the file")
    elif at_fault:
        parts.append("no night reads these, since its window is one of times")
    if copies := _copies(file, columns):
        parts.append(f"{counted(copies, 'row')} exactly like another, which count once")
    file.notes.append("; ".join([f"{file.path.name}: {counted(n_rows, 'row')} read, all kept", *parts]))


def _copies(file: TableFile, columns: Mapping[str, str]) -> int:
    """Rows that equal an earlier one in every column that is loaded."""
    key = f"hash({', '.join(columns.values())})"
    query = (
        f"SELECT sum(n - 1) FROM (SELECT count(*) AS n FROM {file.source} GROUP BY {key} HAVING count(*) > 1)"
    )
    return int(file.fetch(query)[0][0] or 0)


def unknown(events: tuple[TableFile, str], listing: tuple[TableFile, str], what: str) -> None:
    """Note how many ids of the events are not in the file of items or users, where some are not.

    events, listing: a file, with SQL for its ids; both of the same type
    what:            `items` or `users`
    """
    (file, seen), (other, listed) = events, listing
    query = f"""
        WITH known AS (SELECT DISTINCT {listed} AS id FROM {other.source}),
             met AS (SELECT {seen} AS id, count(*) AS n FROM {file.source} GROUP BY 1)
        SELECT count(*), count(*) FILTER (known.id IS NULL), sum(n),
               sum(n) FILTER (known.id IS NULL), min(met.id) FILTER (known.id IS NULL)
        FROM met LEFT JOIN known ON met.id = known.id WHERE met.id IS NOT NULL
    """
    [(n, n_unknown, n_rows, n_rows_unknown, shown)] = file.fetch(query)
    if not n_unknown:
        return
    file.notes.append(
        f"{file.path.name}: {n_unknown:,} of its {n:,} {what} ({_percent(n_unknown, n)}), with"
        f" {_percent(n_rows_unknown, n_rows)} of its rows, are not in {other.path.name}, such as {shown!r}"
    )


def _percent(part: int, whole: int) -> str:
    """`0.3%`: never 0% of something nor 100% of less than all."""
    share = 100 * part / whole
    return "100%" if part == whole else f"{min(max(share, 0.1), 99.9):.1f}%"


def variants(columns: Sequence[tuple[TableFile, str]], what: str) -> None:
    """Note ids that differ only in case, in blanks or in Unicode normalisation.

    columns: files, each with SQL for its ids as text
    what:    `user_id` or `item_id`
    """
    ids = " UNION ALL ".join(f"SELECT {sql} AS id FROM {file.source}" for file, sql in columns)
    query = f"""
        SELECT count(*), min([one, other]) FROM (
            SELECT min(id) AS one, max(id) AS other
            FROM (SELECT DISTINCT id FROM ({ids}) WHERE id IS NOT NULL)
            GROUP BY lower(nfc_normalize(trim(id, {literal(BLANKS)}))) HAVING count(*) > 1)
    """
    [(n_pairs, pair)] = columns[0][0].fetch(query)
    if not n_pairs:
        return
    ways: dict[str, Callable[[str], str]] = {
        "in case": str.casefold,
        "in blanks around them": lambda text: text.strip(BLANKS),
        "in Unicode normalisation": lambda text: unicodedata.normalize("NFC", text),
    }
    way = next((way for way, equal in ways.items() if equal(pair[0]) == equal(pair[1])), "in case and blanks")
    columns[0][0].notes.append(
        f"{n_pairs:,} times a `{what}` differs from another only {way}, such as {pair[0]!a} and"
        f" {pair[1]!a}: they are loaded as different ones"
    )
