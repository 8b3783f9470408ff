"""Words of the vocabulary, and what the model holds to be near a name."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fewshot.errors import ModelError
from fewshot.knowledge import ModelNeighbours, VerbalizerTask, VocabularyWords
from fewshot.knowledge.neighbours import vocabulary_words
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from tests.tiny_models import byte_bpe_tokenizer, unigram_tokenizer, wordpiece_tokenizer

NAMES = {"a": ["football"], "b": ["market price"]}


@pytest.fixture
def task(tiny_bert) -> VerbalizerTask:
    lm = MaskedLM(*tiny_bert, device="cpu")
    return VerbalizerTask(("a", "b"), lm, Template("{text} it was {mask}."), 64)


@pytest.mark.parametrize(
    "make", [wordpiece_tokenizer, byte_bpe_tokenizer, unigram_tokenizer], ids=lambda f: f.__name__
)
def test_whole_words_of_each_kind_of_vocabulary(make):
    tokenizer = make()

    words = vocabulary_words(tokenizer)

    assert {"football", "great", "government"} <= set(words)
    assert not {"it", "ful", "##ful", "Ġgreat", "[MASK]", "<mask>", "."} & set(words)
    for word in ("football", "great"):
        assert tokenizer(f" {word}", add_special_tokens=False)["input_ids"][-1] == words[word]
    assert list(words) == sorted(words)


def test_all_words_are_for_all_classes(task):
    found = VocabularyWords().find(NAMES, task)

    assert found.is_pool
    assert found.terms == tuple(vocabulary_words(task.lm.tokenizer))
    assert (found.scores == 1).all()


def test_neighbours_by_predictions_are_what_the_model_says_of_the_name(task):
    found = ModelNeighbours(n_candidates=5).find(NAMES, task)

    model, tokenizer = task.lm.model, task.lm.tokenizer
    logits = []
    for text in ("football it was [MASK].", "it was [MASK]."):
        ids = tokenizer(text, return_tensors="pt").input_ids
        with torch.inference_mode():
            logits.append(model(ids).logits[0, ids[0] == tokenizer.mask_token_id][0])
    words = vocabulary_words(tokenizer)
    gain = (logits[0] - logits[1])[list(words.values())]
    best = [list(words)[i] for i in gain.argsort(descending=True)[:5]]
    rows = dict(zip(found.terms, found.scores[:, 0], strict=True))
    assert sorted((term for term in rows if rows[term]), key=lambda t: -rows[t]) == best
    assert rows[best[0]] == 1.0


def test_neighbours_by_embeddings_begin_with_the_name_itself(task):
    found = ModelNeighbours(by="embeddings", n_candidates=3).find(NAMES, task)

    assert (np.count_nonzero(found.scores, axis=0) == 3).all()
    assert found.terms[int(found.scores[:, 0].argmax())] == "football"


def test_a_head_without_rows_has_no_neighbours_by_embeddings(task, monkeypatch):
    monkeypatch.setattr(task.lm.mask_head, "has_rows", False)

    with pytest.raises(ModelError, match=r"has no row for each token.*by='predictions'"):
        ModelNeighbours(by="embeddings").find(NAMES, task)
