"""Head tuning: logistic regression on frozen states, summed with what the prompt says."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from fewshot.tuning import Head
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
