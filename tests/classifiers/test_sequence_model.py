"""Whole texts for an encoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fewshot.classifiers.sequence_model import SequenceModel
from fewshot.data.examples import Examples
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.bare_texts import token_ids
from fewshot.training.loop import TrainSettings
from tests.tiny_models import byte_bpe_tokenizer, wordpiece_tokenizer


def words(tokenizer, ids):
    return " ".join(tokenizer.convert_ids_to_tokens(ids.tolist()))


def test_tokens_are_those_of_the_tokenizer():
    tokenizer = wordpiece_tokenizer()

    ids, n_truncated = token_ids(tokenizer, ["a great film", ""], None, 10)

    assert [words(tokenizer, row) for row in ids] == ["[CLS] a great film [SEP]", "[CLS] [SEP]"]
    assert n_truncated == 0


def test_pairs_are_encoded_as_sentence_pairs():
    ids, _ = token_ids(wordpiece_tokenizer(), ["great"], ["bad"], 10)
    assert words(wordpiece_tokenizer(), ids[0]) == "[CLS] great [SEP] bad [SEP]"

    ids, _ = token_ids(byte_bpe_tokenizer(), ["great"], ["bad"], 10)
    assert words(byte_bpe_tokenizer(), ids[0]) == "<s> great </s> </s> bad </s>"


def test_long_texts_lose_their_end_and_are_counted():
    tokenizer = wordpiece_tokenizer()

    ids, n_truncated = token_ids(tokenizer, ["one two three four five", "one"], None, 5)

    assert words(tokenizer, ids[0]) == "[CLS] one two three [SEP]"
    assert n_truncated == 1


def test_longer_text_of_a_pair_is_cut():
    tokenizer = wordpiece_tokenizer()

    ids, _ = token_ids(tokenizer, ["one"], ["two three four five"], 6)

    assert words(tokenizer, ids[0]) == "[CLS] one [SEP] two three [SEP]"


def test_special_token_in_a_text_stays_text():
    tokenizer = wordpiece_tokenizer()

    ids, _ = token_ids(tokenizer, ["great [SEP] bad"], None, 20)

    assert words(tokenizer, ids[0]) == "[CLS] great [ s ##e ##p ] bad [SEP]"


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_scores_by_hand(tiny_bert, pooling):
    lm = MaskedLM(*tiny_bert)
    model = SequenceModel.untrained(lm, pooling, 20, 3, np.random.default_rng(0))

    scores = model.scores(model.tokenize(Examples({"text": ["a great film", "bad"]})))

    encoded = lm.tokenizer("a great film", return_tensors="pt")
    with torch.no_grad():
        states = lm.model.bert(**encoded)[0][0]  # [length, hidden]
        first = lm.model.cls.predictions.transform(states[0])
    pooled = {"mean": states.mean(0), "first": first}[pooling].numpy()
    assert scores[0] == pytest.approx(pooled @ model.coef + model.intercept, abs=1e-5)


def test_more_fields_are_joined_to_the_second():
    lm = MaskedLM(*_tiny_bert())
    model = SequenceModel.untrained(lm, "mean", 20, 2, np.random.default_rng(0))

    prompts = model.tokenize(Examples({"a": ["one"], "b": ["two"], "c": ["three"]}))

    assert words(lm.tokenizer, prompts.ids[0]) == "[CLS] one [SEP] two three [SEP]"


@pytest.mark.parametrize(
    ("pooling", "changed"),
    [("mean", {"bert"}), ("first", {"bert", "cls"})],
)
def test_tuning_changes_what_the_scores_use_in_a_copy_only(tiny_bert, pooling, changed):
    lm = MaskedLM(*tiny_bert)
    model = SequenceModel.untrained(lm, pooling, 20, 2, np.random.default_rng(0))
    before = {name: p.clone() for name, p in lm.model.named_parameters()}
    prompts = model.tokenize(Examples({"text": ["great film", "bad film"]}))

    tuned, history = model.tuned(
        prompts,
        np.eye(2),
        np.ones(2),
        TrainSettings(1e-2, 3, 2),
        np.random.default_rng(0),
        valid=None,
        show_progress=False,
    )

    after = dict(tuned.lm.model.named_parameters())
    assert {n.split(".")[0] for n in before if not torch.equal(before[n], after[n])} == changed
    assert all(torch.equal(before[n], p) for n, p in lm.model.named_parameters())
    assert not (tuned.coef == model.coef).all()
    assert history[-1]["loss"] < history[0]["loss"]


def _tiny_bert():
    from tests.tiny_models import tiny_bert

    return tiny_bert()
