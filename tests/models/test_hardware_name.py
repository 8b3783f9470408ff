"""Hardware: the device has a name."""

from __future__ import annotations

from fewshot.models.hardware import device_name


def test_the_device_has_a_name() -> None:
    assert device_name()
