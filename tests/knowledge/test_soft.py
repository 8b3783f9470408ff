"""Vectors and prototypes in place of words."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

import fewshot
from fewshot import PCPClassifier, PETClassifier, Unlabeled, Verbalizer
from fewshot.errors import FewShotError, ModelError, VerbalizerError
from fewshot.knowledge import PetalVerbalizer, PrototypeVerbalizer, SoftVerbalizer
from fewshot.knowledge.soft import fit_vectors
from fewshot.models.masked_lm import MaskedLM
from fewshot.scoring.prototypes import LabelEmbeddings, prototypes_of
from fewshot.tuning import BitFit, Full, Perfect, SoftPrompt
from tests.knowledge.test_labelled import TEXTS, Y, classifier
from tests.tiny_models import tiny_deberta_v2_tied

WORDS = {"business": {"market": 3.0, "money": 1.0}, "sports": ["football", "goal", "team"]}
MOST = 1e6  # a C that leaves the regression free


def vectors_of(clf) -> np.ndarray:
    return clf.label_words_.vectors.numpy()


# ---- Soft: what it starts as -------------------------------------------------------------------


@pytest.mark.parametrize("calibration", ["domain", "none"])
def test_without_labels_vectors_score_as_their_words(calibration, lm):
    # The mean of the rows of words makes the mean of their logits; without calibration only the
    # words' biases are missing, which calibration takes out of both.
    plain = classifier(lm, WORDS, calibration=calibration).fit(TEXTS)

    soft = classifier(
        lm, SoftVerbalizer(WORDS), calibration=calibration, labels=["business", "sports"]
    ).fit(TEXTS)

    is_same = np.allclose(soft.predict_proba(TEXTS), plain.predict_proba(TEXTS), atol=1e-5)
    assert is_same == (calibration == "domain")
    assert soft.verbalizer_ == Verbalizer(WORDS)


def test_vectors_start_as_the_weighted_mean_of_rows(lm, tiny_bert):
    model, tokenizer = tiny_bert

    soft = classifier(lm, SoftVerbalizer(WORDS, start="words")).fit(TEXTS, Y)

    words = ["market", "money", "football", "goal", "team"]
    rows = (
        model.get_output_embeddings()
        .weight.detach()[torch.tensor(tokenizer.convert_tokens_to_ids(words))]
        .numpy()
    )
    expected = np.stack([0.75 * rows[0] + 0.25 * rows[1], rows[2:].mean(0)])
    np.testing.assert_allclose(vectors_of(soft), expected, rtol=1e-6)


def test_names_of_labels_are_the_words_by_default(lm):
    soft = classifier(lm, SoftVerbalizer()).fit(TEXTS, Y)

    assert soft.verbalizer_ == Verbalizer.from_labels(["business", "sports"])


def test_words_may_be_found_in_fit(lm):
    finder = PetalVerbalizer(2, n_candidates=20)

    soft = classifier(lm, SoftVerbalizer(finder)).fit(TEXTS, Y)

    assert soft.verbalizer_ == finder.resolve(TEXTS, Y, model=lm)


# ---- Soft: what it learns ----------------------------------------------------------------------


def test_a_free_regression_is_scikit_learns():
    # Two classes, vectors from zero, equal numbers: the difference of the vectors is its coef_.
    rng = np.random.default_rng(0)
    states = rng.normal(size=(40, 3))
    y = np.arange(40) % 2
    states[:, 0] += y

    vectors = fit_vectors(states, np.eye(2)[y], np.zeros((2, 3)), C=0.5)

    center = (states[y == 0].mean(0) + states[y == 1].mean(0)) / 2
    scale = np.sqrt(((states - center) ** 2).sum(1).mean())
    # Vectors +v and -v cost 2 ||v||^2 / (2 C), their difference w = 2 v costs ||w||^2 / (4 C).
    theirs = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-8)
    theirs.fit((states - center) / scale, y)
    np.testing.assert_allclose(
        (vectors[1] - vectors[0]) * scale, theirs.coef_[0], rtol=1e-3, atol=1e-3
    )
    np.testing.assert_allclose(vectors[0], -vectors[1], atol=1e-4)


def test_a_strong_penalty_leaves_the_vectors_where_they_start():
    rng = np.random.default_rng(0)
    start = rng.normal(size=(3, 4))

    vectors = fit_vectors(rng.normal(size=(9, 4)), np.eye(3)[np.arange(9) % 3], start, C=1e-9)

    np.testing.assert_allclose(vectors, start, atol=1e-6)


def test_a_class_without_texts_keeps_its_vector():
    rng = np.random.default_rng(0)
    start = rng.normal(size=(3, 4))

    vectors = fit_vectors(rng.normal(size=(8, 4)), np.eye(3)[np.arange(8) % 2], start, C=10.0)

    np.testing.assert_array_equal(vectors[2], start[2])
    assert (vectors[:2] != start[:2]).all()


def test_a_text_of_weight_two_counts_twice():
    rng = np.random.default_rng(0)
    states, shares = rng.normal(size=(6, 4)), np.eye(2)[np.arange(6) % 2]
    start = np.zeros((2, 4))

    doubled = fit_vectors(states[[0, 0, 1, 2, 3, 4, 5]], shares[[0, 0, 1, 2, 3, 4, 5]], start, C=1)

    weight = np.array([[2.0], [1], [1], [1], [1], [1]])
    np.testing.assert_allclose(fit_vectors(states, weight * shares, start, C=1), doubled, atol=1e-5)


def test_vectors_learn_what_words_do_not_know(lm):
    wrong = {"business": ["football"], "sports": ["market"]}
    before = classifier(lm, SoftVerbalizer(wrong, start="words")).fit(TEXTS, Y)

    after = classifier(lm, SoftVerbalizer(wrong, C=MOST)).fit(TEXTS, Y)

    assert before.score(TEXTS, Y) < 1.0
    assert after.score(TEXTS, Y) == 1.0


# ---- Soft: in tuning ---------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["words", "states"])
@pytest.mark.parametrize(
    "tuning", [BitFit(num_epochs=2), Full(num_epochs=1), SoftPrompt(num_epochs=1)], ids=str
)
def test_tuning_by_gradients_moves_the_vectors(tuning, start, lm):
    verbalizer = SoftVerbalizer(WORDS, start=start)
    untuned = classifier(lm, verbalizer, calibration="none").fit(TEXTS, Y)

    tuned = classifier(lm, verbalizer, tuning=tuning, calibration="none").fit(TEXTS, Y)

    assert (vectors_of(tuned) != vectors_of(untuned)).all()
    assert not tuned.label_words_.vectors.requires_grad
    of_regressions = tuned.head_.coef.size + tuned.head_.mask.coef.size
    assert tuned.parameter_report_.n_head == vectors_of(tuned).size + of_regressions


def test_vectors_learn_at_ten_times_the_rate_and_come_back_by_the_share(lm):
    def step(share: float) -> np.ndarray:
        clf = classifier(
            lm,
            SoftVerbalizer(WORDS, start="words"),
            tuning=BitFit(1e-4, num_epochs=1, batch_size=8, interpolation=share),
        ).fit(TEXTS, Y)
        return vectors_of(clf) - start

    start = vectors_of(classifier(lm, SoftVerbalizer(WORDS, start="words")).fit(TEXTS, Y))

    # AdamW's first step is the rate itself, whatever the gradient, but for weight decay.
    assert np.abs(step(1.0)).mean() == pytest.approx(1e-3, rel=0.1)
    assert np.abs(step(0.5)).mean() == pytest.approx(5e-4, rel=0.1)


def test_vectors_of_others_stay_as_they_are(lm):
    from fewshot.knowledge import GivenTerms, SciPromptSoftVerbalizer

    terms = GivenTerms({"business": ["market"], "sports": ["goal"]})
    verbalizer = SciPromptSoftVerbalizer([terms], encoder=None)

    fixed = classifier(lm, verbalizer).fit(TEXTS, Y)
    tuned = classifier(lm, verbalizer, tuning=BitFit(num_epochs=1)).fit(TEXTS, Y)

    np.testing.assert_array_equal(vectors_of(tuned), vectors_of(fixed))


# ---- Prototypes --------------------------------------------------------------------------------


def test_prototypes_are_mean_states_and_the_nearest_wins():
    # Mean of class 0: (1, 0); of class 1: (0, 1). A state at 45 degrees is as near to both.
    states = torch.tensor([[[2.0, 0.0]], [[0.0, 0.0]], [[0.0, 1.0]], [[9.0, 9.0]]]).double()
    weights = torch.tensor([[1.0, 0], [1.0, 0], [0, 3.0], [0, 0]]).double()  # the last is in none

    found = prototypes_of(("a", "b"), states, weights)

    assert found.vectors.tolist() == [[[1.0, 0.0]], [[0.0, 1.0]]]
    scores = found.scores(torch.tensor([[[3.0, 3.0]], [[5.0, 1.0]]])).exp()
    assert scores[0].tolist() == pytest.approx([0.5, 0.5])
    assert scores[1, 0] > 0.5


def test_a_prototype_is_the_mean_mask_state_of_its_class(lm):
    clf = classifier(lm, PrototypeVerbalizer()).fit(TEXTS, Y)

    states = clf.transform(TEXTS)
    expected = [states[np.array(Y) == label].mean(0) for label in ("business", "sports")]
    np.testing.assert_allclose(clf.label_words_.vectors[:, 0].numpy(), expected, atol=1e-5)
    assert clf.verbalizer_ is None


@pytest.mark.parametrize("n_masks", [1, 2])
def test_masks_in_the_place_of_one_have_a_prototype_each(n_masks, lm):
    clf = classifier(lm, PrototypeVerbalizer(n_masks=n_masks)).fit(TEXTS, Y)

    assert clf.label_words_.vectors.shape == (2, n_masks, lm.state_size)
    assert clf.predict_proba(TEXTS).sum(1) == pytest.approx(1.0)


def test_prototypes_of_a_tuned_model_are_those_of_its_states(lm):
    tuning = Full(learning_rate=1e-3, num_epochs=3)

    clf = classifier(lm, PrototypeVerbalizer(), tuning=tuning).fit(TEXTS, Y)

    states = clf.transform(TEXTS)
    expected = [states[np.array(Y) == label].mean(0) for label in ("business", "sports")]
    np.testing.assert_allclose(clf.label_words_.vectors[:, 0].numpy(), expected, atol=1e-5)
    untuned = classifier(lm, PrototypeVerbalizer()).fit(TEXTS, Y)
    assert clf.label_words_.temperature == untuned.label_words_.temperature
    losses = [row["loss"] for row in clf.history_]
    assert losses[-1] < losses[0]


def test_tuning_pulls_states_to_prototypes_by_their_own_scores():
    vectors = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])
    states = torch.tensor([[[3.0, 4.0]]], requires_grad=True)

    scores = LabelEmbeddings(("a", "b"), vectors, 0.5).train_scores(states)

    scores[0, 0].backward()
    # -(2 - 2 cos) / 0.5 with cos = 0.6 and 0.8, as log-probabilities: differ by 2 * 0.2 / 0.5.
    assert (scores[0, 1] - scores[0, 0]).item() == pytest.approx(0.8, abs=2e-3)
    assert states.grad[0, 0, 0] > 0


def test_names_of_labels_play_no_part_in_prototypes(lm):
    numbers = [int(label == "sports") for label in Y]

    named, numbered = (classifier(lm, PrototypeVerbalizer()).fit(TEXTS, y) for y in (Y, numbers))

    np.testing.assert_array_equal(numbered.predict_proba(TEXTS), named.predict_proba(TEXTS))


# ---- What both share ---------------------------------------------------------------------------

BOTH = [SoftVerbalizer(WORDS), SoftVerbalizer(PetalVerbalizer(2)), PrototypeVerbalizer()]


@pytest.mark.parametrize("verbalizer", BOTH, ids=str)
@pytest.mark.parametrize("tuning", ["none", "head", BitFit(num_epochs=1)], ids=str)
def test_a_classifier_is_saved_and_pickled(verbalizer, tuning, lm, tmp_path):
    clf = classifier(lm, verbalizer, tuning=tuning).fit(TEXTS, Y)

    clf.save(tmp_path / "model")

    assert vars(verbalizer) == verbalizer.get_params(deep=False)
    proba = clf.predict_proba(TEXTS)
    for other in (fewshot.load(tmp_path / "model"), pickle.loads(pickle.dumps(clf))):
        np.testing.assert_array_equal(other.predict_proba(TEXTS), proba)
        np.testing.assert_array_equal(
            clone(other).set_params(model=lm).fit(TEXTS, Y).predict_proba(TEXTS), proba
        )


def test_nested_settings_are_searched(lm):
    clf = classifier(lm, SoftVerbalizer(PetalVerbalizer(n_candidates=30)))
    grid = {"verbalizer__C": [0.1, 10.0], "verbalizer__verbalizer__n_words": [1, 3]}

    search = GridSearchCV(clf, grid, cv=2).fit(TEXTS, Y)

    assert set(search.best_params_) == set(grid)
    n_words = search.best_params_["verbalizer__verbalizer__n_words"]
    assert search.best_estimator_.verbalizer_.coverage == {"business": n_words, "sports": n_words}


@pytest.mark.parametrize("verbalizer", BOTH[:2], ids=str)
def test_pet_finds_words_for_each_member(verbalizer, lm):
    pet = PETClassifier(classifier(lm, verbalizer, tuning="head"), random_state=0, verbose=0)

    pet.fit(TEXTS, Y, unlabeled=Unlabeled(["the goal and team", "money", "a vote", "the market"]))

    assert pet.predict_proba(TEXTS).sum(1) == pytest.approx(1.0)


@pytest.mark.parametrize("verbalizer", [SoftVerbalizer(WORDS), PrototypeVerbalizer()], ids=str)
def test_continued_pretraining_needs_words(verbalizer, lm):
    pcp = PCPClassifier(classifier(lm, verbalizer, tuning="head"))

    with pytest.raises(FewShotError, match=r"in place of label words|has vectors in their place"):
        pcp.fit(TEXTS, Y, unlabeled=Unlabeled(["a film", "the vote"]))


def test_prototypes_need_labels(lm):
    clf = classifier(lm, PrototypeVerbalizer(), labels=["business", "film", "sports"])

    with pytest.raises(VerbalizerError, match="PrototypeVerbalizer learns from labelled texts"):
        clf.fit(TEXTS)
    with pytest.raises(VerbalizerError, match=r"there is none of \['film'\]"):
        clf.fit(TEXTS, Y)


def test_vectors_of_labels_that_are_no_words_are_learned_from_labels_alone(lm):
    clf = classifier(lm, SoftVerbalizer()).fit(TEXTS, [0, 1] * 4)

    assert clf.verbalizer_ is None
    assert clf.score(TEXTS, [0, 1] * 4) == 1.0
    for verbalizer, y in ((SoftVerbalizer(), None), (SoftVerbalizer(start="words"), [0, 1] * 4)):
        with pytest.raises(FewShotError, match="are not words"):
            classifier(lm, verbalizer, labels=[0, 1], tuning="none").fit(TEXTS, y)


def test_vectors_need_a_decoder_with_rows():
    whole_head = MaskedLM(*tiny_deberta_v2_tied(), device="cpu")

    with pytest.raises(ModelError, match="has no row for each token"):
        classifier(whole_head, SoftVerbalizer(WORDS)).fit(TEXTS, Y)


def test_perfect_takes_no_vectors(lm):
    clf = classifier(lm, SoftVerbalizer(WORDS), tuning=Perfect(num_epochs=1)).fit(TEXTS, Y)

    assert isinstance(clf.label_words_, LabelEmbeddings)
    assert clf.verbalizer_ is None
