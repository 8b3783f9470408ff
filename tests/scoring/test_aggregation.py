"""Class scores from scores of words, worked out by hand."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from fewshot.errors import LabelWordError
from fewshot.scoring.aggregation import Aggregation, aggregate, word_log_probs


def flat(*rows: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
    """Word scores [1, words] of classes with different numbers of words, and the words' classes."""
    scores = torch.tensor([[score for row in rows for score in row]]).double()
    return scores, torch.tensor([label for label, row in enumerate(rows) for _ in row])


def test_the_scores_are_openprompts():
    scores, classes_of = flat([1.0, 2.0], [3.0])

    classes = aggregate(word_log_probs(scores), classes_of)

    assert classes.tolist() == [pytest.approx([-1.9076, -0.4076], abs=1e-4)]


def test_the_example_of_pet():
    scores, classes_of = flat([2.0, 1.0], [0.5])  # E1 of methods/pet.md

    classes = aggregate(word_log_probs(scores), classes_of)

    assert classes.softmax(-1).tolist() == [pytest.approx([0.731059, 0.268941], abs=1e-6)]
    loss = torch.nn.functional.cross_entropy(classes, torch.tensor([0]))
    assert float(loss) == pytest.approx(0.313262, abs=1e-6)


def test_the_example_of_kpt_without_calibration():
    scores, classes_of = flat([2.0, 1.0], [0.0, 1.0, 0.5])  # E1 of methods/kpt.md

    classes = aggregate(word_log_probs(scores), classes_of)

    assert classes.tolist() == [pytest.approx([-1.239183, -2.239183], abs=1e-6)]
    assert classes.softmax(-1).tolist() == [pytest.approx([0.731059, 0.268941], abs=1e-6)]


def test_the_example_of_kpt_with_calibration():
    scores, classes_of = flat([2.0, 1.0], [0.0, 1.0, 0.5])  # E2 of methods/kpt.md
    prior = word_log_probs(flat([1.0, 1.0], [1.0, 0.0, 0.0])[0])[0]

    log_probs = word_log_probs(scores, prior)
    classes = aggregate(log_probs, classes_of)

    assert log_probs[0, :2].exp().tolist() == pytest.approx([0.321570, 0.118299], abs=1e-6)
    assert log_probs[0, 2:].exp().tolist() == pytest.approx(
        [0.043520, 0.321570, 0.195042], abs=1e-6
    )
    assert classes.tolist() == [pytest.approx([-1.634541, -1.967874], abs=1e-6)]
    assert classes.softmax(-1).tolist() == [pytest.approx([0.582570, 0.417430], abs=1e-6)]


def test_the_mean_is_pets_and_openprompts_up_to_a_constant():
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        sizes = torch.randint(1, 6, (4,), generator=generator).tolist()
        rows = [(5 * torch.randn(size, generator=generator)).tolist() for size in sizes]
        scores, classes_of = flat(*rows)

        ours = aggregate(word_log_probs(scores), classes_of)[0]

        every = torch.tensor([value for row in rows for value in row]).double().log_softmax(0)
        openprompt = torch.stack([part.mean() for part in every.split(sizes)])
        pet = torch.tensor([np.mean(row) for row in rows]).double()
        torch.testing.assert_close(ours.log_softmax(0), openprompt.log_softmax(0))
        torch.testing.assert_close(ours.log_softmax(0), pet.log_softmax(0), atol=1e-6, rtol=0)


@pytest.mark.parametrize("how", get_args(Aggregation))
def test_a_constant_added_to_all_logits_changes_nothing(how):
    scores, classes_of = flat([2.0, 1.0], [0.5])
    weights = torch.tensor([1.0, 3.0, 2.0])

    before, after = (
        aggregate(word_log_probs(scores + shift), classes_of, how, weights)
        for shift in (0.0, 123.0)
    )

    torch.testing.assert_close(before, after)


@pytest.mark.parametrize("how", get_args(Aggregation))
def test_aggregations_by_hand(how):
    expected = {
        "mean": [1.5, 0.5],
        "max": [2.0, 0.5],
        "logsumexp": [2.0 + np.log1p(np.exp(-1.0)), 0.5],
        "weighted": [(1 * 2.0 + 3 * 1.0) / 4, 0.5],
    }
    scores, classes_of = flat([2.0, 1.0], [0.5])
    weights = torch.tensor([1.0, 3.0, 2.0])

    assert aggregate(scores, classes_of, how, weights).tolist() == [pytest.approx(expected[how])]


def test_equal_weights_are_the_mean():
    scores, classes_of = flat([2.0, 1.0, -4.0], [0.5])
    weights = torch.full((4,), 0.25)

    weighted = aggregate(scores, classes_of, "weighted", weights)

    torch.testing.assert_close(weighted, aggregate(scores, classes_of))


def test_a_word_of_weight_zero_does_not_count():
    scores, classes_of = flat([2.0, -1000.0], [0.5])

    assert aggregate(scores, classes_of, "weighted", torch.tensor([1.0, 0.0, 1.0])).tolist() == [
        [2.0, 0.5]
    ]


def test_one_word_a_class_is_a_softmax_over_classes():
    scores, classes_of = flat([2.0], [1.0], [0.0])

    assert aggregate(word_log_probs(scores), classes_of).exp().tolist() == [
        pytest.approx([0.665241, 0.244728, 0.090031], abs=1e-6)
    ]


def test_one_word_of_almost_no_probability_stays_finite():
    scores, classes_of = flat([2.0, -1e6], [0.5])

    assert torch.isfinite(aggregate(word_log_probs(scores), classes_of)).all()


def test_a_prior_equal_to_the_scores_makes_all_words_equal():
    scores, _ = flat([2.0, 1.0], [0.5], [-3.0])

    log_probs = word_log_probs(scores, word_log_probs(scores)[0])

    assert log_probs[0].tolist() == pytest.approx([np.log(0.25)] * 4)


def test_an_unknown_aggregation_is_refused():
    scores, classes_of = flat([2.0], [1.0])

    with pytest.raises(LabelWordError, match=r"aggregation is one of .*'max'.*, got 'median'"):
        aggregate(scores, classes_of, "median")


def test_the_weighted_aggregation_needs_weights():
    scores, classes_of = flat([2.0], [1.0])

    with pytest.raises(LabelWordError, match="'weighted' needs weights, got None"):
        aggregate(scores, classes_of, "weighted")


@pytest.mark.parametrize("how", get_args(Aggregation))
def test_gradients_of_word_scores_are_those_of_the_formula(how):
    scores, classes_of = flat([2.0, 1.0], [0.5, 0.25, -3.0])
    weights = torch.tensor([1.0, 3.0, 2.0, 0.5, 1.0])

    assert torch.autograd.gradcheck(
        lambda values: aggregate(values, classes_of, how, weights), scores.requires_grad_()
    )


@pytest.mark.parametrize("how", get_args(Aggregation))
def test_the_scores_of_a_text_do_not_depend_on_the_other_texts(how):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(64, 900, generator=generator).double()
    classes_of = torch.arange(50).repeat_interleave(18)
    weights = torch.rand(900, generator=generator)

    together = aggregate(scores, classes_of, how, weights)

    for rows in (slice(0, 1), slice(3, 20), slice(20, 64)):
        assert torch.equal(together[rows], aggregate(scores[rows], classes_of, how, weights))
