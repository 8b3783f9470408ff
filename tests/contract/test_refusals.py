"""What estimators refuse to learn from: before any work, with a message, staying as they were."""

from __future__ import annotations

import socket

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from fewshot import PromptClassifier, Unlabeled
from fewshot.errors import FewShotError, HubError, InputError
from tests.contract.refusing import assert_refused
from tests.tiny_estimators import ESTIMATORS, X, Y, has_words, is_meta, with_settings

_METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]

pytestmark = pytest.mark.filterwarnings("ignore::fewshot.errors.FewShotWarning")


# ---- Texts, labels and weights ----------------------------------------------------------------

_BAD = {
    "a bare string": ({"X": "one text"}, "X is a sequence of texts"),
    "no texts": ({"X": [], "y": []}, "X is empty|needs some labelled texts"),
    "a missing text": ({"X": [*X[:-1], None]}, "None or NaN in row 9"),
    "NaN": ({"X": [*X[:-1], np.nan]}, "None or NaN in row 9"),
    "a number": ({"X": [*X[:-1], 3]}, "string in every row, but not in row 9"),
    "fewer labels": ({"y": Y[:-1]}, "differ in length"),
    "one class": ({"y": ["sports"] * 10}, "two|2 classes|one class"),
    "mixed labels": ({"y": [*Y[:-1], 1]}, "all str or all int"),
    "blank labels": ({"y": ["", *Y[1:9], "  "]}, "the label is '' in rows 0, 9, as an empty"),
    "mixed bools": ({"y": [True, 2] * 5}, "all bool"),
    "a cube of labels": ({"y": np.zeros((10, 2, 2))}, r"one label for each text"),
    "a matrix of no label": ({"y": np.zeros((10, 2))}, r"no text has the label 0|one label"),
    "too few weights": ({"sample_weight": [1.0]}, "sample_weight is 10 finite numbers"),
    "negative weights": ({"sample_weight": [-1.0] * 10}, "sample_weight is 10 finite numbers"),
    "no weight": ({"sample_weight": [0.0] * 10}, "weight|needs some labelled texts"),
}


@pytest.mark.parametrize("case", list(_BAD))
def test_bad_input_is_refused(fitted, case):
    data, message = _BAD[case]

    assert_refused(fitted, FewShotError, message, **data)


@pytest.mark.parametrize("blank", ["", " "])
def test_a_blank_label_is_not_scored(fitted, blank):
    with pytest.raises(InputError, match="row"):
        fitted.score(X, [*Y[:-1], blank])


def test_a_score_is_of_the_texts_that_have_a_label(fitted):
    some, weights = [*Y[:6], *[None] * 4], [*range(10)]

    assert fitted.score(X, some) == fitted.score(X[:6], Y[:6])
    assert fitted.score(X, some, weights) == pytest.approx(fitted.score(X[:6], Y[:6], range(6)))
    with pytest.raises(InputError, match="no row of y has a label"):
        fitted.score(X, [None] * 10)
    with pytest.raises(InputError, match="no row of y has a label"):
        fitted.score(X, some, [0.0] * 6 + [1.0] * 4)


@pytest.mark.parametrize(
    ("y", "weights", "message"),
    [
        (Y[:3], None, "differ in length"),
        (None, None, "y is a sequence of labels|target y is None|no row of y has a label"),
        ("sports", None, "y is a sequence of labels"),
        (set(Y), None, "y is a sequence of labels"),
        ([1, "sports"] * 5, None, "all str or all int"),
        ([0.5] * 10, None, "labels are str or int"),
        ([1] * 10, None, "fitted to labels such as '(sports|politics)', and y holds 1: pass"),
        (Y, [1.0] * 3, "sample_weight is 10 finite numbers"),
        (Y, [np.nan] * 10, "sample_weight is 10 finite numbers.* got nan in row 0"),
    ],
    ids=["short", "None", "str", "set", "mixed", "floats", "ints", "few weights", "NaN"],
)
def test_what_cannot_be_scored_by_is_refused(fitted, y, weights, message):
    with pytest.raises(InputError, match=message):
        fitted.score(X, y, sample_weight=weights)


def test_a_column_that_equals_the_labels_is_no_text(estimator):
    table = pd.DataFrame({"body": X, "topic": Y})
    clf = clone(estimator)
    if has_words(clf):
        with_settings(clf, template="{body} {topic} {mask}")

    assert_refused(clf, InputError, "the column 'topic' of X equals y", X=table, y=table["topic"])


