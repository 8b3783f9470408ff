"""The TF-IDF baseline."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline

from fewshot.classifiers.tfidf import TfidfClassifier
from fewshot.errors import InputError

TEXTS = ["a great film", "an awful film", "great fun", "awful, just awful", "great", "bad film"]
LABELS = ["pos", "neg", "pos", "neg", "pos", "neg"]


def test_probabilities_are_those_of_the_scikit_learn_pipeline():
    pipeline = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b"),
        LogisticRegression(C=10.0, max_iter=1000),
    ).fit(TEXTS, LABELS)

    clf = TfidfClassifier().fit(TEXTS, LABELS)

    unseen = ["a great awful thing", "film film film", "nothing known", ""]
    assert clf.predict_proba(unseen) == pytest.approx(pipeline.predict_proba(unseen), abs=1e-6)


def test_fitted_attributes():
    clf = TfidfClassifier().fit(TEXTS, LABELS)

    assert clf.coef_.shape == (len(clf.vocabulary_), 2)
    assert clf.history_ == []
    assert clf.fields_ == ["text"]
    assert clf.ngram_range_ == (1, 2)


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


def test_fields_of_pairs_are_joined_and_found_by_name():
    frame = pd.DataFrame({"title": ["great", "awful"] * 2, "body": ["film", "film"] * 2})

    clf = TfidfClassifier().fit(frame, ["pos", "neg"] * 2)

    assert clf.predict([{"body": "film", "title": "awful", "more": "x"}]).tolist() == ["neg"]
    with pytest.raises(InputError, match="the field 'title' is missing"):
        clf.predict([{"body": "film"}])


def test_model_selection_works_on_lists_of_texts():
    search = GridSearchCV(TfidfClassifier(), {"ngram_range": [(1, 1), (1, 2)]}, cv=2)

    assert search.fit(TEXTS, LABELS).predict(["great"]).tolist() == ["pos"]
    assert len(cross_val_predict(TfidfClassifier(), TEXTS, LABELS, cv=3)) == 6


def test_a_text_of_unknown_words_has_none_of_several_labels():
    labels = [["pos", "fun"], ["neg"], ["pos", "fun"], ["neg"], ["pos"], ["neg"]]

    clf = TfidfClassifier().fit(TEXTS, labels)

    assert clf.predict(["zzz qqq", "", "great fun"])[:2] == [[], []]
    assert (clf.thresholds_ > clf.predict_proba([""])[0]).all()


def test_a_label_of_all_texts_is_predicted_for_all():
    labels = [[label, "film"] for label in LABELS]

    clf = TfidfClassifier().fit(TEXTS, labels)

    assert clf.score(TEXTS, labels) == 1.0
    assert clf.predict(["zzz qqq"]) == [["film"]]
