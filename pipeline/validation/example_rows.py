"""The example rows in documents of expectations (`validation.json`, `decision.json`), less one user's."""

from __future__ import annotations

from typing import Any

from pipeline.contract.datasets import USER

SHOWN = " (for instance "
"""Where the example begins in a line that tells a failure (`Failure.__str__`)."""


def without(document: dict[str, Any], user: str) -> dict[str, Any]:
    """`document` with no example of the user whose id is shown as `user`; equal to it where there is none.

    When one goes, the lines that tell failures lose their examples too: counts and promises stay.
    """
    cleaned: dict[str, Any] = _less(document, user)
    if cleaned != document and "failed" in cleaned:
        cleaned["failed"] = [line.split(SHOWN)[0] for line in cleaned["failed"]]
    return cleaned


def _less(part: Any, user: str) -> Any:
    if isinstance(part, dict):
        return {
            name: [each for each in value if not _shows(each, user)]
            if name == "examples" and isinstance(value, list)
            else _less(value, user)
            for name, value in part.items()
        }
    return [_less(each, user) for each in part] if isinstance(part, list) else part


def _shows(example: dict[str, str], user: str) -> bool:
    """By its `user_id`; an example whose query calls it otherwise, by any of its values."""
    return example[USER] == user if USER in example else user in example.values()
