"""Adversarial training and R-drop as switches of a strategy."""

from __future__ import annotations

import copy

import pytest
import torch
from sklearn.model_selection import GridSearchCV
from torch import nn

from fewshot import PromptClassifier
from fewshot.models.masked_lm import MaskedLM
from fewshot.tuning import FGM, SMART, BitFit, Full, Training
from fewshot.tuning.regularization.adversarial import resolve_adversarial
from tests.tuning.tasks import TEXTS, make_task

SWITCHES = {
    "fgm": Training(adversarial="fgm"),
    "smart": Training(adversarial="smart"),
    "r_drop": Training(r_drop=1.0),
    "label_smoothing": Training(label_smoothing=0.1),
}


@pytest.fixture(scope="module")
def with_dropout(tiny_bert):
    """Give a tiny BERT that drops a tenth in training."""
    model, tokenizer = tiny_bert
    model = copy.deepcopy(model)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.1
    return model, tokenizer


def weights_after(strategy, tiny, seed=0) -> torch.Tensor:
    result = strategy.tune(make_task(tiny, seed=seed))
    return torch.cat([p.flatten() for _, p in result.scorer.lm.named_parameters()])


def full(training: Training | None) -> Full:
    return Full(1e-3, num_epochs=2, training=training)


@pytest.mark.parametrize("switch", list(SWITCHES))
def test_each_switch_changes_what_is_learned(switch, with_dropout):
    plain, switched = (weights_after(full(t), with_dropout) for t in (None, SWITCHES[switch]))

    assert switched.isfinite().all()
    assert not torch.equal(plain, switched)


@pytest.mark.parametrize("switch", list(SWITCHES))
def test_the_same_seed_gives_the_same_weights(switch, with_dropout):
    strategy = full(SWITCHES[switch])

    assert torch.equal(weights_after(strategy, with_dropout), weights_after(strategy, with_dropout))


def test_a_training_without_switches_is_none(tiny_bert):
    plain = Training(adversarial=None, r_drop=0.0, label_smoothing=0.0, consistency=None)

    assert torch.equal(weights_after(full(plain), tiny_bert), weights_after(full(None), tiny_bert))


def test_adversarial_training_works_on_each_architecture(tiny):
    for adversarial in (FGM(), SMART()):
        weights = weights_after(
            Full(num_epochs=2, training=Training(adversarial=adversarial)), tiny
        )

        assert weights.isfinite().all()


# ---- Settings ---------------------------------------------------------------------------------


def test_names_stand_for_the_defaults():
    assert resolve_adversarial("fgm").get_params() == FGM().get_params()
    assert resolve_adversarial("smart").get_params() == SMART().get_params()
    assert resolve_adversarial(None) is None


def test_settings_of_a_named_switch_can_be_searched(tiny_bert):
    clf = PromptClassifier(
        "{text} {mask}",
        {"politics": ["politics"], "sports": ["sports"]},
        model=MaskedLM(*tiny_bert, device="cpu"),
        tuning=BitFit(num_epochs=1, training=Training(adversarial="fgm")),
        verbose=0,
    )
    grid = {"tuning__training__adversarial__epsilon": [1.0, 2.0]}

    search = GridSearchCV(clf, grid, cv=2).fit(TEXTS, ["sports"] * 5 + ["politics"] * 5)

    assert search.best_estimator_.tuning.training.adversarial.epsilon in (1.0, 2.0)
    assert clf.tuning.training.adversarial == "fgm"


def test_the_cost_of_a_step_is_counted():
    passes = [Full(num_epochs=2, training=t).passes() for t in (None, *SWITCHES.values())]

    # Three passes a step, and one over the texts at the end.
    assert passes == [7.0, 15.0, 17.0, 13.0, 7.0]
