"""Measures the peak memory of one stage, as the operating system counts it."""

from __future__ import annotations

import resource
from pathlib import Path


def reset_peak() -> None:
    """Reset the process's peak memory (Linux), so that the next `peak_mb` is that of one stage."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def peak_mb() -> int:
    """The largest resident set in MB since `reset_peak`; elsewhere than on Linux since the process began."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) // 1024
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
