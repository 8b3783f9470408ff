"""What the machine has."""

from __future__ import annotations

import platform

import torch


def device_name() -> str:
    """Return the name of the GPU, or else "cpu" with the kind of the machine."""
    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return f"cpu ({platform.machine()})"
