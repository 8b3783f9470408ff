"""The TF-IDF baseline."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from fewshot.classifiers.tfidf import TfidfClassifier
from fewshot.errors import InputError
from tests.numeric import LABEL_WORDS, NumericAdapter

TEXTS = ["a great film", "an awful film", "great fun", "awful, just awful", "great", "bad film"]
LABELS = ["pos", "neg", "pos", "neg", "pos", "neg"]


@parametrize_with_checks([NumericAdapter(TfidfClassifier(C=100.0), label_words=LABEL_WORDS)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_probabilities_are_those_of_the_scikit_learn_pipeline():
    pipeline = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b"),
        LogisticRegression(C=10.0, max_iter=1000),
    ).fit(TEXTS, LABELS)

    clf = TfidfClassifier().fit(TEXTS, LABELS)

    unseen = ["a great awful thing", "film film film", "nothing known", ""]
    expected = pipeline.predict_proba(unseen)
    assert clf.predict_proba(unseen) == pytest.approx(expected, abs=1e-6)
    assert clf.predict_proba(unseen).dtype == np.float64
    assert clf.predict_proba(unseen).sum(1) == pytest.approx(1.0)


def test_fitted_attributes():
    clf = TfidfClassifier()

    assert clf.fit(TEXTS, LABELS) is clf
    assert clf.classes_.tolist() == ["neg", "pos"]
    assert clf.coef_.shape == (len(clf.vocabulary_), 2)
    assert clf.history_ == []
    assert clf.n_truncated_ == 0
    assert clf.fields_ == ["text"]
    assert clf.ngram_range_ == (1, 2)


def test_int_labels_stay_ints():
    clf = TfidfClassifier().fit(TEXTS, [5, 3] * 3)

    assert clf.predict(["great"]).tolist() == [5]
    assert clf.classes_.dtype == np.int64


def test_single_word_vocabulary():
    clf = TfidfClassifier().fit(["yes", "yes yes", "", ""], ["y", "y", "n", "n"])

    assert clf.predict(["yes", "", "unknown"]).tolist() == ["y", "n", "n"]


@pytest.mark.parametrize("texts", [["", "", ""], ["!", "?", "🎉"]], ids=["empty", "no words"])
def test_texts_without_any_word_give_the_shares_of_the_classes(texts):
    clf = TfidfClassifier().fit(texts, ["a", "a", "b"])

    assert clf.predict_proba(["", "words"]) == pytest.approx(np.array([[2 / 3, 1 / 3]] * 2))


def test_words_of_one_letter_count():
    clf = TfidfClassifier().fit(["a", "b", "a", "b"], [0, 1, 0, 1])

    assert clf.predict(["b", "a"]).tolist() == [1, 0]


def test_unlabelled_and_weightless_rows_are_left_out():
    clf = TfidfClassifier().fit(TEXTS, LABELS)

    with_more = TfidfClassifier().fit(
        [*TEXTS, "unseen words", "great"],
        [*LABELS, None, "neg"],
        sample_weight=[1.0] * 7 + [0.0],
    )

    assert with_more.vocabulary_ == clf.vocabulary_
    assert (with_more.predict_proba(TEXTS) == clf.predict_proba(TEXTS)).all()


def test_weights_count():
    texts, labels = ["word", "word"], [0, 1]

    assert TfidfClassifier().fit(texts, labels, sample_weight=[3, 1]).predict(["word"]) == [0]
    assert TfidfClassifier().fit(texts, labels, sample_weight=[1, 3]).predict(["word"]) == [1]
    assert TfidfClassifier(class_weight={1: 3.0}).fit(texts, labels).predict(["word"]) == [1]
    balanced = TfidfClassifier(class_weight="balanced").fit(["w"] * 4, [0, 0, 0, 1])
    assert balanced.predict_proba(["w"]) == pytest.approx(np.array([[0.5, 0.5]]), abs=1e-4)


def test_labels_fix_the_classes():
    clf = TfidfClassifier(labels=["pos", "neutral", "neg"]).fit(TEXTS, LABELS)

    assert clf.classes_.tolist() == ["neg", "neutral", "pos"]
    assert clf.predict_proba(["great"])[0, 1] == pytest.approx(1e-6, rel=0.01)


def test_decision_function_of_two_classes_is_the_log_odds():
    clf = TfidfClassifier().fit(TEXTS, LABELS)

    probabilities = clf.predict_proba(TEXTS)
    expected = np.log(probabilities[:, 1] / probabilities[:, 0])
    assert clf.decision_function(TEXTS) == pytest.approx(expected)


def test_fields_of_pairs_are_joined_and_found_by_name():
    frame = pd.DataFrame({"title": ["great", "awful"] * 2, "body": ["film", "film"] * 2})

    clf = TfidfClassifier().fit(frame, ["pos", "neg"] * 2)

    assert clf.predict([{"body": "film", "title": "awful", "more": "x"}]).tolist() == ["neg"]
    with pytest.raises(InputError, match="the field 'title' is missing"):
        clf.predict([{"body": "film"}])


def test_clone_pickle_and_deepcopy():
    clf = TfidfClassifier(C=3.0).fit(TEXTS, LABELS)

    assert clone(clf).get_params() == clf.get_params()
    assert not hasattr(clone(clf), "classes_")
    for twin in (pickle.loads(pickle.dumps(clf)), copy.deepcopy(clf)):
        assert (twin.predict_proba(TEXTS) == clf.predict_proba(TEXTS)).all()


def test_model_selection_works_on_lists_of_texts():
    search = GridSearchCV(TfidfClassifier(), {"ngram_range": [(1, 1), (1, 2)]}, cv=2)

    assert search.fit(TEXTS, LABELS).predict(["great"]).tolist() == ["pos"]
    assert len(cross_val_predict(TfidfClassifier(), TEXTS, LABELS, cv=3)) == 6


@pytest.mark.parametrize(
    ("settings", "arguments", "message"),
    [
        ({}, ("great", ["pos"]), "X is a sequence of texts"),
        ({}, (["great", None], ["pos", "neg"]), "None or NaN in row 1"),
        ({}, (["great", "bad"], ["pos"]), "differ in length"),
        ({}, (["great", "bad"], ["pos", "pos"]), "2 classes at least, got 1 class"),
        (
            {"labels": ["pos", "x"]},
            (["great", "bad"], ["pos", "neg"]),
            r"labels \['neg'\].*unknown",
        ),
        ({"labels": ["pos", "x"]}, (["great"], [None]), "no text has a label"),
        ({"C": 0}, (["great", "bad"], ["pos", "neg"]), "C is positive, got 0"),
        ({"C": "x"}, (["great", "bad"], ["pos", "neg"]), "C is positive, got 'x'"),
        ({"C": np.inf}, (["great", "bad"], ["pos", "neg"]), "C is positive, got inf"),
        ({"ngram_range": (2, 1)}, (["great", "bad"], ["p", "n"]), r"pair such as \(1, 2\)"),
        ({"ngram_range": 2}, (["great", "bad"], ["p", "n"]), r"pair such as .* got 2"),
        ({"ngram_range": "ab"}, (["great", "bad"], ["p", "n"]), r"pair such as .* got 'ab'"),
        ({"ngram_range": (1, "b")}, (["great", "bad"], ["p", "n"]), r"got \(1, 'b'\)"),
        ({"class_weight": "even"}, (["great", "bad"], ["p", "n"]), "class_weight is None"),
    ],
)
def test_bad_input_is_refused_and_the_estimator_stays_as_it_was(settings, arguments, message):
    clf = TfidfClassifier().fit(TEXTS, LABELS)
    before = {name: value for name, value in vars(clf).items() if name.endswith("_")}

    clf.set_params(**settings)
    with pytest.raises(InputError, match=message):
        clf.fit(*arguments)

    after = {name: value for name, value in vars(clf).items() if name.endswith("_")}
    assert before.keys() == after.keys()
    assert all(before[name] is after[name] for name in before)


def test_predict_before_fit_is_refused():
    with pytest.raises(NotFittedError):
        TfidfClassifier().predict(TEXTS)
