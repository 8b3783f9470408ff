"""Names of classes as a voice beside their words."""

from __future__ import annotations

import numpy as np
import pytest

from fewshot.scoring.names import class_names, weight_of_names

STATES = {  # in two dimensions, so that angles can be seen
    "up": [1.0, 2.0],
    "right": [3.0, 0.0],
    "some": [1.0, 0.0],
    "text": [1.0, 2.0],
}


def states_of(texts):
    return np.array([STATES[text] for text in texts])


def names_of():
    return class_names(["up", "right"], states_of, ["some", "text"], 10.0, word_weight=0.5)


def test_names_are_directions_around_their_mean():
    names = names_of()

    # The mean of the names is [2, 1]: up is [-1, 1], right is [1, -1]. Texts lie around [1, 1].
    diagonal = np.sqrt(0.5)
    np.testing.assert_allclose(names.vectors, [[-diagonal, diagonal], [diagonal, -diagonal]])
    assert names.center.tolist() == [1.0, 1.0]
    assert names.word_weight == 0.5  # one by the pieces of a word


def test_scores_are_cosines_without_those_of_other_texts():
    names = names_of()

    # "some" is [0, -1] around the center and "text" [0, 1]: their cosines cancel, so none is taken
    # off. [0, 2] is [-1, 1] around it: it points to "up".
    np.testing.assert_allclose(names.prior, [0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(names.scores(np.array([[0.0, 2.0]])), [[1.0, -1.0]])

    moved = names.calibrated(states_of(["text"]), np.ones(1))

    np.testing.assert_allclose(moved.scores(states_of(["text"])), [[0.0, 0.0]], atol=1e-12)
    assert moved.uncalibrated().prior.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("n_classes", "pieces", "weight"), [(2, 1.0, 0.0), (2, 2.5, 3.75), (3, 1.0, 10.0)]
)
def test_two_names_weigh_by_the_pieces_that_words_at_the_mask_have_too_many(
    n_classes, pieces, weight
):
    assert weight_of_names(n_classes, pieces) == weight


def test_a_text_without_a_direction_is_no_nearer_to_any_name():
    names = names_of()

    assert names.similarities(names.center[None]).tolist() == [[0.0, 0.0]]
