"""Remove a user's example rows from the documents that hold some: `validation.json`, `decision.json`."""

from __future__ import annotations

from typing import Any

from pipeline.contract.datasets import USER

SHOWN = " (for instance "
"""The text before the example row in the line of a failure (`Failure.__str__`)."""


def without(document: dict[str, Any], user: str) -> dict[str, Any]:
    """A copy of `document` without example rows of `user`; equal to it where it has none.

    user: the id as text, as example rows have it

    If a row is removed, every line under `failed` loses its example as well, whoever it is of. Counts and
    expectations stay.
    """
    cleaned: dict[str, Any] = _cleaned(document, user)
    if cleaned != document and "failed" in cleaned:
        cleaned["failed"] = [line.split(SHOWN)[0] for line in cleaned["failed"]]
    return cleaned


def _cleaned(part: Any, user: str) -> Any:
    if isinstance(part, dict):
        return {
            name: [example for example in value if not _is_of(example, user)]
            if name == "examples" and isinstance(value, list)
            else _cleaned(value, user)
            for name, value in part.items()
        }
    return [_cleaned(value, user) for value in part] if isinstance(part, list) else part


def _is_of(example: dict[str, str], user: str) -> bool:
    """Whether its `user_id` is `user`; where a query names no `user_id`, whether any value is."""
    return example[USER] == user if USER in example else user in example.values()
