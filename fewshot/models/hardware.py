"""Name of the device, and the peak memory of a piece of work."""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5): the peak becomes what is resident now


def device_name() -> str:
    """Return the name of the GPU, or else "cpu" with the kind of the machine."""
    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return f"cpu ({platform.machine()})"


@dataclass(eq=False)
class PeakMemory:
    """Bytes that :func:`measured_memory` has measured."""

    # The most that the process had resident. Where the system cannot start a new count (elsewhere
    # than on Linux), the most since the process began; None where nobody counts (on Windows).
    process: int | None = None
    gpu: int | None = None  # the most that torch had allocated; None without a GPU
    process_before: int | None = None
    gpu_before: int | None = None

    def rise(self, device: torch.device) -> int | None:
        """Return how far the memory of a device rose above where it began; None if unknown."""
        # Memory that the process had freed but not given back, and uses again, does not count.
        is_gpu = device.type == "cuda"
        before = self.gpu_before if is_gpu else self.process_before
        highest = self.gpu if is_gpu else self.process
        return None if before is None or highest is None else max(0, highest - before)


# There is one count for the process, which a measurement within another one starts anew: what was
# seen until then is added to all that run.
_running: list[PeakMemory] = []


@contextmanager
def measured_memory() -> Iterator[PeakMemory]:
    """Measure the most memory that is in use within; measurements may be nested."""
    _note()
    peak = PeakMemory(gpu_before=_on_gpu(torch.cuda.memory_allocated))
    # Memory that was freed but kept for later is not memory of what comes now.
    with suppress(OSError, AttributeError):  # a C library that has no such function
        ctypes.CDLL(None).malloc_trim(0)
    _on_gpu(torch.cuda.reset_peak_memory_stats)
    if _reset_peak():
        peak.process_before = _resident("VmRSS")
    _running.append(peak)
    try:
        yield peak
    finally:
        _note()
        _running.remove(peak)


@contextmanager
def measured_within() -> Iterator[PeakMemory]:
    """Measure a part of what :func:`measured_memory` measures; outside of it, measure nothing."""
    if not _running:
        yield PeakMemory()
        return
    with measured_memory() as peak:
        yield peak


def _note() -> None:
    """Tell all measurements that run of the peak so far."""
    process, gpu = _peak_of_process(), _on_gpu(torch.cuda.max_memory_allocated)
    for peak in _running:
        peak.process = _higher(peak.process, process)
        peak.gpu = _higher(peak.gpu, gpu)


def _higher(first: int | None, second: int | None) -> int | None:
    return max((value for value in (first, second) if value is not None), default=None)


def _on_gpu(ask: Callable[[], int | None]) -> int | None:
    return ask() if torch.cuda.is_available() else None


def _reset_peak() -> bool:
    try:
        _RESET.write_text(_RESET_PEAK)
    except OSError:  # no Linux, or a container that forbids it
        return False
    return True


def _peak_of_process() -> int | None:
    highest = _resident("VmHWM")
    if highest is not None:
        return highest
    try:
        import resource  # which Windows does not have
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _resident(name: str) -> int | None:
    """Read a number of bytes from the status of the process."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    found = [line.split() for line in lines if line.startswith(f"{name}:")]
    return 1024 * int(found[0][1]) if found else None
