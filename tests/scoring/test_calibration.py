"""Calibration: word scores divided by what the model says without regard to the text."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from fewshot.data.examples import Examples
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.calibration import (
    Calibration,
    calibration_examples,
    generic_texts,
    word_prior,
)
from fewshot.scoring.label_words import LabelWords
from fewshot.scoring.names import ClassNames
from fewshot.scoring.pool_calibration import Voice, calibrate_by_pool, pool_prior
from fewshot.scoring.scorer import PromptScorer
from fewshot.scoring.shares import estimate_shares

LABEL_WORDS = {"neg": ["bad", "awful", "poor"], "pos": ["great"], "news": ["market", "vote"]}
TEXTS = ["a great film", "awful", "the vote of the government", ""]


@pytest.fixture(scope="module")
def scorer(tiny_bert) -> PromptScorer:
    lm = MaskedLM(*tiny_bert, device="cpu")
    verbalizer = Verbalizer(LABEL_WORDS)
    words = LabelWords.resolve(verbalizer, verbalizer.labels, lm.tokenizer)
    return PromptScorer(lm, Template("{text} it was {mask}."), words, "mean", lm.max_length)


def encode(scorer: PromptScorer, texts: list[str]):
    return scorer.encode(scorer.views(Examples({"text": texts})))


def softmax(scores: np.ndarray) -> np.ndarray:
    return np.exp(scores) / np.exp(scores).sum(1, keepdims=True)


def word_logits(scorer: PromptScorer, tiny, texts: list[str]) -> torch.Tensor:
    """The model's own logits of bad, awful, poor, great, market and vote, [n, 6]."""
    model, tokenizer = tiny
    ids = tokenizer.convert_tokens_to_ids(["bad", "awful", "poor", "great", "market", "vote"])
    rows = []
    for text in texts:
        inputs = tokenizer(f"{text} it was [MASK].", return_tensors="pt")
        at = int((inputs.input_ids[0] == tokenizer.mask_token_id).nonzero())
        with torch.inference_mode():
            rows.append(model(**inputs).logits[0, at, ids].double())
    return torch.stack(rows)


# ---- The prior --------------------------------------------------------------------------------


def test_the_prior_is_the_mean_log_probability_of_each_word():
    probs = torch.tensor([[0.5, 0.25, 0.25], [0.125, 0.5, 0.375]])

    prior = word_prior(probs.log(), torch.ones(2))

    # Geometric means: sqrt(.5 * .125), sqrt(.25 * .5), sqrt(.25 * .375); then their shares.
    means = np.array([0.25, np.sqrt(0.125), np.sqrt(0.09375)])
    assert prior.exp().tolist() == pytest.approx((means / means.sum()).tolist())


def test_texts_weigh_as_they_are_told():
    log_probs = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]).log()

    prior = word_prior(log_probs, torch.tensor([0.0, 5.0, 0.0]))

    assert prior.exp().tolist() == pytest.approx([0.2, 0.8])


def test_the_prior_of_one_text_is_its_own_log_probabilities():
    prior = word_prior(torch.tensor([[0.9, 0.1]]).log(), torch.ones(1))

    assert prior.exp().tolist() == pytest.approx([0.9, 0.1])


def test_texts_without_content_are_those_of_the_paper():
    assert calibration_examples(("text",), "contextual").columns == {"text": ["N/A", "[MASK]", ""]}


def test_mutual_information_takes_the_template_alone():
    assert calibration_examples(("a", "b"), "pmi").columns == {"a": [""], "b": [""]}


def test_generic_texts_are_64_different_sentences_for_every_field():
    examples = calibration_examples(("a", "b"), "generic")

    assert len(set(generic_texts())) == 64
    assert examples.columns == {"a": generic_texts(), "b": generic_texts()}


# ---- Pools of any class shares ----------------------------------------------------------------


def test_shares_of_texts_that_are_sure_are_their_counts_and_one_text_per_class():
    scores = np.array([[0.0, -50.0]] * 7 + [[-50.0, 0.0]])

    shares, posterior = estimate_shares(scores, np.full(8, 1 / 8))

    assert shares.tolist() == pytest.approx([8 / 10, 2 / 10])
    assert posterior[:, 0].tolist() == pytest.approx([1.0] * 7 + [0.0])


def test_shares_that_are_known_are_kept_and_decide_where_scores_do_not():
    shares, posterior = estimate_shares(np.zeros((2, 2)), np.full(2, 0.5), np.array([0.9, 0.1]))

    assert shares.tolist() == [0.9, 0.1]
    assert posterior.tolist() == pytest.approx(np.array([[0.9, 0.1], [0.9, 0.1]]))


