"""Distillation: tuning on another model's probabilities, which hold what the prompt says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from fewshot.scoring.heads import StateHead
from fewshot.tuning import Full, Head
from tests.tiny_models import tiny_bert
from tests.tuning.tasks import TEXTS, make_task


def distilled(task, targets=None, temperature=1.0):
    """Return a task whose targets are another model's probabilities."""
    targets = task.targets if targets is None else targets
    return replace(task, targets=targets, distillation_temperature=temperature)


@pytest.fixture
def task():
    return make_task(tiny_bert())


@pytest.mark.parametrize(("n_texts", "share"), [(99, 1.0), (100, 0.0)])
def test_a_regression_on_many_distilled_texts_leaves_the_prompt_out(n_texts, share):
    task = make_task(tiny_bert(), texts=(TEXTS * 10)[:n_texts])

    assert Head().tune(distilled(task)).head.prompt_share == share
    assert Head().tune(task).head.prompt_share > 0


@pytest.mark.parametrize(("n_times", "share"), [(9, 1.0), (10, 20.0)])
def test_from_100_texts_on_a_tuned_prompt_is_heard_as_far_as_it_says_the_labels(n_times, share):
    task = make_task(tiny_bert(), texts=TEXTS * n_times)
    words, _ = task.scorer.voices(task.scorer.encode(task.views))
    tuning = Full(1e-9, num_epochs=1, C=1e-9)  # neither the prompt nor the regression learns

    head = tuning.tune(distilled(task, softmax(20 * words, axis=1))).head

    assert head.prompt_share == pytest.approx(share, rel=1e-2)


@pytest.mark.parametrize(
    ("weights", "share"),
    [([10.0] * 6 + [1.0] * 50, 1.0), ([1.0] * 106, 0.0), ([1.0] * 6 + [0.5] * 100, 0.0)],
    ids=["heavy labels", "many texts", "light texts"],
)
def test_labels_and_weights_of_users_make_no_distilled_text(weights, share):
    task = make_task(tiny_bert(), texts=(TEXTS * 11)[: len(weights)], weights=weights)
    task = replace(task, unlabeled=np.arange(6, len(weights)), distillation_temperature=1.0)

    assert Head().tune(task).head.prompt_share == share


def test_without_an_unlabelled_text_masked_language_modelling_reads_all(task):
    plain = Full(1e-3, num_epochs=1, interpolation=1.0)

    without = plain.tune(make_task(tiny_bert()))
    with_it = plain.tune(replace(task, mlm_weight=0.5))

    assert not np.allclose(without.head.coef, with_it.head.coef)


def test_the_penalty_of_a_distilled_regression_grows_with_the_texts():
    few, many = (make_task(tiny_bert(), texts=TEXTS * times) for times in (10, 20))

    once, twice = (Head().tune(distilled(task)) for task in (few, many))

    # C is 100 / n: texts that are all there twice change nothing.
    np.testing.assert_allclose(once.head.coef, twice.head.coef, rtol=1e-4, atol=1e-6)


def test_a_regression_alone_is_as_sure_as_what_it_learned_from():
    # Two texts, 60 times each, with mirrored labels: a linear model can say just these.
    targets = [[0.9, 0.1], [0.1, 0.9]] * 60
    task = make_task(tiny_bert(), texts=[TEXTS[0], TEXTS[5]] * 60, targets=targets)

    head = Head(C=0.05).tune(distilled(task)).head

    states = task.scorer.mean_states(task.scorer.encode(task.views))
    flat = softmax(head.logits(states), axis=1)
    found = softmax(head.add(np.zeros((120, 2)), states), axis=1)
    np.testing.assert_allclose(found, targets, atol=1e-4)
    assert flat[0, 0] < 0.8  # the penalty makes it flat


def test_a_share_of_zero_leaves_the_regression_alone():
    head = StateHead(np.zeros(1), 1.0, np.array([[1.0, 0.0]]), prompt_share=0.0)

    scores = head.add(np.array([[0.0, 50.0]]), np.array([[2.0]]))

    assert np.exp(scores).tolist() == [[pytest.approx(0.880797), pytest.approx(0.119203)]]


def test_gradients_learn_soft_targets(task):
    targets = np.full(task.targets.shape, 1 / task.targets.shape[1])
    tuning = Full(1e-2, num_epochs=8, interpolation=1.0)

    soft = tuning.tune(distilled(task, targets, temperature=2.0))
    hard = tuning.tune(task)

    def surest(result):
        scores = result.scorer.class_scores(result.scorer.encode(task.views))
        return float((np.exp(scores) / np.exp(scores).sum(1, keepdims=True)).max(1).mean())

    assert surest(soft) < surest(hard)
