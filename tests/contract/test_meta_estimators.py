"""Every meta-estimator of scikit-learn that takes a classifier, with string labels."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from sklearn.base import RegressorMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import all_estimators

from fewshot import TfidfClassifier
from fewshot.errors import InputError, LabelWordWarning
from tests.tiny_estimators import ESTIMATORS, X, Y, prompt, tiny_lm

WORDS = {"politics": "law", "sports": "goal"}
ROWS = np.arange(len(X))[:, None]
X3 = [*X, "animal", "the animal", "an animal of the world", "animal and player", "a team animal"]
Y3 = np.array([*Y, *["animal"] * 5], dtype=object)
WORDS3 = WORDS | {"animal": "animal"}
LM = tiny_lm()
CLASSIFIERS = {
    "zero-shot": lambda: prompt("none", model=LM, verbalizer=WORDS),
    "head": lambda: prompt(model=LM, verbalizer=WORDS),
    "head of names": lambda: prompt(model=LM, labels=["sports", "politics"]),
    "head without words": lambda: prompt(model=LM),
    "tfidf": TfidfClassifier,
    "tfidf of names": lambda: TfidfClassifier(labels=["sports", "politics"]),
    "fine-tune": ESTIMATORS["fine-tune"],
    "setfit": lambda: ESTIMATORS["setfit"]().set_params(max_pairs=4),
}

pytestmark = [
    pytest.mark.filterwarnings("ignore::fewshot.errors.FewShotWarning"),
    pytest.mark.filterwarnings("ignore:The total space of parameters"),
]


def texts_of_rows(clf, texts=X):
    """Let a classifier read numbers of rows, where scikit-learn takes nothing but numbers."""
    return make_pipeline(FunctionTransformer(lambda rows: [texts[int(r[0])] for r in rows]), clf)


def column(texts) -> np.ndarray:
    """Return texts as a matrix of one column, where scikit-learn takes nothing but matrices."""
    return np.array(texts, dtype=object)[:, None]


# For each: its settings, the form of X, and where the first fitted classifier is.
_FIRST = "estimators_"
_TAKEN = {
    "AdaBoostClassifier": ({"n_estimators": 1}, column, _FIRST),
    "BaggingClassifier": ({"n_estimators": 1, "bootstrap": False}, column, _FIRST),
    "CalibratedClassifierCV": ({"ensemble": False, "cv": 2}, list, "calibrated_classifiers_"),
    "FixedThresholdClassifier": ({}, list, "estimator_"),
    "GridSearchCV": ({"param_grid": {}, "cv": 2}, list, "best_estimator_"),
    "MultiOutputClassifier": ({}, list, _FIRST),
    "OneVsRestClassifier": ({}, list, _FIRST),
    "RandomizedSearchCV": ({"param_distributions": {}, "cv": 2}, list, "best_estimator_"),
    "StackingClassifier": ({"cv": 2}, list, _FIRST),
    "TunedThresholdClassifierCV": ({"cv": 2}, list, "estimator_"),
    "VotingClassifier": ({}, list, _FIRST),
}
_OF_NUMBERS = {"ClassifierChain", "OneVsOneClassifier", "SelfTrainingClassifier"}
_OF_FEATURES = {"RFE", "RFECV", "SelectFromModel", "SequentialFeatureSelector"}
_OTHERS = {"FrozenEstimator", "OutputCodeClassifier"}
# Their decisions are those of the one classifier that they hold.
_SAME = _TAKEN.keys() - {
    "CalibratedClassifierCV",
    "StackingClassifier",
    "TunedThresholdClassifierCV",
}


def parameters(kind) -> set[str]:
    return {"estimator", "estimators"} & inspect.signature(kind.__init__).parameters.keys()


KINDS = {
    name: kind
    for name, kind in all_estimators()
    if parameters(kind) and not issubclass(kind, RegressorMixin)
}


def make(name, clf, **settings):
    kind = KINDS[name]
    (parameter,) = parameters(kind)
    return kind(**{parameter: clf if parameter == "estimator" else [("a", clf)]}, **settings)


def test_no_meta_estimator_is_missed():
    known = _TAKEN.keys() | _OF_NUMBERS | _OF_FEATURES | _OTHERS

    assert {name for name in KINDS if not name.endswith("Regressor")} == known


@pytest.fixture(params=CLASSIFIERS)
def clf(request):
    return CLASSIFIERS[request.param]()


@pytest.mark.parametrize("name", _TAKEN)
def test_the_classifier_inside_learns_the_same_classes(clf, name):
    settings, form, place = _TAKEN[name]
    y = np.array([Y, Y[::-1]]).T if name == "MultiOutputClassifier" else np.array(Y)
    if name == "AdaBoostClassifier" and clone(clf).fit(X, Y).score(X, Y) <= 0.5:
        pytest.skip("AdaBoostClassifier refuses what is no better than chance")

    meta = make(name, clf, **settings).fit(form(X), y)

    inner = getattr(meta, place)
    inner = inner[0] if isinstance(inner, list) else inner
    inner = getattr(inner, "estimator", inner) if place.startswith("calibrated") else inner
    seed = {"random_state": inner.random_state} if hasattr(inner, "random_state") else {}
    plain = clone(clf).set_params(**seed).fit(X, Y)
    if name in ("OneVsRestClassifier", "VotingClassifier", "StackingClassifier"):
        assert inner.classes_.tolist() == [0, 1]
    # With the names as numbers, a classifier without words is the one that differs.
    has_same_words = getattr(inner, "verbalizer_", "none") is not None
    if has_same_words:
        proba = inner.predict_proba(X)
        np.testing.assert_allclose(proba, plain.predict_proba(X), atol=1e-5)
    predicted = np.asarray(meta.predict(form(X)))
    if predicted.ndim > 1:
        predicted = predicted[:, 0]
    assert set(predicted) <= set(Y)
    if name in _SAME and has_same_words:
        assert predicted.tolist() == plain.predict(X).tolist()


@pytest.mark.parametrize("name", sorted(_OF_NUMBERS))
def test_where_nothing_but_numbers_is_taken_they_stand_for_rows(clf, name):
    y = np.array([Y, Y]).T if name == "ClassifierChain" else np.array(Y, dtype=object)
    with pytest.raises(ValueError, match=r"Expected 2D|could not convert string"):
        make(name, clone(clf)).fit(X, y)

    if name == "ClassifierChain":
        y = (y == "sports").astype(int)  # it takes no other labels
    meta = make(name, texts_of_rows(clf)).fit(ROWS, y)

    predicted = np.asarray(meta.predict(ROWS))
    if name == "ClassifierChain":
        predicted = np.array(["politics", "sports"])[predicted[:, 0].astype(int)]
    if getattr(clf, "verbalizer", None) is not None or "model" not in clf.get_params():
        assert predicted.tolist() == clone(clf).fit(X, Y).predict(X).tolist()


@pytest.mark.parametrize("name", sorted(_OF_FEATURES))
def test_what_selects_columns_of_numbers_has_no_use_for_texts(clf, name):
    with pytest.raises(ValueError, match=r"Expected 2D|coef_|dtype|reshape"):
        make(name, clf).fit(X, Y).transform(X)


def test_a_frozen_classifier_stays_as_it_is(clf):
    fitted = clone(clf).fit(X, Y)

    frozen = make("FrozenEstimator", fitted).fit(X, Y[::-1])

    assert frozen.predict(X).tolist() == fitted.predict(X).tolist()


def test_classes_that_are_marked_by_minus_one_are_refused(clf):
    with pytest.raises(InputError, match=r"-1 count as unlabelled.*use OneVsRest|Numbers, which"):
        OutputCodeClassifier(clf, random_state=0, code_size=2).fit(X, Y)


# ---- Three classes ----------------------------------------------------------------------------


@pytest.fixture(params=["zero-shot", "head", "head of names", "tfidf", "tfidf of names"])
def three(request):
    clf = CLASSIFIERS[request.param]()
    if request.param in ("zero-shot", "head"):
        return clf.set_params(verbalizer=WORDS3, name_weight=0)
    return clf.set_params(labels=list(WORDS3)) if request.param.endswith("names") else clf


@pytest.mark.parametrize("voting", ["hard", "soft"])
def test_votes_are_those_of_the_names(three, voting):
    expected = clone(three).fit(X3, Y3).predict(X3)

    meta = VotingClassifier([("a", three)], voting=voting).fit(X3, Y3)

    assert meta.predict(X3).tolist() == expected.tolist()


def test_probabilities_of_folds_have_the_columns_of_the_sorted_names(three):
    folds = StratifiedKFold(5)

    proba = cross_val_predict(three, X3, Y3, cv=folds, method="predict_proba")

    for train, test in folds.split(X3, Y3):
        texts, labels = [X3[i] for i in train], Y3[train]
        expected = clone(three).fit(texts, labels).predict_proba([X3[i] for i in test])
        np.testing.assert_allclose(proba[test], expected, atol=1e-6)


@pytest.mark.parametrize("ensemble", [True, False])
def test_what_is_calibrated_keeps_the_names(three, ensemble):
    meta = CalibratedClassifierCV(three, cv=5, ensemble=ensemble).fit(X3, Y3)

    assert meta.classes_.tolist() == sorted(WORDS3)
    assert meta.score(X3, Y3) >= 1 / 3  # moved names would be worse than chance


def test_a_stack_learns_from_the_probabilities_of_the_names(three):
    meta = StackingClassifier([("a", three)], cv=5).fit(X3, Y3)

    expected = clone(three).fit(X3, Y3).predict_proba(X3)
    np.testing.assert_allclose(meta.transform(X3), expected, atol=1e-6)


def test_numbers_that_stand_for_names_are_warned_of():
    for clf in (prompt(model=LM, verbalizer=WORDS), TfidfClassifier(labels=list(WORDS))):
        with pytest.warns(LabelWordWarning, match=r"0 to 1 stand for \['politics', 'sports'\], so"):
            clf.fit(X, [1] * 5 + [0] * 5)


@pytest.mark.parametrize("kind", [OneVsRestClassifier, OneVsOneClassifier])
def test_two_classes_at_a_time_are_not_taken_for_two_of_the_names(three, kind):
    is_ovo = kind is OneVsOneClassifier
    rows = np.arange(len(X3))[:, None] if is_ovo else X3
    meta = kind(texts_of_rows(three, X3) if is_ovo else three)
    if three.get_params().get("verbalizer") is None and three.labels is None:
        assert meta.fit(rows, Y3).score(rows, Y3) == 1.0
        return

    with pytest.raises(InputError, match=r"unknown; known are .*leave out labels= and words"):
        meta.fit(rows, Y3)

    changes = {"labels": None} | ({"verbalizer": None} if hasattr(three, "verbalizer") else {})
    plain = clone(three).set_params(**changes)
    if getattr(plain, "tuning", None) != "none":  # which learns nothing
        meta = kind(texts_of_rows(plain, X3) if is_ovo else plain).fit(rows, Y3)
        assert meta.score(rows, Y3) > 0.5


def test_names_that_are_not_in_y_are_not_numbered():
    clf = prompt(model=LM, verbalizer=WORDS3)

    with pytest.raises(InputError, match=r"if all 3 are in y, else name those of y with labels="):
        VotingClassifier([("a", clf)]).fit(X, Y)
    assert (
        VotingClassifier([("a", clf.set_params(labels=list(WORDS)))]).fit(X, Y).predict(X)[0] in Y
    )


def test_int_labels_of_which_the_last_are_missing_are_warned_of():
    clf = prompt("none", model=LM, verbalizer={0: "animal", 1: "law", 2: "goal"})

    with pytest.warns(LabelWordWarning, match=r"\[0, 1\] of \[0, 1, 2\].*0 to n-1"):
        VotingClassifier([("a", clf)]).fit(X, [2] * 5 + [1] * 5)