def voice(scores, start):
    return Voice(scores.mean(0), scores, np.array([0, 1]), np.ones(2), start)


def test_known_shares_are_divided_out_of_the_mean_of_a_pool():
    # The word of class 0 is 1 more frequent than that of class 1; the class of a text adds 3 on
    # either side. 3 of 4 texts are of class 0, and 64,000 texts hide the prior before them.
    frequency = np.array([1.0, 0.0])
    scores = np.array([[3.0, 0.0]] * 3 + [[0.0, 3.0]]).repeat(16_000, axis=0) + frequency
    start = np.log([0.5, 0.5])

    (prior,), shares = pool_prior([voice(scores, start)], np.ones(64_000), np.array([0.75, 0.25]))

    # The effect of a class over the other is 3 for all texts: 3 x (3/4 - 1/2) = 0.75 is taken off
    # the mean of word 0 (3.25 -> 2.5) and added to that of word 1 (0.75 -> 1.5): 1 is left.
    assert shares.tolist() == [0.75, 0.25]
    assert prior[0] - prior[1] == pytest.approx(1.0, abs=0.02)


def test_a_skewed_pool_moves_the_prior_less_than_its_mean_would():
    scores = np.array([[3.0, 0.0]] * 95 + [[0.0, 3.0]] * 5)
    start = np.log([0.5, 0.5])

    (prior,), shares = pool_prior([voice(scores, start)], np.ones(100))

    assert shares[0] == pytest.approx(0.95, abs=0.02)
    assert abs(prior[0] - prior[1]) < 0.1  # the mean alone: 2.85 - 0.15 = 2.7


