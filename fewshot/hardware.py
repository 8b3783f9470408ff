"""What the machine has and how much of it something takes: device and peak memory."""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

__all__ = ["PeakMemory", "device_name", "measured_memory"]

_CLEAR_REFS, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_RESET_PEAK = "5"  # man 5 proc: sets VmHWM to what is used now
_MEGABYTE = 2**20


@dataclass
class PeakMemory:
    """The most memory that was in use, in megabytes.

    Parameters
    ----------
    process : float, optional
        Of the process. Where the system cannot start a new count (elsewhere than on Linux), the
        most since the process began; None where nobody counts (on Windows).
    gpu : float, optional
        Of the GPU, by torch; None without one.
    """

    process: float | None = None
    gpu: float | None = None


@contextmanager
def measured_memory() -> Iterator[PeakMemory]:
    """Measure the most memory that the process uses within.

    Yields
    ------
    PeakMemory
        Filled in at the end.
    """
    has_gpu = torch.cuda.is_available()
    if has_gpu:
        torch.cuda.reset_peak_memory_stats()
    _start_new_count()
    peak = PeakMemory()
    try:
        yield peak
    finally:
        peak.process = _peak_of_process()
        peak.gpu = torch.cuda.max_memory_allocated() / _MEGABYTE if has_gpu else None


def device_name() -> str:
    """Return the name of the GPU, or else "cpu" with the kind of the machine."""
    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return f"cpu ({platform.machine()})"


def _start_new_count() -> None:
    # Memory that was freed but kept for later is not memory of what comes now.
    with suppress(OSError, AttributeError):  # a C library that has no such function
        ctypes.CDLL(None).malloc_trim(0)
    try:
        _CLEAR_REFS.write_text(_RESET_PEAK, encoding="ascii")
    except OSError:  # not Linux, or not allowed: the count since the start is what there is
        return


def _peak_of_process() -> float | None:
    if _STATUS.is_file():
        for line in _STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) / 1024
    try:
        import resource  # which Windows does not have
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _MEGABYTE if sys.platform == "darwin" else peak / 1024
