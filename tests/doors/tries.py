"""Generated inputs: every door ends in success or in one NightshelfError, whatever comes through it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.errors import NightshelfError

SECRET = "s3cr3t-w0rd"
"""Stands in every generated password. No message may hold it."""


def tried(few: int, many: int) -> pytest.MarkDecorator:
    """Give a test `n`: `few` generated inputs in `make test`, `many` in `make test-all`; always the same."""
    return pytest.mark.parametrize("n", [few, pytest.param(many, marks=pytest.mark.slow)])


tries, fewer_tries = tried(50, 2_000), tried(20, 400)

ODD = st.sampled_from(
    [
        *(
            "",
            " ",
            ".",
            "..",
            "/",
            "\\",
            "-",
            "--",
            "'",
            '"',
            "%",
            "%%",
            "%s",
            "%00",
            "?",
            "*",
            "[",
            "{",
            "}",
            "$",
            "#",
        ),
        *(
            "\n",
            "\r\n",
            "\t",
            "\0",
            "\x1b[2J",
            "\ufeff",
            "\u202e",
            "\u0130",
            "e\u0301",
            "\U0001f4a9",
            "\udcff",
        ),
        *("0", "-0", "-1", "1e400", "nan", "inf", "0x10", "1_000", "\u0663", "9" * 19, "9" * 30, "9" * 5000),
        *("null", "None", "true", "now", "last", "latest", "lock", ".tmp", "NUL", "x" * 300, "x" * 5000),
        *(
            "0001-01-01",
            "9999-12-31",
            "9999-12-31T23:59:59.999999-23:59",
            "2026-02-30",
            "2026-11-20T06:00+01:00",
        ),
        *("0001-01-01T00:00+23:59", "2026-W47", "24:00", "2026-11-20T24:00", "1970-01-01", "-271821-04-20"),
    ]
)
"""What has broken programs before."""

texts = st.one_of(ODD, st.text(max_size=20), st.tuples(ODD, st.text(max_size=5), ODD).map("".join))


def ends_well(door: Callable[..., Any], *values: Any) -> Any:
    """What the door returns, or its NightshelfError, which is short, holds no secret and says what it found.

    Any other exception is the fault that a generated input looks for.
    """
    try:
        return door(*values)
    except NightshelfError as raised:
        error = raised
    message = str(error)
    assert SECRET not in message, message
    assert error.what, "an error says what is wrong"
    assert len(message) < 8_500, f"{len(message):,} characters: {message[:200]}"
    assert message.encode(), "it can be written to a file"
    return error


def through(n: int, check: Callable[..., None], **inputs: st.SearchStrategy[Any]) -> None:
    """Call `check` with `n` generated inputs, the same ones in every run; of those that fail, a small one."""
    quick = settings(
        max_examples=n,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
    )
    quick(given(**inputs)(check))()


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, with its content."""
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
