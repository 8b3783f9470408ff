"""Hardware: the memory that something takes is that of its own."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from fewshot.hardware import device_name, measured_memory

_MEGABYTES = 200


def take_memory() -> None:
    np.ones(_MEGABYTES * 2**17).sum()  # numbers of 8 bytes


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux starts a new count")
def test_the_peak_is_of_what_ran_within_and_not_of_what_ran_before() -> None:
    with measured_memory() as before:
        pass
    with measured_memory() as within:
        take_memory()
    with measured_memory() as after:
        pass

    assert within.process > before.process + 0.9 * _MEGABYTES
    assert after.process < within.process - 0.5 * _MEGABYTES


def test_the_peak_is_known_though_what_ran_failed() -> None:
    with pytest.raises(ValueError, match="no"), measured_memory() as peak:
        raise ValueError("no")

    assert peak.process > 10


def test_the_device_has_a_name() -> None:
    assert device_name()
