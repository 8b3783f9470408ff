"""Classes as Gaussians, learned from texts with and without labels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from fewshot.scoring import gaussian_classes
from fewshot.scoring.gaussian_classes import fit_gaussian_classes

RNG = np.random.default_rng(0)
TRUTH = np.arange(400) % 2
# The classes lie apart in the second direction; the first one varies most, and says nothing.
FEATURES = np.column_stack([3 * RNG.standard_normal(400), 4 * TRUTH + RNG.standard_normal(400)])


def _told(right: float) -> np.ndarray:
    """Return what is said of the texts, which is likelier to be right than not."""
    said = np.where(np.random.default_rng(1).random(400) < right, TRUTH, 1 - TRUTH)
    return np.where(np.eye(2)[said] > 0, 0.7, 0.3)


def test_one_round_is_a_shrunk_discriminant(monkeypatch):
    for name in ("_LEAST_TEXTS", "_LEAST_OF_CLASS", "_LEAST_EVENNESS"):
        monkeypatch.setattr(gaussian_classes, name, 0)
    monkeypatch.setattr(gaussian_classes, "_ROUNDS", 1)
    features = np.array([[0.0, 1.0], [2.0, 1.0], [0.0, -1.0], [2.0, -1.0]])
    targets = np.repeat(np.eye(2), 2, axis=0)

    head = fit_gaussian_classes(features, targets, np.ones(4), 2)

    # Around the means [1, 1] and [1, -1] the variances are 1 and 0, so 0.2 * [1, 0] + 0.8 * 0.5.
    # Two texts are known, and the others are of one class: of shares 1/4 and 3/4 they weigh
    # (1 / 2) / (3 / 4) = 2/3 each, which changes no mean.
    coef = np.array([[1 / 0.6, 1 / 0.6], [1 / 0.4, -1 / 0.4]])
    assert head.coef / head.coef[0, 0] == pytest.approx(coef / coef[0, 0])
    assert head.intercept[0] == pytest.approx(head.intercept[1])


def test_what_is_said_wrongly_of_texts_is_mended_by_what_they_share():
    told = _told(0.8)

    head = fit_gaussian_classes(FEATURES, told, np.ones(400), 0)

    assert (told.argmax(1) == TRUTH).mean() == pytest.approx(0.8, abs=0.05)
    assert (head.scores(FEATURES).argmax(1) == TRUTH).mean() > 0.9
    # As sure as what was said of texts of a class: 0.8 * 0.7 + 0.2 * 0.3 on average.
    assert softmax(head.scores(FEATURES), axis=1).max(1).mean() == pytest.approx(0.62, abs=0.05)


def test_known_labels_stay():
    told = np.full((400, 2), 0.5)
    told[:20] = np.eye(2)[TRUTH[:20]]

    head = fit_gaussian_classes(FEATURES, told, np.ones(400), 20)

    assert (head.scores(FEATURES).argmax(1) == TRUTH).mean() > 0.9


@pytest.mark.parametrize(
    "told",
    [
        np.eye(2)[(np.arange(400) % 10 == 0).astype(int)],  # a tenth is of one class
        np.eye(3)[TRUTH],  # no text is of the third one
        np.eye(100)[np.arange(400) % 100],  # four texts for each
    ],
    ids=["uneven", "absent", "few"],
)
def test_classes_that_are_uneven_absent_or_of_few_texts_are_not_learned(told):
    assert fit_gaussian_classes(FEATURES, told, np.ones(400), 0) is None


def test_few_texts_are_not_enough():
    assert fit_gaussian_classes(FEATURES[:150], _told(1.0)[:150], np.ones(150), 0) is None
