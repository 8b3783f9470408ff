"""Peak memory: what is taken for a while is seen, what is kept from before is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fewshot.models import hardware as peak_memory
from fewshot.models.hardware import measured_memory

_MIB = 2**20
CPU = torch.device("cpu")
on_linux = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="only Linux starts a new count"
)


def take(megabytes: int) -> None:
    torch.ones(megabytes * _MIB, dtype=torch.uint8)


@on_linux
def test_a_tensor_that_lives_for_a_while_counts():
    kept = torch.ones(64 * _MIB, dtype=torch.uint8)  # from before

    with measured_memory() as peak:
        take(96)

    assert 90 * _MIB < peak.rise(CPU) < 150 * _MIB
    assert kept.all()


@on_linux
def test_the_peak_is_of_what_ran_within_and_not_of_what_ran_before() -> None:
    with measured_memory() as before:
        pass
    with measured_memory() as within:
        take(200)
    with measured_memory() as after:
        pass

    assert within.process > before.process + 180 * _MIB
    assert after.process < within.process - 100 * _MIB


@on_linux
def test_a_measurement_within_another_one_does_not_hide_what_came_before_it() -> None:
    with measured_memory() as outer:
        take(200)
        with measured_memory() as inner:
            take(50)

    assert outer.rise(CPU) > 190 * _MIB
    assert inner.rise(CPU) < 100 * _MIB


def test_the_peak_is_known_though_what_ran_failed() -> None:
    with pytest.raises(ValueError, match="no"), measured_memory() as peak:
        raise ValueError("no")

    assert peak.process > 10 * _MIB


def test_where_the_system_does_not_tell_the_rise_is_not_known(monkeypatch, tmp_path):
    monkeypatch.setattr(peak_memory, "_RESET", tmp_path / "none" / "clear_refs")

    with measured_memory() as peak:
        pass

    assert peak.rise(CPU) is None
    assert peak.process > 10 * _MIB
