"""The further columns of a file of users: which are numbers, which are words, and SQL that reads them.

They get the same names in the shop's table of users, where a night reads them as attributes. A column whose
name or values cannot lie there is left out, with a note.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.contract.missing import IN_LABELS
from pipeline.loading.table_file import TableFile
from pipeline.loading.values import NUMBERS
from pipeline.loading.words import trimmed, without

KNOWN = ("user_id", "segment", "known_at")
TAKEN = ("customer_id", "item_id", "product_id")
"""Names that ids have in the shop's tables."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
MOST_LETTERS = 255
"""Letters of a text that every database stores."""
CODE = "^[+-]?0[0-9]"
"""A text that begins so is no number but a code, such as a postcode."""


@dataclass(frozen=True)
class UserColumns:
    """Name -> SQL of the values: of numbers (DOUBLE) and of words (VARCHAR), missing ones null."""

    numbers: dict[str, str]
    words: dict[str, str]

    @property
    def sql(self) -> dict[str, str]:
        return {**self.numbers, **self.words}


def further(file: TableFile) -> UserColumns:
    """The further columns of the file, in its order; notes name those that are left out."""
    numbers, words, left_out = dict[str, str](), dict[str, str](), list[str]()
    for name, kind in file.types.items():
        if name in KNOWN:
            continue
        if not NAME.fullmatch(name) or name.lower() in (*KNOWN, *TAKEN):
            left_out.append(f"`{name}` (such a name is not taken over)")
        elif _is_text(kind) and not _is_number(file, name):
            if _longest(file, name) > MOST_LETTERS:
                left_out.append(f"`{name}` (texts of more than {MOST_LETTERS} letters)")
            else:
                words[name] = without(trimmed(_quoted(name)), IN_LABELS)
        elif _is_text(kind):
            numbers[name] = f"CAST({without(trimmed(_quoted(name)))} AS DOUBLE)"
        elif kind.startswith(NUMBERS) and not kind.endswith("]"):
            value = f"CAST({_quoted(name)} AS DOUBLE)"
            numbers[name] = f"CASE WHEN isfinite({value}) THEN {value} END"
        elif kind == "BOOLEAN":
            words[name] = f"CAST({_quoted(name)} AS VARCHAR)"
        else:
            left_out.append(f"`{name}` (it holds {kind})")
    if left_out:
        file.notes.append(f"{file.path.name}: left out: {', '.join(left_out)}")
    return UserColumns(numbers, words)


def _quoted(name: str) -> str:
    return f'"{name}"'


def _is_text(kind: str) -> bool:
    return kind == "VARCHAR" or (kind.startswith("ENUM") and not kind.endswith("]"))


def _is_number(file: TableFile, name: str) -> bool:
    """Whether all texts of a column are finite numbers, and none is a code."""
    value = without(trimmed(_quoted(name)))
    is_finite = f"coalesce(isfinite(try_cast({value} AS DOUBLE)), false)"
    are_numbers = f"bool_and({is_finite} AND NOT regexp_matches({value}, '{CODE}'))"
    [(are_all,)] = file.fetch(f"SELECT {are_numbers} FROM {file.source} WHERE {value} IS NOT NULL")
    return bool(are_all)


def _longest(file: TableFile, name: str) -> int:
    [(longest,)] = file.fetch(f"SELECT max(length({trimmed(_quoted(name))})) FROM {file.source}")
    return int(longest or 0)
