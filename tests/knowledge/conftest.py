"""The model that words are found with."""

from __future__ import annotations

import pytest

from fewshot.models.masked_lm import MaskedLM


@pytest.fixture(scope="module")
def lm(tiny_bert) -> MaskedLM:
    return MaskedLM(*tiny_bert, device="cpu")
