"""Functions of DuckDB that Spark does not have. Executors import this module, and little else with it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable


def nfc_normalize(text: str | None) -> str | None:
    """Letters and their accents as one character where there is one."""
    return None if text is None else unicodedata.normalize("NFC", text)


def strip_accents(text: str | None) -> str | None:
    """Letters without their accents."""
    if text is None:
        return None
    plain = (c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", "".join(plain))


FUNCTIONS: dict[str, Callable[[str | None], str | None]] = {
    "nfc_normalize": nfc_normalize,
    "strip_accents": strip_accents,
}
