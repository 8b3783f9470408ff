"""A fitted classifier keeps one scorer; its fields are attributes, also in a saved state."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from fewshot import PromptClassifier
from fewshot.models.masked_lm import MaskedLM

OF_SCORER = ["template_", "model_", "label_words_", "aggregation_", "prior_", "head_"]


@pytest.fixture(scope="module")
def fitted(tiny_bert) -> PromptClassifier:
    clf = PromptClassifier(
        "{mask} news: {text}",
        {"politics": ["law"], "sports": ["game"]},
        model=MaskedLM(*tiny_bert, device="cpu"),
        tuning="head",
        verbose=0,
    )
    return clf.fit(["a football match", "the law"], ["sports", "politics"])


def test_the_fields_of_the_scorer_are_attributes(fitted):
    scorer = fitted.scorer_

    assert fitted.template_ is scorer.template
    assert fitted.model_ is scorer.lm
    assert fitted.label_words_ is scorer.words
    assert fitted.head_ is scorer.head
    assert (fitted.aggregation_, fitted.max_length_) == ("mean", 96)


def test_the_attributes_cannot_be_set(fitted):
    with pytest.raises(AttributeError):
        fitted.head_ = None


def test_before_fit_there_is_no_attribute():
    assert not any(hasattr(PromptClassifier(), name) for name in [*OF_SCORER, "scorer_"])


def test_a_state_holds_the_fields_and_not_the_scorer(fitted):
    state = fitted.__getstate__()

    assert set(OF_SCORER) < state.keys()
    assert "scorer_" not in state


def test_a_state_makes_the_scorer_again(fitted):
    again = pickle.loads(pickle.dumps(fitted))

    assert vars(again).keys() == vars(fitted).keys()
    np.testing.assert_array_equal(again.predict_proba(["a game"]), fitted.predict_proba(["a game"]))


def test_the_state_of_an_unfitted_classifier_is_its_parameters():
    clf = PromptClassifier()

    assert clf.__getstate__() == clf.get_params(deep=False)