def test_a_pool_counts_by_its_number_of_texts():
    # Both classes are equally frequent, the words are not: n texts count n / (n + 64).
    scores = np.array([[8.0, 0.0], [2.0, 6.0]])
    start = np.log([0.5, 0.5])

    moved = []
    for n in (2, 64, 6400):
        pool = scores.repeat(n // 2, axis=0)
        (prior,), _ = pool_prior([voice(pool, start)], np.ones(n), np.array([0.5, 0.5]))
        moved.append(prior[0] - prior[1])

    assert moved == pytest.approx([2 * 2 / 66, 2 * 64 / 128, 2 * 6400 / 6464])


def test_weights_of_the_pool_are_those_of_repeated_texts(scorer):
    encoded = encode(scorer, TEXTS)
    twice = encode(scorer, [*TEXTS, TEXTS[0]])
    start = scorer.calibrate("generic", {}, np.ones(0))

    by_weight, shares = calibrate_by_pool(start, encoded, np.array([2.0, 1.0, 1.0, 1.0]))
    by_row, same = calibrate_by_pool(start, twice, np.ones(5))

    # Not equal: a pool counts by its effective number of texts, 25 / 7 for these weights, not 5.
    assert shares == pytest.approx(same, abs=0.03)
    np.testing.assert_allclose(by_weight.prior.numpy(), by_row.prior.numpy(), atol=0.03)


# ---- On a model -------------------------------------------------------------------------------


def test_uncalibrated_scores_by_hand(scorer, tiny_bert):
    log_probs = word_logits(scorer, tiny_bert, TEXTS).log_softmax(-1)
    expected = torch.stack([log_probs[:, :3].mean(1), log_probs[:, 3], log_probs[:, 4:].mean(1)], 1)

    scores = scorer.class_scores(encode(scorer, TEXTS))

    np.testing.assert_allclose(scores, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    "prior_texts", [["N/A", "[MASK]", ""], [""], TEXTS], ids=["contextual", "pmi", "domain"]
)
def test_calibrated_scores_by_hand(scorer, tiny_bert, prior_texts):
    # "[MASK]" as text is not the mask: WordPiece without its special token gives three pieces.
    shown = [text.replace("[MASK]", "[ mask ]") for text in prior_texts]
    prior = word_logits(scorer, tiny_bert, shown).log_softmax(-1).mean(0)
    log_probs = (word_logits(scorer, tiny_bert, TEXTS) - prior).log_softmax(-1)
    expected = torch.stack([log_probs[:, :3].mean(1), log_probs[:, 3], log_probs[:, 4:].mean(1)], 1)

    calibrated = scorer.calibrated(encode(scorer, prior_texts), np.ones(len(prior_texts)))

    scores = calibrated.class_scores(encode(scorer, TEXTS))
    np.testing.assert_allclose(scores, expected.numpy(), atol=1e-5)


def test_calibrating_twice_is_calibrating_once(scorer):
    encoded = encode(scorer, TEXTS)

    once = scorer.calibrated(encoded, np.ones(4))
    twice = once.calibrated(encoded, np.ones(4))

    assert torch.equal(once.prior, twice.prior)
    assert np.array_equal(once.class_scores(encoded), twice.class_scores(encoded))


@pytest.mark.parametrize("calibration", [c for c in get_args(Calibration) if c != "auto"])
def test_a_calibration_by_name_is_applied_once_however_often_it_is_called(scorer, calibration):
    encoded = encode(scorer, TEXTS)
    domain = scorer.calibrate("domain", encoded, np.ones(4))

    once = scorer.calibrate(calibration, encoded, np.ones(4))
    again = domain.calibrate(calibration, encoded, np.ones(4))

    np.testing.assert_array_equal(again.class_scores(encoded), once.class_scores(encoded))
    assert (once.prior is None) == (calibration == "none")


def test_a_text_calibrated_by_itself_says_nothing_of_its_class(scorer):
    encoded = encode(scorer, ["a great film"] * 3)

    scores = scorer.calibrated(encoded, np.ones(3)).class_scores(encoded)

    np.testing.assert_allclose(softmax(scores), np.full((3, 3), 1 / 3), atol=1e-6)


def test_over_its_own_texts_each_class_has_the_same_mean_score(scorer):
    encoded = encode(scorer, TEXTS)

    log_probs = scorer.calibrated(encoded, np.ones(4)).class_scores(encoded)

    assert log_probs.mean(0) == pytest.approx(np.full(3, log_probs.mean()), abs=1e-5)


def test_calibration_never_gives_a_score_that_is_not_finite(scorer):
    far = scorer.calibrated(encode(scorer, ["awful"]), np.ones(1))
    extreme = torch.full_like(far.prior, -800.0)
    extreme[0] = 0.0

    for prior in (far.prior, extreme):
        scores = PromptScorer(
            scorer.lm, scorer.template, scorer.words, "mean", scorer.max_length, prior
        ).class_scores(encode(scorer, TEXTS))
        assert np.isfinite(scores).all()


def test_weights_of_words_count_in_the_shares_of_a_pool():
    # Class 0 has two words, of which the second counts 3 times; its mean is 0.25 x 4 = 1.
    # After the words' frequency is taken out nothing is left to tell the classes apart.
    words = np.array([4.0, 0.0, 1.0])
    scores = np.full((6400, 2), [1.0, 1.0])
    index, parts = np.array([0, 0, 1]), np.array([0.25, 0.75, 1.0])

    (prior,), shares = pool_prior(
        [Voice(words, scores, index, parts, np.log([1 / 3] * 3))], np.ones(6400)
    )

    assert shares.tolist() == pytest.approx([0.5, 0.5], abs=1e-3)
    assert prior[0] - prior[1] == pytest.approx(4 * 6400 / 6464, abs=1e-2)


def test_beside_labels_a_pool_counts_by_what_its_scores_tell_of_classes():
    scores = np.array([[0.3, 0.0]] * 60 + [[0.0, 0.3]] * 4)
    start, weights = np.zeros(2), np.ones(64)

    (of_texts,), found = pool_prior([voice(scores, start)], weights)
    (of_labels,), _ = pool_prior([voice(scores, start)], weights, start="labels")
    (sure,), _ = pool_prior([voice(scores * 100, start)], weights)
    (as_sure,), _ = pool_prior([voice(scores * 100, start)], weights, start="labels")

    # Probabilities of the first class of 0.978 and 0.931, twice as sharp as the scores: 0.0484 of
    # the variance 2 x 0.961 x 0.039 is left, so they tell 0.36 of the classes.
    assert found == pytest.approx([0.961, 0.039], abs=1e-3)
    assert np.ptp(of_labels) / np.ptp(of_texts) == pytest.approx(0.36**2, abs=0.01)
    assert as_sure == pytest.approx(sure)


def test_names_are_calibrated_by_the_pool_as_words_are(scorer):
    encoded = encode(scorer, TEXTS)
    states = scorer.mean_states(encoded)
    vectors = np.eye(3, states.shape[1])
    names = ClassNames(("neg", "pos", "news"), vectors, states.mean(0), np.zeros(3), 1.0, 1.0)
    equal = np.full(3, 1 / 3)

    found, _ = calibrate_by_pool(replace(scorer, names=names), encoded, np.ones(4), equal)

    # Of equal shares nothing is taken off the mean; four texts count 4 / (4 + 64).
    mean = names.similarities(states).mean(0)
    np.testing.assert_allclose(found.names.prior, (mean - mean.mean()) * 4 / 68)
