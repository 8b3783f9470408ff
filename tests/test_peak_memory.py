"""Peak memory: what torch takes for a while is seen, and what is kept from before is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fewshot import peak_memory
from fewshot.peak_memory import measured_memory

_MIB = 2**20
CPU = torch.device("cpu")


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="not on Linux")
def test_a_tensor_that_lives_for_a_while_counts():
    kept = torch.ones(64 * _MIB, dtype=torch.uint8)  # from before

    with measured_memory(CPU) as peak:
        torch.ones(96 * _MIB, dtype=torch.uint8)

    assert 90 * _MIB < peak.n_bytes < 150 * _MIB
    assert kept.all()


def test_where_the_system_does_not_tell_it_is_not_known(monkeypatch, tmp_path):
    monkeypatch.setattr(peak_memory, "_RESET", tmp_path / "none" / "clear_refs")

    with measured_memory(CPU) as peak:
        pass

    assert peak.n_bytes is None