def test_after_a_refusal_an_unfitted_estimator_is_still_unfitted(estimator):
    clf = clone(estimator)

    assert_refused(clf, InputError, "None or NaN in row 0", X=[None, *X[1:]])

    with pytest.raises(NotFittedError):
        clf.predict(X)


@pytest.mark.parametrize("bad", ["one text", [], [None], [3], [("a", "b")]], ids=repr)
def test_bad_texts_are_refused_in_prediction(fitted, bad):
    for method in [*_METHODS, "transform"] if hasattr(fitted, "transform") else _METHODS:
        with pytest.raises(FewShotError, match=r"X|text"):
            getattr(fitted, method)(bad)


def test_labels_are_needed_where_something_is_learned(estimator):
    clf = with_settings(clone(estimator), labels=["politics", "sports"])
    if is_meta(clf) or not clf.__sklearn_tags__().target_tags.required:
        pytest.skip("learns without labels")

    for y in (None, [None] * 10):
        assert_refused(clf, FewShotError, "requires y|no row of y has a label|no text has a", y=y)


def test_a_label_that_was_not_named_is_refused(estimator):
    clf = with_settings(clone(estimator), labels=["politics", "animal"])

    assert_refused(clf, FewShotError, "sports")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("ab", r"labels is a list of all labels.* got 'ab'"),
        (3, r"labels is a list of all labels.* got 3"),
        (["politics", 1], r"labels all of str, of int or of bool, got \['politics', 1\]"),
        (["politics", "sports", "politics"], "the label 'politics' is duplicated"),
        (["politics", None], "a label is a str or an int, got NoneType"),
        (["politics", " "], "a label is not blank, got ' '"),
    ],
)
def test_labels_that_cannot_be_classes_are_refused(estimator, labels, message):
    assert_refused(with_settings(clone(estimator), labels=labels), FewShotError, message)


def test_weights_that_cannot_be_used_are_refused(estimator):
    if isinstance(estimator, PromptClassifier) and estimator.tuning == "none":
        pytest.skip("zero-shot has no use for them")

    nothing = {"sports": 0.0, "politics": 0.0}
    for class_weight in ("even", {"animal": 1.0}, {"sports": -1.0}, {"sports": "x"}, nothing):
        clf = with_settings(clone(estimator), class_weight=class_weight)
        assert_refused(clf, FewShotError, "class_weight", is_early=False)


# ---- The hub ----------------------------------------------------------------------------------


def test_a_hub_id_fails_offline_without_a_connection(estimator, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("asked"))
    if not is_meta(estimator) and "model" not in estimator.get_params():
        pytest.skip("has no model")
    clf = with_settings(clone(estimator), model="some-lab/no-such-model")

    assert_refused(clf, HubError, "'some-lab/no-such-model' is not in the local cache")


# ---- Unlabelled texts -------------------------------------------------------------------------


@pytest.fixture(params=["pet", "list", "pcp"])
def learner(request):
    return ESTIMATORS[request.param]().set_params(estimator__labels=["politics", "sports"])


_ONE = "all labelled texts are of one class, 'sports'"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"unlabeled": None}, r"learns from unlabelled texts; pass unlabeled=Unlabeled"),
        ({"unlabeled": Unlabeled(())}, "unlabeled holds no text to learn from"),
        ({"unlabeled": Unlabeled(["", "  "])}, "unlabeled holds no text to learn from"),
        ({"unlabeled": Unlabeled(X)}, "all 10 are blank or labelled"),
        ({"unlabeled": Unlabeled(["a text", 3])}, "row 1"),
        ({"unlabeled": "a text"}, "sequence or stream of texts"),
        ({"X": X[:5], "y": Y[:5]}, _ONE),
        ({"sample_weight": [1.0] * 5 + [0.0] * 5}, _ONE),
        ({"X": None}, "y was passed without X"),
        ({"y": [*Y[:9], "animal"]}, "animal"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_data_that_teach_nothing_are_refused(learner, data, message):
    assert_refused(learner, InputError, message, **data)


def test_an_empty_stream_is_refused(learner):
    message = "unlabeled holds no text to learn from"

    assert_refused(learner, InputError, message, unlabeled=Unlabeled(iter([])))
