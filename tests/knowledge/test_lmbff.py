"""LM-BFF's search for label words: its arithmetic, its bounds, and against trying everything."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from sklearn.model_selection import GridSearchCV

from fewshot import PromptClassifier
from fewshot.errors import VerbalizerError
from fewshot.knowledge import LMBFFVerbalizer
from fewshot.knowledge.lmbff import search_assignments
from tests.knowledge.test_labelled import TEXTS, Y


def random_task(n_classes, n_candidates, n_texts, n_words):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(n_texts, n_words))
    candidates = np.stack([rng.permutation(n_words)[:n_candidates] for _ in range(n_classes)])
    return scores, candidates, np.arange(n_texts) % n_classes, rng.uniform(0.5, 2.0, n_texts)


def test_means_of_logits_and_of_log_probabilities_rank_words_alike():
    # E1 and E2 of methods/lmbff.md: the paper averages the second, its code the first.
    logits = np.array([[4.0, 0.0], [0.0, 0.0]])
    of_log_probs = log_softmax(logits, axis=1).mean(0)
    of_logits = log_softmax(logits.mean(0))
    assert of_log_probs == pytest.approx([-0.355649, -2.355649], abs=1e-6)
    assert of_logits == pytest.approx([-0.126928, -2.126928], abs=1e-6)
    assert of_logits - of_log_probs == pytest.approx([0.228721, 0.228721], abs=1e-6)

    three = torch.tensor([[2.0, 0.0, 1.0], [1.0, 0.0, 3.0]])

    assert three.mean(0).tolist() == [1.5, 0.0, 2.0]
    for mean in (three.mean(0), three.log_softmax(-1).mean(0)):
        assert mean.argsort(descending=True).tolist() == [2, 0, 1]


def test_a_pair_that_separates_the_texts_is_found():
    # E2: only words 1 (class 0) and 2 (class 1) classify all four texts rightly.
    scores = np.array([[1.0, 2.0, 0.0, 3.0], [0.0, 2.0, 1.0, 3.0], [1, 0, 2, 3], [0, 1, 2, 3]])

    found = search_assignments(
        scores, np.array([[0, 1], [2, 3]]), np.array([0, 0, 1, 1]), np.ones(4), 4
    )

    assert found.words[0].tolist() == [1, 2]
    assert found.accuracy[0] == pytest.approx(1.0)
    # log p of the own class: 2 against 0, 2 against 1, 2 against 0, 2 against 1.
    expected = -(np.log1p(np.exp(-2.0)) + np.log1p(np.exp(-1.0))) / 2
    assert found.log_likelihood[0] == pytest.approx(expected)


def test_equal_accuracies_are_ordered_by_likelihood():
    scores = np.array([[1.0, 5.0, 0.0], [1.0, -5.0, 1.5]])

    found = search_assignments(scores, np.array([[0, 1], [2, 2]]), np.array([0, 1]), np.ones(2), 4)

    assert found.accuracy == pytest.approx(1.0)
    assert found.words[0].tolist() == [1, 2]
    assert (np.diff(found.log_likelihood) <= 0).all()


def test_a_wide_beam_finds_what_trying_everything_finds():
    scores, candidates, own, weight = random_task(3, 5, 12, 9)

    found = search_assignments(scores, candidates, own, weight, beam_size=25)

    expected = {}
    for words in product(*candidates):
        if len(set(words)) == 3:
            chosen = scores[:, words]
            is_right = chosen.argmax(1) == own
            accuracy = np.average(is_right, weights=weight)
            log_probs = log_softmax(chosen, axis=1)[np.arange(12), own]
            expected[words] = (round(accuracy, 9), np.average(log_probs, weights=weight))
    best = sorted(expected, key=expected.get, reverse=True)
    assert [tuple(row) for row in found.words] == best[:25]
    assert found.accuracy[0] == pytest.approx(expected[best[0]][0])
    assert found.log_likelihood[0] == pytest.approx(expected[best[0]][1])


def test_no_word_stands_for_two_classes():
    scores, candidates, own, weight = random_task(4, 6, 12, 6)

    found = search_assignments(scores, candidates, own, weight, 50)

    assert all(len(set(row)) == 4 for row in found.words.tolist())


def test_twenty_classes_take_no_more_than_the_stated_combinations():
    # methods/lmbff.md, E5: all of them would be 100 ** 20.
    scores, candidates, own, weight = random_task(20, 100, 60, 500)

    found = search_assignments(scores, candidates, own, weight, beam_size=10)

    assert found.n_scored == 100 * (1 + 10 * 19)
    assert found.words.shape == (10, 20)
    assert found.accuracy[0] > 0.5  # of chance, 1 in 20


def test_two_classes_are_searched_in_full_by_default():
    scores, candidates, own, weight = random_task(2, 100, 20, 300)
    settings = LMBFFVerbalizer().get_params()

    found = search_assignments(scores, candidates, own, weight, settings["beam_size"])

    assert settings["n_candidates"] == 100
    assert found.n_scored == 100 + 100**2


def test_one_word_a_class_comes_out_with_its_score(lm):
    found = LMBFFVerbalizer(20).resolve(TEXTS, Y, model=lm)

    assert found.coverage == {"business": 1, "sports": 1}
    assert all(note.source_score < 0 for note in found.provenance)


def test_the_found_words_classify_as_the_search_says(lm):
    best, *_, last = LMBFFVerbalizer(20).ranked(TEXTS, Y, 50, model=lm)

    accuracies = []
    for words in (best, last):
        clf = PromptClassifier(
            verbalizer=words,
            model=lm,
            tuning="none",
            calibration="domain",
            name_weight=0,
            verbose=0,
        )
        accuracies.append(clf.fit(TEXTS, Y).score(TEXTS, Y))
    assert accuracies[0] == 1.0
    assert accuracies[0] >= accuracies[1]


def test_a_label_that_always_comes_with_another_has_its_own_words(lm):
    texts = ["a football team", "the goal", "a player", "an election", "the law", "a vote"]
    sets = [["news", "sports"]] * 3 + [["news"]] * 3
    found = []
    for first in ("news", "znews"):  # which comes first must not count
        y = [[first, *row[1:]] for row in sets]
        clf = PromptClassifier(verbalizer=LMBFFVerbalizer(5), model=lm, tuning="head", verbose=0)
        words = clf.fit(texts, y).verbalizer_
        found.append((words[first], words["sports"]))

    assert found[0] == found[1]


def test_ranked_words_can_be_chosen_among_by_other_texts(lm):
    ranked = LMBFFVerbalizer(10, beam_size=10).ranked(TEXTS, Y, 3, model=lm)
    clf = PromptClassifier(model=lm, tuning="none", calibration="domain", verbose=0)

    search = GridSearchCV(clf, {"verbalizer": ranked}, cv=2)
    search.fit(["the goal", "a stock", "the team", "a price"], ["sports", "business"] * 2)

    assert ranked[0] == LMBFFVerbalizer(10, beam_size=10).resolve(TEXTS, Y, model=lm)
    assert search.best_estimator_.verbalizer_ in ranked


def test_more_ranked_words_than_the_beam_keeps_are_refused(lm):
    with pytest.raises(VerbalizerError, match="n is a whole number from 1 to beam_size, which is"):
        LMBFFVerbalizer(10, beam_size=5).ranked(TEXTS, Y, 6, model=lm)
