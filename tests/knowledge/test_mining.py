"""Terms mined from unlabelled texts."""

from __future__ import annotations

import numpy as np
import pytest

from fewshot.data.examples import Examples
from fewshot.knowledge import CorpusTerms, VerbalizerTask
from fewshot.knowledge.mining import association
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template

TEXTS = ["the football team", "a football team", "the market price", "a market price", "the the"]
NAMES = {"economy": ["economy"], "sports": ["sports"]}


@pytest.fixture
def task(tiny_bert):
    lm = MaskedLM(*tiny_bert, device="cpu")

    def make(texts):
        examples = None if texts is None else Examples({"text": texts})
        return VerbalizerTask(
            ("economy", "sports"), lm, Template("{text} {mask}."), 64, examples=examples
        )

    return make


def test_association_by_hand():
    occurrence = np.array([[1, 0], [1, 1], [0, 1], [0, 0]])
    probabilities = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])

    found = association(occurrence, probabilities)

    first, second = np.log([1.05 / 0.55, 0.05 / 0.55]), np.log([0.55 / 0.55, 0.55 / 0.55])
    np.testing.assert_allclose(found, [first, second])


def test_phrases_are_found_that_do_not_begin_or_end_with_frequent_words(task):
    found = CorpusTerms(max_share=0.5).find(NAMES, task(TEXTS))

    assert found.terms == ("football", "football team", "market", "market price", "price", "team")
    assert found.scores.shape == (6, 2)
    assert (found.scores >= 0).all()
    assert found.is_pool


def test_the_length_of_phrases_is_a_setting(task):
    assert CorpusTerms(longest=1, max_share=0.5).find(NAMES, task(TEXTS)).terms == (
        "football",
        "market",
        "price",
        "team",
    )


@pytest.mark.parametrize("texts", [None, ["!!!", "12 34"], ["unique words", "other things"]])
def test_texts_without_terms_give_none(task, texts):
    found = CorpusTerms().find(NAMES, task(texts))

    assert found.terms == ()
    assert found.scores.shape == (0, 2)


def test_the_order_of_classes_does_not_matter(task, tiny_bert):
    there = CorpusTerms().find(NAMES, task(TEXTS))
    swapped = VerbalizerTask(
        ("sports", "economy"),
        MaskedLM(*tiny_bert, device="cpu"),
        Template("{text} {mask}."),
        64,
        examples=Examples({"text": TEXTS}),
    )

    back = CorpusTerms().find(dict(reversed(NAMES.items())), swapped)

    np.testing.assert_allclose(back.scores, there.scores[:, ::-1], atol=1e-6)
