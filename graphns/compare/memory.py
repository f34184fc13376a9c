"""Resident memory of this process, in MB (10^6 bytes)."""

from __future__ import annotations

import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def reset_peak() -> None:
    """Let the peak start anew from now, where the system can do that (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # no such file, or not allowed: the peak stays that of the whole process, which is an upper bound


def now_mb() -> float:
    """Resident now; where the system does not say, the peak."""
    return _from_status("VmRSS") or peak_mb()


def peak_mb() -> float:
    """Largest resident size since `reset_peak`.

    Not getrusage where Linux tells better: a forked or executed process inherits its parent's ru_maxrss.
    """
    found = _from_status("VmHWM")
    if found:
        return found
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return 0.0
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / 1e6 if sys.platform == "darwin" else size * 1024 / 1e6


def _from_status(key: str) -> float:
    if _STATUS.is_file():
        for line in _STATUS.read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0
