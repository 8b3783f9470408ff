"""Random damage to all that is read back: refused in our own words, or right."""

from __future__ import annotations

import sys

import pytest

from tests.fuzz import KINDS, is_fault, run_case

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no alarm that stops what hangs")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_damage_is_refused_or_does_nothing(kind):
    outcomes = {seed: run_case(kind, seed) for seed in range(30)}

    assert {seed: outcome for seed, outcome in outcomes.items() if is_fault(outcome)} == {}
