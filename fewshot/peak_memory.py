"""How much memory a piece of work takes at its peak."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

__all__ = ["PeakMemory", "measured_memory"]

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5): the peak becomes what is resident now


class PeakMemory:
    """What :func:`measured_memory` has found.

    Attributes
    ----------
    n_bytes : int or None
        How far memory rose above where it began; None where the system does not tell.
    """

    def __init__(self) -> None:
        self.n_bytes: int | None = None


@contextmanager
def measured_memory(device: torch.device) -> Iterator[PeakMemory]:
    """Measure the peak of what a device holds, above what it held before.

    On a GPU it is what torch has allocated. On a CPU it is the resident memory of the process,
    of all its threads: torch's tensors are not Python's, so ``tracemalloc`` does not see them.
    It is read on Linux only; memory that the process had freed but not given back, and uses
    again, does not count.

    Parameters
    ----------
    device : torch.device

    Yields
    ------
    PeakMemory
        Filled in at the end.
    """
    peak = PeakMemory()
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        yield peak
        peak.n_bytes = torch.cuda.max_memory_allocated(device) - before
        return
    resident = _resident("VmRSS") if _reset_peak() else None
    yield peak
    highest = _resident("VmHWM")
    if resident is not None and highest is not None:
        peak.n_bytes = max(0, highest - resident)


def _reset_peak() -> bool:
    try:
        _RESET.write_text(_RESET_PEAK)
    except OSError:  # no Linux, or a container that forbids it
        return False
    return True


def _resident(name: str) -> int | None:
    """Read a number of bytes from the status of the process."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    found = [line.split() for line in lines if line.startswith(f"{name}:")]
    return 1024 * int(found[0][1]) if found else None
