"""Tuning strategies by name, and as estimators that hold settings only."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from fewshot.errors import TuningError
from fewshot.tuning import (
    BitFit,
    Full,
    Head,
    NoTuning,
    Training,
    resolve_tuning,
)

LABELS = ["sports"] * 5 + ["politics"] * 5


def finer(**settings) -> Full:
    return Full(training=Training(**settings))


@pytest.mark.parametrize(
    ("name", "kind"), [("none", NoTuning), ("head", Head), ("bitfit", BitFit), ("full", Full)]
)
def test_a_name_gives_the_strategy_with_its_defaults(name, kind):
    strategy = resolve_tuning(name)

    assert type(strategy) is kind
    assert strategy.get_params() == kind().get_params()


def test_an_object_is_taken_as_it_is():
    strategy = Full(learning_rate=1e-5)

    assert resolve_tuning(strategy) is strategy


@pytest.mark.parametrize(
    ("tuning", "message"),
    [
        ("heads", r"tuning is one of \['none', .* got 'heads' \(did you mean 'head'\?"),
        ("FULL", "got 'FULL'"),
        (None, "got None"),
        (3, "got 3"),
        (Full, "got <class"),
    ],
)
def test_what_is_no_strategy_is_refused(tuning, message):
    with pytest.raises(TuningError, match=message):
        resolve_tuning(tuning)


@pytest.mark.parametrize(
    "strategy",
    [
        NoTuning(),
        Head(C=2.5),
        BitFit(0.01, num_epochs=3, training=Training(schedule="cosine", patience=2)),
        Full(0.01, embeddings="tuned", training=Training(label_smoothing=0.1)),
    ],
)
def test_strategies_are_cloned_with_all_their_settings(strategy):
    twin = clone(strategy)

    assert twin is not strategy
    assert repr(twin) == repr(strategy)
    training = strategy.get_params().get("training")
    assert training is None or twin.training is not training


def test_settings_can_be_changed_by_name():
    assert Full().set_params(num_epochs=3, embeddings="tuned").num_epochs == 3


def test_finer_settings_can_be_changed_by_name_where_none_were_given():
    default = Full()

    changed = Full().set_params(training__schedule="cosine", num_epochs=3)

    assert repr(changed) == "Full(num_epochs=3, training=Training(schedule='cosine'))"
    assert default.training is None
    assert changed.set_params(training__patience=2).training.schedule == "cosine"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("adversarial__epsilon", "adversarial of Training is None.*such as adversarial='fgm'"),
        ("consistency__weight", "consistency of Training is None.*TemplateConsistency"),
    ],
)
def test_settings_of_a_switch_that_is_off_are_refused(setting, message):
    with pytest.raises(TuningError, match=message):
        Full().set_params(**{f"training__{setting}": 2.0})


def test_a_misspelt_setting_fails_at_the_call():
    with pytest.raises(TypeError, match="learning_rat"):
        Full(learning_rat=1e-5)


@pytest.mark.parametrize(
    ("strategy", "n_a_class", "steps", "passes"),
    [
        (NoTuning(), 8, 0, 0.0),
        (Head(), 8, 0, 0.0),
        (Full(num_epochs=3, batch_size=8), 9, 9, 10.0),
        (Full(num_epochs=3, training=Training(validation_fraction=0.5)), 8, 3, 10.0),
        # Of five a class two are held out (1.5 rounds to even), three are left.
        (Full(num_epochs=2, batch_size=2, training=Training(validation_fraction=0.3)), 5, 6, 7.0),
        (BitFit(num_epochs=2, batch_size=18), 9, 2, 7.0),
    ],
)
def test_the_cost_of_a_strategy_is_known_beforehand(strategy, n_a_class, steps, passes):
    assert strategy.steps(np.repeat([0, 1], n_a_class)) == steps
    assert strategy.passes() == passes
