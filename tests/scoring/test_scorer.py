"""Scoring: template, model and label words together, against brute force."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from fewshot.data.examples import Examples
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.label_words import LabelWords
from fewshot.scoring.pool_calibration import calibrate_by_pool
from fewshot.scoring.scorer import PromptScorer

TEXTS = ["a great film", "awful", "", "the vote of the government was in the news"]
SPLIT = {"neg": ["bad", "dreadful"], "pos": ["great", "wonderful"]}


def make_scorer(
    tiny, label_words=SPLIT, *, pattern="{text} it was {mask}.", multi_token="masks", **options
) -> PromptScorer:
    lm = MaskedLM(*tiny, device="cpu")
    verbalizer = Verbalizer(label_words)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        words = LabelWords.resolve(verbalizer, verbalizer.labels, lm.tokenizer, multi_token)
    template = pattern if isinstance(pattern, Template) else Template(pattern)
    options = {"aggregation": "mean", "max_length": lm.max_length} | options
    return PromptScorer(lm, template, words, **options)


def encode(scorer: PromptScorer, texts: list[str]):
    return scorer.encode(scorer.views(Examples({"text": texts})))


def brute_force(scorer: PromptScorer, model, text: str, word: str) -> float:
    """The log-probability of a word, over as many masks as it has pieces."""
    tokenizer = scorer.lm.tokenizer
    pieces = tokenizer(" " + word, add_special_tokens=False)["input_ids"]
    example = {"text": text}
    sentence = scorer.template.preview(example, tokenizer.mask_token * len(pieces))
    ids = tokenizer(sentence, return_tensors="pt").input_ids
    with torch.inference_mode():
        logits = model(ids).logits[0, ids[0] == tokenizer.mask_token_id].double()
    log_probs = logits.log_softmax(-1)
    return sum(float(log_probs[i, piece]) for i, piece in enumerate(pieces))


# ---- A mask for each piece --------------------------------------------------------------------


@pytest.mark.parametrize("family", ["tiny_bert", "tiny_roberta"])
def test_a_mask_for_each_piece_equals_brute_force(family, request):
    tiny = request.getfixturevalue(family)
    scorer = make_scorer(tiny)
    expected = np.array(
        [
            [brute_force(scorer, tiny[0], text, word) for row in SPLIT.values() for word in row]
            for text in TEXTS
        ]
    )

    with torch.inference_mode():
        scores = scorer.word_scores(encode(scorer, TEXTS)).numpy()

    np.testing.assert_allclose(scores, expected, atol=1e-4)


def test_each_number_of_masks_is_encoded_in_one_go(tiny_bert):
    scorer = make_scorer(tiny_bert)

    views = scorer.views(Examples({"text": TEXTS}))
    scorer.encode(views)

    assert sorted(views) == [1, 2]
    assert scorer.lm.counts.prompts == 2 * len(TEXTS)


def test_with_words_in_one_piece_the_normaliser_makes_no_difference(tiny_bert):
    label_words = {"neg": ["bad", "awful"], "pos": ["great"]}

    scores = [
        scorer.class_scores(encode(scorer, TEXTS))
        for scorer in (
            make_scorer(tiny_bert, label_words, multi_token=how)
            for how in ("masks", "mean", "first")
        )
    ]

    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)
    np.testing.assert_array_equal(scores[1], scores[2])


def test_the_gradient_path_scores_as_the_fast_path_does(tiny):
    for multi_token in ("masks", "mean"):
        scorer = make_scorer(tiny, multi_token=multi_token)
        scorer = scorer.calibrated(encode(scorer, TEXTS), np.ones(4))
        order = np.array([2, 0, 3])

        with torch.no_grad():
            trained = scorer.train_scores(scorer.views(Examples({"text": TEXTS})), order)

        expected = scorer.class_scores(encode(scorer, TEXTS))[order]
        np.testing.assert_allclose(trained.numpy(), expected, atol=1e-3)


# ---- Chunks -----------------------------------------------------------------------------------


def test_a_chunked_text_has_the_mean_of_the_logits_of_its_windows(tiny_bert):
    label_words = {"neg": ["bad"], "pos": ["great"]}
    chunked = make_scorer(
        tiny_bert,
        label_words,
        pattern=Template("{text} it was {mask}.", shorten="chunk"),
        multi_token="mean",
        max_length=10,
    )
    windows = ["the vote of the", "film was great"]  # 4 words fit beside the 6 fixed tokens

    def log_odds(texts: list[str]) -> np.ndarray:
        scores = chunked.class_scores(encode(chunked, texts))
        return scores[:, 1] - scores[:, 0]

    assert log_odds([" ".join(windows), "bad"]) == pytest.approx(
        [log_odds(windows).mean(), log_odds(["bad"])[0]], abs=1e-5
    )


def test_states_of_a_chunked_text_are_means_over_its_windows(tiny_bert):
    template = Template("{text} it was {mask}.", shorten="chunk")
    chunked = make_scorer(tiny_bert, pattern=template, multi_token="mean", max_length=10)
    whole, parts = (
        encode(chunked, texts)
        for texts in (["the vote of the film was great"], ["the vote of the", "film was great"])
    )

    for states in (chunked.mask_states, chunked.mean_states):
        np.testing.assert_allclose(states(whole)[0], states(parts).mean(0), atol=1e-6)


def test_a_chunked_text_trains_as_it_predicts(tiny_bert):
    template = Template("{text} it was {mask}.", shorten="chunk")
    scorer = make_scorer(tiny_bert, pattern=template, multi_token="mean", max_length=8)
    texts = ["the vote of the film was great", "bad", "an awful film of the new year"]

    with torch.no_grad():
        trained = scorer.train_scores(scorer.views(Examples({"text": texts})), np.array([2, 0, 1]))

    expected = scorer.class_scores(encode(scorer, texts))[[2, 0, 1]]
    np.testing.assert_allclose(trained.numpy(), expected, atol=1e-4)


# ---- Independence -----------------------------------------------------------------------------


@pytest.mark.parametrize("multi_token", ["mean", "masks"])
def test_scores_do_not_depend_on_other_texts_to_the_last_bit(tiny, multi_token):
    scorer = make_scorer(tiny, multi_token=multi_token)
    together = scorer.class_scores(encode(scorer, TEXTS))

    for rows in ([2], [3, 0], [1, 1, 2, 3, 0, 0]):
        alone = make_scorer(tiny, multi_token=multi_token)

        scores = alone.class_scores(encode(alone, [TEXTS[row] for row in rows]))

        np.testing.assert_array_equal(scores, together[rows])


@pytest.mark.parametrize("multi_token", ["mean", "masks"])
def test_texts_scored_part_by_part_have_the_same_scores(tiny_bert, multi_token, monkeypatch):
    template = Template("{text} it was {mask}.", shorten="chunk")
    scorer = make_scorer(tiny_bert, pattern=template, multi_token=multi_token, max_length=9)
    encoded = encode(scorer, TEXTS)
    weights = np.array([1.0, 2.0, 3.0, 9.0])
    whole, prior = scorer.class_scores(encoded), scorer.calibrated(encoded, weights).prior
    by_pool, shares = calibrate_by_pool(scorer, encoded, weights)

    monkeypatch.setattr("fewshot.scoring.scorer._VALUES_AT_ONCE", 1)
    monkeypatch.setattr("fewshot.scoring.scorer._FEWEST_AT_ONCE", 3)

    assert len(list(scorer.parts(encoded))) == 2
    np.testing.assert_array_equal(scorer.class_scores(encoded), whole)
    torch.testing.assert_close(scorer.calibrated(encoded, weights).prior, prior)
    by_parts, found = calibrate_by_pool(scorer, encoded, weights)
    torch.testing.assert_close(by_parts.prior, by_pool.prior)
    assert found == pytest.approx(shares)


def test_label_embeddings_are_compared_with_states_at_masks_or_mean_states(tiny_bert):
    scorer = make_scorer(tiny_bert)
    encoded = encode(scorer, TEXTS)

    mask, mean = (scorer.label_states(encoded, states).numpy() for states in ("mask", "mean"))

    np.testing.assert_allclose(mask[:, 0], scorer.mask_states(encoded), atol=1e-6)
    np.testing.assert_allclose(mean[:, 0], scorer.mean_states(encoded), atol=1e-6)


def test_vectors_take_the_place_of_the_decoders_rows(tiny_bert):
    by_rows = make_scorer(tiny_bert, {"neg": "bad", "pos": "great"}, multi_token="mean")
    rows = by_rows.lm.mask_head._decoder.weight[by_rows.words.tokens]
    by_vectors = replace(by_rows, words=replace(by_rows.words, vectors=rows))
    texts = encode(by_rows, TEXTS)

    scores = by_vectors.calibrated(texts, np.ones(4)).class_scores(texts)

    # The decoder's bias is the same for all texts, so that calibration takes it away.
    expected = by_rows.calibrated(texts, np.ones(4)).class_scores(texts)
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_vectors_copied_from_the_decoders_rows_lack_its_bias_only(tiny_bert):  # pcp.md, E6
    by_rows = make_scorer(tiny_bert, {"neg": "bad", "pos": "great"}, multi_token="mean")
    decoder, words = by_rows.lm.mask_head._decoder, by_rows.words
    by_vectors = replace(by_rows, words=replace(words, vectors=decoder.weight[words.tokens]))
    texts = encode(by_rows, TEXTS)

    gap = by_vectors.word_scores(texts) - by_rows.word_scores(texts)

    biases = decoder.bias[words.tokens[words.index]].detach()
    expected = -biases.double().expand(len(TEXTS), 2)
    assert float(expected.abs().min()) > 1e-3
    torch.testing.assert_close(gap, expected, atol=1e-12, rtol=0)


def test_many_classes_are_scored_from_the_same_states(tiny_bert):
    words = ["great", "bad", "film", "news", "market", "vote", "player", "music", "person", "place"]
    few = make_scorer(tiny_bert, {0: words[0], 1: words[1]}, multi_token="mean")
    many = make_scorer(tiny_bert, dict(enumerate(words)), multi_token="mean")

    ours = many.class_scores(encode(many, TEXTS))

    expected = few.class_scores(encode(few, TEXTS))
    np.testing.assert_allclose(ours[:, 1] - ours[:, 0], expected[:, 1] - expected[:, 0], atol=1e-5)
    np.testing.assert_allclose(np.exp(ours).sum(1), 1.0, atol=1e-6)


def test_another_wording_is_calibrated_as_on_the_same_texts(tiny_bert):
    scorer, other = make_scorer(tiny_bert), Template("{mask} news: {text}")
    before, weights = encode(scorer, TEXTS), np.array([1.0, 2.0, 3.0, 9.0])
    after = encode(replace(scorer, template=other), TEXTS)

    moved = scorer.calibrated(before, weights).reworded(other, before, after, weights)

    assert moved.template == other
    anew = replace(scorer, template=other).calibrated(after, weights)
    torch.testing.assert_close(moved.prior, anew.prior)
