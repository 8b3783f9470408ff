"""Head tuning: logistic regression on frozen states, summed with what the prompt says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from fewshot.scoring.heads import StateHead
from fewshot.tuning import Head
from fewshot.tuning.head import _calibrated
from tests.tuning.tasks import make_task


def test_each_text_is_encoded_once(tiny_bert):
    task = make_task(tiny_bert)

    Head().tune(task)
    Head(C=0.1).tune(task)

    assert task.scorer.lm.counts.prompts == len(task.targets)


def test_it_learns_the_examples(tiny_bert):
    task = make_task(tiny_bert)

    result = Head(C=1000.0).tune(task)

    encoded = task.scorer.encode(task.views)
    scores = result.head.add(task.scorer.class_scores(encoded), task.scorer.mean_states(encoded))
    assert scores.argmax(1).tolist() == task.targets.argmax(1).tolist()


def test_under_a_huge_penalty_the_calibrated_prompt_decides(tiny_bert):
    task = make_task(tiny_bert)
    encoded = task.scorer.encode(task.views)
    scores = task.scorer.class_scores(encoded)

    result = Head(C=1e-9).tune(task)

    total = result.head.add(scores, task.scorer.mean_states(encoded))
    of_words = result.head.prompt_share / result.head.temperature
    assert of_words > 0
    np.testing.assert_allclose(
        softmax(total, axis=1), softmax(of_words * scores, axis=1), atol=1e-6
    )


_REGRESSION = StateHead(np.zeros(1), 1.0, np.array([[2.0, 0.0]]))


def test_a_distilled_regression_is_as_sure_of_each_class_as_its_teacher():
    states = np.array([[1.0], [-1.0], [-1.0]])
    targets = np.array([[0.9, 0.1], [0.5, 0.5], [0.0, 1.0]])
    weights = np.array([1.0, 1.0, 0.0])  # the last one counts for nothing

    found = _calibrated(_REGRESSION, states, np.zeros((3, 2)), targets, weights)

    # Log-odds (2 + b) / T = log 9 and (-2 + b) / T = 0, so b = 2 and T = 4 / log 9.
    assert found.temperature == pytest.approx(4 / np.log(9), rel=1e-4)
    assert found.intercept == pytest.approx([1.0, -1.0], rel=1e-4)
    assert found.prompt_share == 0


def test_a_distilled_regression_that_knows_nothing_leaves_the_words_to_speak():
    words = np.array([[3.0, 0.0], [-3.0, 0.0], [1.0, 0.0]])
    targets = softmax(0.5 * words, axis=1)

    found = _calibrated(_REGRESSION, np.zeros((3, 1)), words, targets, np.ones(3))

    assert found.prompt_share / found.temperature == pytest.approx(0.5, rel=1e-3)
    assert found.intercept == pytest.approx([0.0, 0.0], abs=1e-3)
    np.testing.assert_allclose(
        softmax(found.add(words, np.zeros((3, 1))), axis=1), targets, atol=1e-3
    )
