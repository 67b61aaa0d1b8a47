"""Words and blanks that exports, spreadsheets and programs write where a value is missing.

`load` reads them as missing where no id or label can be meant; `validate` names ids that are such a word.
"""

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
"""Characters around a value that are no part of it."""
