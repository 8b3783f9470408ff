"""What labelled texts say of words at the mask; what all verbalizers that learn from them share."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import fewshot
from fewshot import PromptClassifier, Verbalizer
from fewshot.data.examples import Examples
from fewshot.errors import VerbalizerError
from fewshot.knowledge import LMBFFVerbalizer, PetalVerbalizer, VerbalizerTask
from fewshot.knowledge.labelled import (
    LabelledStates,
    class_means,
    labelled_states,
    log_odds,
    whole_words,
)
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from fewshot.scoring.label_words import word_ids

TEXTS = [
    "the football team", "a player and a goal", "football match", "the market price", "stock price",
    "a bank and the market", "the team of the football match", "money of the bank",
]  # fmt: skip
Y = ["sports"] * 3 + ["business"] * 3 + ["sports", "business"]
FINDERS = [PetalVerbalizer(2, n_candidates=20), LMBFFVerbalizer(5, beam_size=5)]


def task_of(lm, weights=(1.0, 1.0, 1.0)) -> VerbalizerTask:
    return VerbalizerTask(
        ("a", "b"),
        lm,
        Template("{text} is {mask}."),
        64,
        examples=Examples({"text": ["the market", "the goal", "a price"]}),
        targets=np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]),
        sample_weight=np.array(weights),
    )


def classifier(lm, verbalizer, **settings) -> PromptClassifier:
    options = {"tuning": "none", "calibration": "domain", "random_state": 0, "verbose": 0}
    return PromptClassifier(verbalizer=verbalizer, model=lm, **options | settings)


def test_class_means_are_those_of_the_models_own_probabilities(lm, tiny_bert):
    task = task_of(lm, weights=(1.0, 1.0, 3.0))
    tokens = torch.tensor([5, 40, 41])

    means, odds = class_means(lm, labelled_states(task, "it"), tokens)

    model, tokenizer = tiny_bert
    probabilities = []
    for text in task.examples.columns["text"]:
        batch = tokenizer(f"{text} is {tokenizer.mask_token}.", return_tensors="pt")
        at = (batch["input_ids"][0] == tokenizer.mask_token_id).nonzero()[0, 0]
        with torch.no_grad():
            probabilities.append(model(**batch).logits[0, at].double().softmax(-1)[tokens].numpy())
    p = np.stack(probabilities)
    share = np.array([[0.25, 0.0, 0.75], [0.0, 1.0, 0.0]])
    np.testing.assert_allclose(means, share @ np.log(p), atol=1e-4)
    np.testing.assert_allclose(odds, share @ (np.log(p) - np.log(1 - p)), atol=1e-4)


def test_texts_without_label_are_left_out(lm):
    states = labelled_states(task_of(lm, weights=(1.0, 2.0, 0.0)), "it")

    assert states.shares.tolist() == [[1.0, 0.0], [0.0, 2.0]]
    assert states.mask.shape == (2, 1, lm.state_size)


def test_shares_of_a_class_sum_to_one():
    states = LabelledStates(torch.zeros(3, 1, 2), torch.tensor([[1.0, 0], [3.0, 0], [0, 2.0]]))

    assert states.class_shares.tolist() == [[0.25, 0.0], [0.75, 0.0], [0.0, 1.0]]


def test_log_odds_of_a_certain_word_are_finite():
    found = log_odds(torch.tensor([0.0, np.log(0.5), np.log(0.2)], dtype=torch.float64))

    assert found.isfinite().all()
    assert found[1:].tolist() == pytest.approx([0.0, np.log(0.25)], abs=1e-9)


@pytest.mark.parametrize("family", ["tiny_bert", "tiny_roberta", "tiny_xlm_roberta"])
def test_candidates_are_one_token_inside_a_sentence(family, request):
    model, tokenizer = request.getfixturevalue(family)

    words, tokens = whole_words(MaskedLM(model, tokenizer, device="cpu"))

    assert {"football", "no"} <= set(words)
    assert not {"f", "."} & set(words)
    assert [word_ids(word, tokenizer) for word in words] == [[token] for token in tokens.tolist()]


# ---- What all that learn from labelled texts share ---------------------------------------------


@pytest.mark.parametrize("finder", FINDERS, ids=str)
@pytest.mark.parametrize("tuning", ["none", "head", fewshot.tuning.BitFit(num_epochs=1)], ids=str)
def test_a_classifier_finds_its_words_in_fit(finder, tuning, lm, tmp_path):
    clf = classifier(lm, finder, tuning=tuning).fit(TEXTS, Y)

    clf.save(tmp_path / "model")

    assert type(clf.verbalizer_) is Verbalizer
    assert clf.verbalizer_.labels == ("business", "sports")
    assert vars(finder) == finder.get_params()
    proba = clf.predict_proba(TEXTS)
    for other in (fewshot.load(tmp_path / "model"), pickle.loads(pickle.dumps(clf))):
        assert other.get_params()["verbalizer"].get_params() == finder.get_params()
        assert other.verbalizer_ == clf.verbalizer_
        np.testing.assert_array_equal(other.predict_proba(TEXTS), proba)


@pytest.mark.parametrize("finder", FINDERS, ids=str)
def test_the_words_used_again_give_the_same_probabilities(finder, lm):
    found = classifier(lm, finder).fit(TEXTS, Y)

    again = classifier(lm, finder.resolve(TEXTS, Y, model=lm)).fit(TEXTS, Y)

    np.testing.assert_array_equal(found.predict_proba(TEXTS), again.predict_proba(TEXTS))


@pytest.mark.parametrize("finder", FINDERS, ids=str)
def test_names_of_labels_play_no_part(finder, lm):
    numbers = [int(label == "sports") for label in Y]

    named, numbered = (finder.resolve(TEXTS, y, model=lm) for y in (Y, numbers))

    assert numbered == named.rename({"business": 0, "sports": 1})


@pytest.mark.parametrize("finder", FINDERS, ids=str)
def test_texts_without_labels_change_nothing(finder, lm):
    alone = finder.resolve(TEXTS, Y, model=lm)

    mixed = finder.resolve([*TEXTS, "a film"], [*Y, None], model=lm)

    assert mixed == alone


@pytest.mark.parametrize("finder", FINDERS, ids=str)
def test_without_labels_there_is_an_error(finder, lm):
    clf = classifier(lm, finder, labels=["business", "sports"])

    with pytest.raises(VerbalizerError, match=r"Verbalizer learns from labelled texts, and fit"):
        clf.fit(TEXTS)
    with pytest.raises(VerbalizerError, match=r"SciPromptVerbalizer find words"):
        clf.fit()
    assert not hasattr(clf, "classes_")


@pytest.mark.parametrize("finder", FINDERS, ids=str)
def test_a_class_without_labelled_text_is_named(finder, lm):
    clf = classifier(lm, finder, labels=["business", "film", "sports", "world"])

    with pytest.raises(VerbalizerError, match=r"each class, and there is none of \['film', 'wor"):
        clf.fit(TEXTS, Y)


@pytest.mark.parametrize("finder", FINDERS, ids=str)
def test_one_class_cannot_be_told_apart(finder, lm):
    with pytest.raises(VerbalizerError, match="there is only 'business'"):
        finder.resolve(TEXTS, ["business"] * 8, model=lm)


def test_settings_are_searched(lm):
    clf = classifier(lm, PetalVerbalizer(n_candidates=30))

    search = GridSearchCV(clf, {"verbalizer__n_words": [1, 4]}, cv=2).fit(TEXTS, Y)

    n_words = search.best_params_["verbalizer__n_words"]
    assert search.best_estimator_.verbalizer_.coverage == {"business": n_words, "sports": n_words}
    assert clf.verbalizer.n_words == 10
    assert clone(clf).set_params(verbalizer__n_words=3).verbalizer.n_words == 3
