"""Fingerprints of models follow their weights, what is beside them, and the vocabulary."""

from __future__ import annotations

import torch

from fewshot.models.fingerprint import model_fingerprint
from fewshot.models.masked_lm import MaskedLM
from fewshot.tuning.soft_tokens import InsertedPrompt
from tests.tiny_models import tiny_bert


def test_models_with_the_same_weights_are_the_same():
    one, other = (MaskedLM(*tiny_bert(), device="cpu") for _ in range(2))

    assert model_fingerprint(one) == model_fingerprint(other)


def test_a_changed_weight_changes_the_fingerprint():
    lm = MaskedLM(*tiny_bert(), device="cpu").copy(lambda name: True)
    before = model_fingerprint(lm)

    with torch.no_grad():
        lm.tuned_parameters()[min(lm.tuned_parameters())].add_(1.0)

    assert model_fingerprint(lm) != before


def test_modules_beside_the_model_change_the_fingerprint():
    lm = MaskedLM(*tiny_bert(), device="cpu")

    twin = lm.copy(lambda name: False, InsertedPrompt(lm.model, length=2))

    assert model_fingerprint(twin) != model_fingerprint(lm)
    assert model_fingerprint(twin.without_added()) == model_fingerprint(lm)
