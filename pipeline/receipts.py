"""What a receipt tells of the machine, and how a receipt is told to a person."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from pipeline.memory import peak_mb

PACKAGES = ("implicit", "lightgbm", "numpy", "scipy", "pandas", "pyarrow", "duckdb", "sqlalchemy")


def machine(seconds: float) -> dict[str, Any]:
    """How long it took, how much memory, when it ended, and with which versions."""
    return {
        "seconds": round(seconds, 3),
        "peak_memory_mb": peak_mb(),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **{p: version(p) for p in PACKAGES}},
    }


def line(receipt: Mapping[str, Any]) -> str:
    """`stage: counts (seconds, peak memory)`: what a person reads of a finished stage."""
    told = ", ".join(f"{k} {v:,}" if isinstance(v, int) else f"{k} {v}" for k, v in receipt["counts"].items())
    return f"{receipt['stage']}: {told} ({receipt['seconds']:.1f} s, {receipt['peak_memory_mb']:,} MB)"
