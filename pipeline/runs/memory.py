"""The peak memory of one stage, as the operating system counts it."""

from __future__ import annotations

import resource
from pathlib import Path


def reset_peak() -> None:
    """Ask Linux to forget the process's peak memory, so that a receipt tells the stage's own."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def peak_mb() -> int:
    """Largest resident set since `reset_peak` (elsewhere than on Linux: since the process began), in MB."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) // 1024
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
