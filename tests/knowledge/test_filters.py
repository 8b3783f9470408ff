"""Which terms stay and what they weigh: the worked numbers of the specifications."""

from __future__ import annotations

import numpy as np
import pytest

from fewshot.errors import VerbalizerError
from fewshot.knowledge.filters import (
    common_cut,
    frequent_tokens,
    paper_relevance,
    relevance,
    similarity_to_names,
    term_weights,
)

SIMILARITY = np.array([[0.8, 0.2, 0.1, 0.4]])  # E4 of methods/kpt.md


def test_softmax_weights_are_those_of_the_specification():
    # E4 of methods/sciprompt.md
    assert term_weights(np.array([1.0, 0.6]), "softmax") == pytest.approx(
        [0.598688, 0.401312], abs=1e-6
    )
    assert term_weights(np.array([1.0, 0.9, 0.5]), "softmax") == pytest.approx(
        [0.398189, 0.360297, 0.241514], abs=1e-6
    )


def test_scores_as_weights_are_made_to_sum_to_one():
    assert term_weights(np.array([1.0, 0.9, 0.5]), "score") == pytest.approx(
        [0.416667, 0.375, 0.208333], abs=1e-6
    )


def test_a_high_temperature_makes_weights_alike():
    cold, hot = (term_weights(np.array([1.0, 0.5]), "softmax", t) for t in (0.1, 1000.0))

    assert cold == pytest.approx([1 / (1 + np.exp(-5)), 1 / (1 + np.exp(5))])
    assert hot == pytest.approx([0.5, 0.5], abs=1e-3)


def test_uniform_weights_are_alike():
    assert term_weights(np.array([1.0, 0.1, 0.2]), "uniform").tolist() == [1 / 3] * 3


def test_an_unknown_weighting_is_refused():
    with pytest.raises(VerbalizerError, match=r"weights is one of .*'softmax'.*, got 'tfidf'"):
        term_weights(np.array([1.0]), "tfidf")


def test_the_half_that_the_model_predicts_least_is_rare():
    mean_logits = np.array([5.0, 1.0, 2.0, 3.0, 4.0, 0.0])  # E5 of methods/kpt.md

    is_frequent = frequent_tokens(mean_logits, 0.5)

    assert np.flatnonzero(~is_frequent).tolist() == [1, 2, 5]
    assert is_frequent[[0, 3]].all()
    assert not is_frequent[[3, 2]].all()


def test_no_cut_leaves_every_token():
    assert frequent_tokens(np.array([3.0, 1.0]), 0.0).all()


def test_the_relevance_of_kpts_code():
    assert relevance(SIMILARITY, np.array([0])) == pytest.approx([2.397269], abs=1e-6)


def test_the_relevance_of_kpts_paper():
    assert paper_relevance(SIMILARITY, np.array([0])) == pytest.approx([3.428571], abs=1e-6)


@pytest.mark.parametrize("other", [0.5, 0.4, 0.01])
def test_relevance_of_two_classes_does_not_underflow(other):
    # The official code returns infinity below some 0.48: 0.4 to the power of 1001 is 0.
    assert relevance(np.array([[0.8, other]]), np.array([0])) == pytest.approx([0.8 / other])


def test_a_word_that_points_away_from_its_class_comes_last():
    assert relevance(np.array([[-0.1, 0.2, 0.3]]), np.array([0])).tolist() == [-100.0]


def test_a_word_near_no_other_class_is_relevant_to_its_own():
    similarity = np.array([[0.5, -0.2, 0.1], [-0.5, -0.1, -0.1]])

    assert paper_relevance(similarity, np.array([0, 0])).tolist() == [np.inf, -np.inf]


def test_a_name_is_as_similar_to_itself_as_can_be():
    scores = np.random.default_rng(0).normal(size=(20, 5))

    similarity = similarity_to_names(scores, [0, 3])

    assert similarity[0, 0] == pytest.approx(1.0)
    assert similarity[3, 1] == pytest.approx(1.0)
    assert similarity == pytest.approx(np.corrcoef(scores.T)[:, [0, 3]])


def test_a_word_with_the_same_score_everywhere_is_similar_to_nothing():
    scores = np.array([[1.0, 2.0], [3.0, 2.0]])

    assert similarity_to_names(scores, [0])[1].tolist() == [0.0]


def test_the_common_cut_is_where_scores_are_about_one():
    rows = [np.array([3.0, 2.0, 1.0, 0.1]), np.array([2.5, 0.9])]

    # The share 2/4 ends at ranks 2 and 1, whose scores 1.0 and 0.9 are nearest to 1.
    assert common_cut(rows) == [2, 1]


def test_a_cut_leaves_each_class_a_word():
    assert common_cut([np.array([1.0, -5.0, -5.0]), np.array([-100.0])]) == [1, 1]
