"""PETAL's likelihood ratios, computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fewshot.knowledge import PetalVerbalizer
from fewshot.knowledge.labelled import log_odds
from fewshot.knowledge.petal import likelihood_ratios, pick_words
from tests.knowledge.test_labelled import TEXTS, Y


@pytest.mark.parametrize(
    ("others", "expected"), [([0.2], 2.079442), ([0.2, 0.5], 2.772589), ([0.5, 0.5, 0.8], 0.693147)]
)
def test_the_ratio_is_the_papers_divided_by_the_number_of_other_texts(others, expected):
    # methods/pet.md, step 10: n_neg/n_pos sum_pos[log p - log(1-p)] + sum_neg[log(1-p) - log p];
    # positives with p = 0.8 and 0.5 have log-odds of log 4 and 0.
    own = [0.8, 0.5]
    scale = len(others) / len(own)
    paper = scale * sum(np.log(p / (1 - p)) for p in own) + sum(np.log((1 - p) / p) for p in others)

    means = [[float(log_odds(torch.tensor(p).log()).mean())] for p in (own, others)]
    ratios = likelihood_ratios(np.array(means), np.array([len(own), len(others)]))

    assert paper == pytest.approx(expected, abs=1e-6)
    assert ratios[0, 0] * len(others) == pytest.approx(expected, abs=1e-5)
    assert ratios[1, 0] == pytest.approx(-ratios[0, 0])  # two classes are each other's rest


def test_a_class_stands_against_all_texts_of_the_others():
    # Of class 0: 2 - (2 * 1 + 1 * 4) / 3 = 0; of class 2: 4 - (1 * 2 + 2 * 1) / 3 = 8 / 3.
    odds = np.array([[2.0], [1.0], [4.0]])

    ratios = likelihood_ratios(odds, np.array([1.0, 2.0, 1.0]))

    assert ratios[:, 0].tolist() == pytest.approx([0.0, -2.0, 8 / 3])


def test_a_word_goes_where_its_score_is_highest():
    scores = np.array([[5.0, 4.0, 1.0, 0.0], [9.0, 2.0, 1.5, 1.0]])

    assert pick_words(scores, 2) == [[1, 3], [0, 2]]  # 2 is the better word 1.5 to 1.0


def test_words_that_are_no_candidates_are_never_taken():
    scores = np.array([[5.0, -np.inf, 1.0, 0.0], [-np.inf, 2.0, 1.5, 1.0]])

    assert pick_words(scores, 2) == [[0, 3], [1, 2]]


def test_candidates_are_the_likeliest_words_of_the_class(lm):
    loose = PetalVerbalizer(3, n_candidates=100).resolve(TEXTS, Y, model=lm)

    strict = PetalVerbalizer(3, n_candidates=6).resolve(TEXTS, Y, model=lm)

    assert strict.coverage == loose.coverage == {"business": 3, "sports": 3}
    assert strict != loose


def test_words_come_with_their_score_the_best_first(lm):
    found = PetalVerbalizer(4, n_candidates=100).resolve(TEXTS, Y, model=lm)

    for label in found:
        scores = [note.source_score for note in found.provenance if note.label == label]
        assert scores == sorted(scores, reverse=True)
        assert scores[-1] > 0
    assert {note.source for note in found.provenance} == {"likelihood ratio"}


def test_a_text_of_weight_two_counts_twice(lm):
    finder = PetalVerbalizer(5, n_candidates=100)

    doubled = finder.resolve([*TEXTS, TEXTS[0]], [*Y, Y[0]], model=lm)

    task = finder._task(TEXTS, Y, lm, "A {mask} text: {text}")
    task.sample_weight[0] = 2.0
    assert finder.find_words(task) == doubled
