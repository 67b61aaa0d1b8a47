"""Decides the type of a shop's ids: that of config.toml where the values allow it, else the strictest.

Every id keeps its value or is refused. Texts count as whole numbers only where writing each number again
gives the same text, or where a program wrote the numbers as floats (`17.0`) because one was missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pipeline.config import Ids, IdType
from pipeline.contract.missing import NO_NUMBERS
from pipeline.errors import SourceError
from pipeline.loading.table_file import AGAIN, TableFile
from pipeline.loading.words import counted, is_word, trimmed, without

INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
EXACT = ("UBIGINT", "HUGEINT", "UHUGEINT", "DECIMAL")
FLOATS = {"HALFFLOAT": 2**11, "FLOAT": 2**24, "DOUBLE": 2**53}
"""Types of floats -> from where on two whole numbers are the same float."""

WHOLE = "regexp_full_match({v}, '0|-?[1-9][0-9]{{0,18}}') AND try_cast({v} AS BIGINT) IS NOT NULL"
FLOAT = r"regexp_full_match({v}, '-?(0|[1-9][0-9]*)\.0*')"
ROUNDED = (
    r"(regexp_full_match({v}, '[+-]?[0-9]+(\.[0-9]+)?[eE][+-]?[0-9]+')"
    f" OR ({FLOAT} AND abs(try_cast({{v}} AS DOUBLE)) >= {2**53}))"
)
NUMBER = "regexp_full_match({v}, '[+-]?[0-9]+([.,][0-9]*)?([eE][+-]?[0-9]+)?')"
UUID = "regexp_full_match({v}, '[0-9a-fA-F]{{8}}(-[0-9a-fA-F]{{4}}){{3}}-[0-9a-fA-F]{{12}}')"
BROKEN = "contains({v}, chr(10)) OR contains({v}, chr(13))"
"""SQL: what the text `v` is: a whole number, one as a float, a number that has lost digits, any number,
a UUID, a text with a line end in it."""

MOSTLY = 0.5
"""The share of numbers from which on the ids that are none are named."""

AS_WHOLE = (
    "export it as text or as whole numbers (in pandas: dtype Int64, or str), before the values are floats"
)


@dataclass(frozen=True)
class IdColumn:
    """The ids in one column of a file; its notes go to the file's.

    is_label: of orders: a word for a missing value is one, whatever the others are
    """

    file: TableFile
    name: str
    is_label: bool = False

    @cached_property
    def allowed(self) -> set[IdType]:
        """The types that the values allow. Raises SourceError, with a value, where they are no ids."""
        return self._read[0]

    def sql(self, kind: IdType) -> str:
        """SQL for the ids as BIGINT, or as text (UUIDs in lower case)."""
        value = self._read[1]
        if kind == "integer":
            return f"CAST({value} AS BIGINT)"
        return f"lower(CAST({value} AS VARCHAR))" if kind == "uuid" else f"CAST({value} AS VARCHAR)"

    @cached_property
    def _read(self) -> tuple[set[IdType], str]:
        """The types that are allowed; SQL for the ids: whole numbers as such, null where one is missing."""
        kind = self.file.types[self.name]
        if kind == '"NULL"':
            return {"integer", "uuid", "text"}, "NULL"
        if kind in INTEGERS:
            return {"integer"}, self._integers()
        if kind == "UUID":
            return {"uuid"}, self.name
        if kind in FLOATS:
            return {"integer"}, self._floats(FLOATS[kind])
        if kind.startswith(EXACT):
            return self._exact()
        if kind == "VARCHAR" or kind.startswith("ENUM"):
            return self._texts()
        shown = self.file.first(self.name, f"{self.name} IS NOT NULL")
        raise SourceError(
            f"`{self.name}` of {self.file.path} holds no ids",
            found=f"{kind}, such as {str(shown[1])[:100]} in {shown[0]}" if shown else kind,
            promised="one whole number, text or UUID in each row",
            then=f"write one value, or {self.name}[1] of a list, as text, {AGAIN}",
        )

    def _integers(self) -> str:
        """Numbers; null where a program made a whole number of a missing one."""
        is_none = f"{self.name} IN ({', '.join(NO_NUMBERS)})"
        [(n_rows, shown)] = self.file.fetch(
            f"SELECT count(*), min({self.name}) FROM {self.file.source} WHERE {is_none}"
        )
        if not n_rows:
            return self.name
        self._note(f"{shown} in {counted(n_rows, 'row')}, read as missing")
        return f"CASE WHEN {is_none} THEN NULL ELSE {self.name} END"

    def _floats(self, limit: int) -> str:
        """pandas stores whole numbers as floats as soon as one is missing."""
        there = f"{self.name} IS NOT NULL AND NOT isnan({self.name})"
        self._refuse_rounded(f"{there} AND abs({self.name}) >= {limit} AND NOT isinf({self.name})", limit)
        self._refuse_fractions(f"{there} AND (isinf({self.name}) OR {self.name} <> trunc({self.name}))")
        return f"CASE WHEN {there} THEN CAST({self.name} AS BIGINT) END"

    def _exact(self) -> tuple[set[IdType], str]:
        self._refuse_fractions(f"{self.name} <> trunc({self.name})")
        whole = f"CAST({self.name} AS HUGEINT)"
        fits = not self.file.first(
            self.name, f"{self.name} IS NOT NULL AND try_cast({whole} AS BIGINT) IS NULL"
        )
        return {"integer"} if fits else {"text"}, whole

    def _refuse_rounded(self, condition: str, limit: int) -> None:
        self.file.refuse(
            self.name,
            condition,
            "holds numbers that may have lost digits: different ids may have become the same number",
            f"whole numbers, texts or UUIDs; as floats only numbers below {limit:,}, without an exponent",
            AS_WHOLE,
        )

    def _refuse_fractions(self, condition: str) -> None:
        self.file.refuse(
            self.name, condition, "holds no ids: a number with a fraction", "whole numbers, texts or UUIDs"
        )

    def _texts(self) -> tuple[set[IdType], str]:
        counts, value = self._counts(), trimmed(self.name)
        if counts["n_broken"]:
            self.file.refuse(
                self.name,
                BROKEN.format(v=value),
                "holds an id with a line end in it: is a quote missing before it?",
                "one id in each row",
            )
        n, is_uuids = counts["n"], counts["n"] == counts["n_uuids"]
        if counts["n_rounded"] and n == counts["n_numbers"]:
            self._refuse_rounded(ROUNDED.format(v=value), 2**53)
        is_numbers = 0 < n == counts["n_integers"] + counts["n_floats"]
        if n and not is_numbers and not is_uuids:
            return {"text"}, self._as_text(value, counts)
        if counts["n_spaced"]:
            self._note(f"{counts['n_spaced']:,} with blanks around them are read without")
        others = "whole numbers" if is_numbers else "UUIDs" if n else "missing"
        self._note_words(counts, f"where all others are {others}: read as missing")
        is_clean = not counts["n_words"] and not counts["n_spaced"]
        value = f"nullif({self.name}, '')" if is_clean else without(value)
        if counts["n_floats"]:
            shown, whole = counts["a_float"], counts["a_float"].split(".")[0]
            self._note(f"whole numbers written as floats are read as such, {shown} as {whole}")
            value = rf"regexp_replace({value}, '\.0*$', '')"
        return self._allowed(counts, is_numbers=is_numbers, is_uuids=is_uuids), value

    def _allowed(self, counts: dict[str, Any], *, is_numbers: bool, is_uuids: bool) -> set[IdType]:
        """The types of texts that are all numbers, all UUIDs, or none: those of Parquet stay texts."""
        if not counts["n"]:
            return {"integer", "uuid", "text"}
        if is_uuids:
            return {"uuid", "text"}
        if not is_numbers or not self.file.is_csv:
            return {"text"}
        return {"integer"} if counts["n_floats"] else {"integer", "text"}

    def _as_text(self, value: str, counts: dict[str, Any]) -> str:
        """SQL for ids that are neither all numbers nor all UUIDs: as they are; what is odd is noted."""
        if self.is_label:
            self._note_words(counts, "read as missing")
            return without(value)
        self._note_words(counts, "kept as an id, because other ids are texts too; is one missing there?")
        other = f"{value} IS NOT NULL AND NOT ({WHOLE.format(v=value)}) AND NOT {is_word(value)}"
        if counts["n_numbers"] >= MOSTLY * counts["n"] and (found := self.file.first(self.name, other)):
            self._note(
                f"not all are plain whole numbers ({found[1]!r} in {found[0]}), so all are read as texts"
            )
        return f"CASE WHEN {value} IS NULL THEN NULL ELSE {self.name} END"

    def _counts(self) -> dict[str, Any]:
        """How many values are words for a missing one (n_words), and of the others how many are what."""
        conditions = {
            "n": "true",
            "n_integers": WHOLE,
            "n_floats": FLOAT,
            "n_rounded": ROUNDED,
            "n_numbers": NUMBER,
            "n_uuids": UUID,
            "n_broken": BROKEN,
            "n_spaced": "v <> raw",
        }
        columns = {
            name: f"count(*) FILTER (NOT is_word AND ({condition.format(v='v')}))"
            for name, condition in conditions.items()
        }
        columns["n_words"] = "count(*) FILTER (is_word)"
        columns["a_word"] = "min(v) FILTER (is_word)"
        columns["a_float"] = f"min(v) FILTER ({FLOAT.format(v='v')})"
        query = f"""
            SELECT {", ".join(columns.values())}
            FROM (SELECT v, raw, {is_word("v")} AS is_word
                  FROM (SELECT {trimmed(self.name)} AS v, CAST({self.name} AS VARCHAR) AS raw
                        FROM {self.file.source})
                  WHERE v IS NOT NULL)
        """
        return dict(zip(columns, self.file.fetch(query)[0], strict=True))

    def _note_words(self, counts: dict[str, Any], what: str) -> None:
        if counts["n_words"]:
            self._note(f"{counts['a_word']} in {counted(counts['n_words'], 'row')}, {what}")

    def _note(self, text: str) -> None:
        self.file.notes.append(f"{self.file.path.name}: `{self.name}`: {text}")


def common(allowed: Sequence[set[IdType]], wanted: IdType) -> IdType:
    """`wanted` if every file allows it, else the strictest type that every file allows."""
    shared = set.intersection(*allowed)
    if wanted in shared:
        return wanted
    return "integer" if "integer" in shared else "uuid" if "uuid" in shared else "text"


def advice(user: IdType, item: IdType, ids: Ids) -> str:
    """What to write into config.toml where it names other id types than the shop has; else empty."""
    if (user, item) == (ids.user, ids.item):
        return ""
    return (
        "the ids of this shop are of other types than config.toml says; write there, before the night:\n"
        f'  [ids]\n  user = "{user}"\n  item = "{item}"'
    )
