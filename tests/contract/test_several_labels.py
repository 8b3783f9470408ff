"""What every classifier promises that takes several labels for a text."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.sparse import csr_matrix, issparse
from sklearn.base import clone
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.preprocessing import MultiLabelBinarizer
from sklearn.utils.fixes import parse_version

import fewshot
from fewshot import Classifier, PromptClassifier
from fewshot.errors import FewShotError, InputError
from tests.contract.refusing import assert_refused
from tests.tiny_estimators import ESTIMATORS, X, fit, is_meta, with_settings

LABELS = ["football", "politics", "sports"]
Y = [
    ["sports", "football"], ["sports"], ["football", "sports"], ["sports"], [],
    ["politics"], ["politics"], [], ["politics"], ["politics", "sports"],
]  # fmt: skip
MATRIX = MultiLabelBinarizer().fit_transform(Y)
NEW = ["the football player", "a law", "", "🎉 日本 [MASK]", "vote vote vote goal"]
COSTLY: list[str] = []  # voices of Classifier; tests/classifiers/automatic has one that is tuned
REFUSE = {"prompt-contrastive": "score classes by their distance"}

pytestmark = pytest.mark.filterwarnings("ignore::fewshot.errors.FewShotWarning")


def takes_several(name: str) -> bool:
    return name not in REFUSE and ESTIMATORS[name]().__sklearn_tags__().classifier_tags.multi_label


TAKE = [name for name in ESTIMATORS if takes_several(name)]


def has_threshold(clf) -> bool:
    return not is_meta(clf)


@pytest.fixture(scope="module", params=TAKE)
def estimator(request):
    return with_settings(ESTIMATORS[request.param](), labels=LABELS)


@pytest.fixture(scope="module")
def fitted(estimator):
    return fit(clone(estimator), X, Y)


# ---- What comes out ---------------------------------------------------------------------------


def test_probabilities_of_labels_are_independent(fitted):
    proba = fitted.predict_proba(NEW)

    assert fitted.classes_.tolist() == LABELS
    assert proba.dtype == np.float64
    assert proba.shape == (5, 3)
    assert ((proba > 0) & (proba < 1)).all()
    assert not np.allclose(proba.sum(1), 1.0)


def test_all_predictions_agree(fitted):
    proba, thresholds = fitted.predict_proba(NEW), fitted.thresholds_

    assert thresholds.shape == (3,)
    assert ((thresholds > 0) & (thresholds < 1)).all()
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(NEW)), proba, atol=1e-12)
    expected = np.log(proba / (1 - proba)) - np.log(thresholds / (1 - thresholds))
    np.testing.assert_allclose(fitted.decision_function(NEW), expected, atol=1e-6)
    expected = [[LABELS[i] for i in np.flatnonzero(row >= thresholds)] for row in proba]
    assert fitted.predict(NEW) == expected


@pytest.mark.parametrize(
    ("y", "as_matrix"),
    [
        (MATRIX, np.asarray),
        (MATRIX.tolist(), np.asarray),
        (pd.DataFrame(MATRIX, columns=LABELS), np.asarray),
        (csr_matrix(MATRIX), lambda y: y.toarray()),
        ([tuple(row) for row in Y], MultiLabelBinarizer(classes=LABELS).fit_transform),
        ([set(row) for row in Y], MultiLabelBinarizer(classes=LABELS).fit_transform),
    ],
    ids=["matrix", "rows", "frame", "sparse", "tuples", "sets"],
)
def test_predictions_have_the_form_of_y(estimator, fitted, y, as_matrix):
    clf = fit(clone(estimator), X, y)

    np.testing.assert_allclose(clf.predict_proba(NEW), fitted.predict_proba(NEW), atol=1e-6)
    predicted = clf.predict(NEW)
    expected = (fitted.decision_function(NEW) >= 0).astype(int)
    assert np.array_equal(as_matrix(predicted), expected)
    assert issparse(predicted) == issparse(y)
    if isinstance(y, list) and not isinstance(y[0], list):
        assert {type(row) for row in predicted} == {type(y[0])}


def test_the_score_is_the_share_of_texts_that_are_all_right(fitted):
    predicted = fitted.predict(X)
    expected = np.mean([set(a) == set(b) for a, b in zip(predicted, Y, strict=True)])

    for y in (Y, iter(Y), MATRIX, pd.DataFrame(MATRIX[:, ::-1], columns=LABELS[::-1])):
        assert fitted.score(X, y) == pytest.approx(expected)
    assert fitted.score(X, [*Y[:6], *[None] * 4]) == fitted.score(X[:6], Y[:6])
    with pytest.raises(InputError, match="fitted to several labels for each text"):
        fitted.score(X, ["sports"] * 10)


def test_order_duplicates_and_other_texts_do_not_matter(fitted):
    proba = fitted.predict_proba(NEW)

    for rows in ([4, 3, 2, 1, 0], [0], [1, 1, 1]):
        found = fitted.predict_proba([NEW[row] for row in rows])
        np.testing.assert_allclose(found, proba[rows], rtol=0, atol=1e-7)


# ---- What goes in -----------------------------------------------------------------------------


def test_texts_whose_labels_are_not_known_are_no_texts_without_labels(estimator):
    if isinstance(estimator, (Classifier, PromptClassifier)) or is_meta(estimator):
        pytest.skip("learns from texts without labels, too")

    rows = [*X, "football football"]
    without = clone(estimator).fit(X, Y)

    unknown = clone(estimator).fit(rows, [*Y, None])
    none = clone(estimator).fit(rows, [*Y, []])

    assert np.array_equal(unknown.predict_proba(NEW), without.predict_proba(NEW))
    assert not np.allclose(none.predict_proba(NEW), without.predict_proba(NEW))


def test_a_named_label_that_no_text_has_keeps_its_column(estimator):
    clf = with_settings(clone(estimator), labels=[*LABELS, "election"])

    proba = fit(clf, X, Y).predict_proba(NEW)

    assert clf.classes_.tolist() == ["election", *LABELS]
    assert np.isfinite(proba).all()
    assert clf.thresholds_.shape == (4,)


def test_class_weights_multiply_the_odds(estimator, fitted):
    weighted = fit(with_settings(clone(estimator), class_weight={"politics": 100.0}), X, Y)

    proba, before = weighted.predict_proba(NEW), fitted.predict_proba(NEW)
    odds = before / (1 - before) * [1.0, 100.0, 1.0]
    np.testing.assert_allclose(proba, odds / (1 + odds), rtol=1e-6)


def test_thresholds_that_are_set_decide(estimator):
    if not has_threshold(estimator):
        pytest.skip("takes them from its estimator")

    by_label = {"football": 0.9, "politics": 1e-9, "sports": 1 - 1e-9}
    one = fit(clone(estimator).set_params(threshold=0.4), X, Y)
    each = fit(clone(estimator).set_params(threshold=by_label), X, Y)

    assert one.thresholds_.tolist() == [0.4] * 3
    assert each.thresholds_.tolist() == list(by_label.values())
    assert all("politics" in row and "sports" not in row for row in each.predict(X))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.eye(3)[[0, 1] * 5] * 2, "holds 0 and 1, got 2"),
        (MATRIX[:, :2], "y has 2 columns, and 3 labels are named"),
        ([*Y[:-1], ["animal"]], r"\['animal'\], which are unknown"),
        ([*Y[:-1], "sports"], r"collections of labels, but not in row 9"),
        ([*Y[:-1], [1]], "all str or all int"),
        (Y[:-1], "differ in length"),
        (MATRIX[:-1], "differ in length"),
    ],
    ids=["not 0 and 1", "columns", "unknown", "mixed", "types", "short", "short matrix"],
)
def test_bad_labels_are_refused(fitted, y, message):
    assert_refused(fitted, FewShotError, message, y=y)


def test_labels_that_nobody_has_are_refused(estimator):
    clf = with_settings(clone(estimator), labels=None)

    wider = np.column_stack([MATRIX, np.zeros(10, dtype=int)])
    if not getattr(clf, "verbalizer", None):
        assert_refused(clf, FewShotError, "no text has the label 3", y=wider)


def test_texts_without_any_label_teach_nothing(estimator):
    if getattr(estimator, "tuning", None) == "none":
        pytest.skip("learns nothing from labels")

    assert_refused(estimator, FewShotError, "empty set of labels", y=[[]] * 10)
    assert_refused(estimator, FewShotError, "empty set of labels", y=np.zeros((10, 3)))


def test_settings_for_one_label_are_refused(estimator):
    if getattr(estimator, "tuning", None) != "none":
        clf = with_settings(clone(estimator), class_weight="balanced")
        assert_refused(clf, FewShotError, "class_weight='balanced'", y=Y)
    if not has_threshold(estimator):
        return
    for threshold in (0.0, 1, "many", {"sports": 0.5}, [0.5] * 3, np.nan):
        clf = clone(estimator).set_params(threshold=threshold)
        assert_refused(clf, FewShotError, "threshold is 'auto', a number between 0 and 1", y=Y)
    clf = clone(estimator).set_params(threshold=0.5, labels=["politics", "sports"])
    assert_refused(clf, FewShotError, "threshold= is for texts with several labels")


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name not in TAKE])
def test_those_that_learn_one_label_say_so(name):
    message = REFUSE.get(name, "learns one label for each text.* use PromptClassifier")

    assert_refused(ESTIMATORS[name](), InputError, message, y=Y)


def test_wordings_are_compared_by_one_class_only():
    clf = ESTIMATORS["prompt-none"]().set_params(labels=LABELS).fit(X, Y)

    with pytest.raises(InputError, match="gives texts several labels"):
        fewshot.template_sensitivity(clf, X, ["{text} is {mask}."])


# ---- Copies, and scikit-learn -----------------------------------------------------------------


def test_copies_and_saved_folders_predict_the_same_to_the_last_bit(fitted, tmp_path):
    fitted.save(tmp_path / "model")

    for twin in (
        fewshot.load(tmp_path / "model"),
        pickle.loads(pickle.dumps(fitted)),
        copy.deepcopy(fitted),
    ):
        assert np.array_equal(twin.predict_proba(NEW), fitted.predict_proba(NEW))
        assert np.array_equal(twin.thresholds_, fitted.thresholds_)
        assert twin.predict(NEW) == fitted.predict(NEW)


def test_it_is_cross_validated_by_metrics_of_several_labels(estimator):
    scorings = ["f1_macro"]
    if parse_version(sklearn.__version__) >= parse_version("1.8"):  # older: for nameless labels
        scorings.append("average_precision")
    for scoring in scorings:
        scores = cross_val_score(
            clone(estimator), X, MATRIX, cv=2, scoring=scoring, error_score="raise"
        )
        assert np.isfinite(scores).all()


def test_thresholds_are_searched(estimator):
    if not has_threshold(estimator):
        pytest.skip("takes them from its estimator")

    search = GridSearchCV(
        clone(estimator),
        {"threshold": ["auto", 0.3]},
        cv=2,
        scoring="f1_samples",
        error_score="raise",
    ).fit(X, MATRIX)

    assert search.predict(X).shape == (10, 3)


@pytest.mark.parametrize("name", ["tfidf", "embedding"])
def test_a_classifier_for_each_label_takes_texts(name):
    texts = np.array(X, dtype=object)

    clf = MultiOutputClassifier(ESTIMATORS[name]()).fit(texts, MATRIX)

    assert f1_score(MATRIX, clf.predict(texts), average="macro") > 0.5


def test_a_probability_that_is_the_threshold_is_enough(estimator, fitted):
    if not has_threshold(estimator):
        pytest.skip("takes them from its estimator")
    proba = fitted.predict_proba(X)

    for row in range(len(X)):
        clf = copy.copy(fitted)
        clf.thresholds_ = proba[row]
        assert clf.predict(X)[row] == LABELS
        assert ((clf.decision_function(X) >= 0) == (proba >= proba[row])).all()
