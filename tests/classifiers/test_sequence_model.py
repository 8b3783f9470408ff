"""Whole texts for an encoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fewshot.classifiers.sequence_model import SequenceModel
from fewshot.data.examples import Examples
from fewshot.models.masked_lm import MaskedLM
from fewshot.training.loop import TrainSettings


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_scores_by_hand(tiny_bert, pooling):
    lm = MaskedLM(*tiny_bert)
    model = SequenceModel.untrained(lm, pooling, 20, 3, np.random.default_rng(0))

    scores = model.scores(model.tokenize(Examples({"text": ["a great film", "bad"]})))

    encoded = lm.tokenizer("a great film", return_tensors="pt")
    with torch.no_grad():
        states = lm.model.bert(**encoded)[0][0]  # [length, hidden]
        first = lm.model.cls.predictions.transform(states[0])
    pooled = {"mean": states.mean(0), "first": first}[pooling].numpy()
    assert scores[0] == pytest.approx(pooled @ model.coef + model.intercept, abs=1e-5)


def test_more_fields_are_joined_to_the_second():
    lm = MaskedLM(*_tiny_bert())
    model = SequenceModel.untrained(lm, "mean", 20, 2, np.random.default_rng(0))

    prompts = model.tokenize(Examples({"a": ["one"], "b": ["two"], "c": ["three"]}))

    found = lm.tokenizer.convert_ids_to_tokens(prompts.ids[0].tolist())
    assert " ".join(found) == "[CLS] one [SEP] two three [SEP]"


@pytest.mark.parametrize(
    ("pooling", "changed"),
    [("mean", {"bert"}), ("first", {"bert", "cls"})],
)
def test_tuning_changes_what_the_scores_use_in_a_copy_only(tiny_bert, pooling, changed):
    lm = MaskedLM(*tiny_bert)
    model = SequenceModel.untrained(lm, pooling, 20, 2, np.random.default_rng(0))
    before = {name: p.clone() for name, p in lm.model.named_parameters()}
    prompts = model.tokenize(Examples({"text": ["great film", "bad film"]}))

    tuned, history = model.tuned(
        prompts,
        np.eye(2),
        np.ones(2),
        TrainSettings(1e-2, 3, 2),
        np.random.default_rng(0),
        valid=None,
        show_progress=False,
    )

    after = dict(tuned.lm.model.named_parameters())
    assert {n.split(".")[0] for n in before if not torch.equal(before[n], after[n])} == changed
    assert all(torch.equal(before[n], p) for n, p in lm.model.named_parameters())
    assert not (tuned.coef == model.coef).all()
    assert history[-1]["loss"] < history[0]["loss"]


def _tiny_bert():
    from tests.tiny_models import tiny_bert

    return tiny_bert()
