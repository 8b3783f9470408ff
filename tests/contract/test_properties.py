"""Whatever is passed: an error of the library, or probabilities that keep its promises.

Sixty cases by default; thousands with ``FEWSHOT_EXAMPLES=5000``. Estimators that take long to fit
get a share of them.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from typing import get_args

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.exceptions import PolarsError
from pyarrow import ArrowException
from scipy.sparse import csr_matrix
from sklearn.base import clone

from fewshot import PromptClassifier, TfidfClassifier, load
from fewshot.errors import FewShotError
from fewshot.scoring.aggregation import Aggregation
from fewshot.scoring.calibration import Calibration
from fewshot.tuning import Full
from tests.tiny_estimators import ESTIMATORS, more_texts, tiny_lm

_N_EXAMPLES = int(os.environ.get("FEWSHOT_EXAMPLES", "60"))
_IS_FIXED = "FEWSHOT_EXAMPLES" not in os.environ
_LM = tiny_lm()
_SHARES = {  # of the examples, by what a fit takes
    **{"tfidf": 1.0, "prompt-none": 0.4, "prompt-head": 0.2, "embedding": 0.2, "prompt-soft": 0.1},
    **{"fine-tune": 0.1, "prompt-full": 0.05, "prompt-contrastive": 0.05, "prompt-lora": 0.05},
    **{"prompt-bitfit": 0.05, "prompt-sciprompt": 0.05, "list": 0.05, "pcp": 0.05, "pet": 0.03},
    **{"setfit": 0.03, "classifier": 0.03},
}
_NEW = ["football vote", "", "a law of the world"]

pytestmark = pytest.mark.filterwarnings("ignore")

_words = st.sampled_from("football vote law goal team government sports politics".split())  # noqa: SIM905
_texts = st.one_of(
    st.lists(_words, max_size=5).map(" ".join),
    st.text(max_size=20),
    st.sampled_from(["[MASK]", "{text}", "\x00", "\ud800", "🎉", "a" * 2000]),
)


def _mostly(good, odd):
    """Draw a usable value nine times out of ten: most cases should reach a fit."""
    return st.integers(0, 9).flatmap(lambda case: odd if case == 9 else good)


_odd = st.one_of(st.none(), st.integers(), st.floats(), st.booleans(), st.binary(max_size=3))
_rows = _mostly(
    st.lists(_texts.filter(lambda text: text != "\ud800"), min_size=2, max_size=8),
    st.one_of(
        st.lists(st.tuples(_texts, _texts), min_size=2, max_size=4),
        st.lists(st.fixed_dictionaries({"text": _texts}), min_size=1, max_size=4),
        st.lists(st.one_of(_texts, _odd, st.lists(_texts, max_size=2)), max_size=6),
    ),
)
_names = st.sampled_from(["sports", "politics"])
_labels = st.one_of(
    _names,
    st.sampled_from([0, 1]),
    st.sampled_from(["sports", "politics", "animal", None]),
    st.one_of(st.text(max_size=8), st.integers(), _odd),
)
_good = st.floats(1e-3, 1e3)
_weights = st.one_of(_good, st.just(0.0), st.floats(), st.integers(-1, 3))
_templates = _mostly(
    st.sampled_from([None, "{text} {mask}", "{mask}: {text}", "{text:bare} was {mask}."]),
    st.one_of(
        st.lists(
            st.sampled_from(
                ["{text}", "{mask}", "{sep}", "{soft:2}", "{b:whole}", " it ", "{", "}"]
            ),
            max_size=5,
        ).map("".join),
        st.text(max_size=12),
    ),
)
_verbalizers = _mostly(
    st.sampled_from([None, {"sports": ["football", "goal"], "politics": "vote"}]),
    st.one_of(
        st.just({0: "football", 1: ["vote", "law"]}),
        st.dictionaries(
            _labels, st.one_of(_texts, st.lists(st.one_of(_words, _texts), max_size=3)), max_size=3
        ),
    ),
)
_class_weights = _mostly(
    st.one_of(st.none(), st.just("balanced"), st.dictionaries(_names, _good, min_size=1)),
    st.one_of(st.text(max_size=3), st.dictionaries(_labels, _weights)),
)
_class_priors = _mostly(
    st.sampled_from([None, "uniform", {"sports": 0.9, "politics": 0.1}]),
    st.dictionaries(_labels, _weights),
)


@st.composite
def _estimators(draw):
    class_weight = draw(_class_weights)
    if draw(st.booleans()):
        return TfidfClassifier(class_weight=class_weight)
    return PromptClassifier(
        draw(_templates),
        draw(_verbalizers),
        model=_LM,
        tuning=draw(st.sampled_from(["none", "head", Full(num_epochs=1)])),
        calibration=draw(st.sampled_from(get_args(Calibration))),
        aggregation=draw(st.sampled_from(["auto", *get_args(Aggregation)])),
        multi_token=draw(st.sampled_from(["mean", "masks"])),
        class_weight=class_weight,
        class_prior=draw(_class_priors),
        max_length=64,
        random_state=0,
        verbose=0,
    )


@st.composite
def _cases(draw):
    """Draw texts and as many labels and weights, mostly; labels are of one kind, mostly."""
    X = draw(_rows)
    n_labels = len(X) + draw(_mostly(st.just(0), st.just(1)))
    more = st.lists(_names, min_size=n_labels - 2, max_size=n_labels - 2)
    good = more.map(lambda labels: ["sports", "politics", *labels]).flatmap(st.permutations)
    odd = st.lists(_labels, min_size=n_labels, max_size=n_labels)
    y = draw(_mostly(good if n_labels > 1 else odd, st.one_of(st.none(), odd)))
    of_rows = draw(_mostly(st.just(st.one_of(_good, st.just(0.0))), st.just(_weights)))
    weights = st.lists(of_rows, min_size=len(X), max_size=len(X))
    return X, y, draw(st.one_of(st.none(), weights))


def _examples(share=1.0):
    return settings(
        max_examples=max(1, round(share * _N_EXAMPLES)),
        derandomize=_IS_FIXED,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@_examples()
@given(_estimators(), _cases(), st.one_of(st.just(_NEW), _rows))
def test_there_is_an_error_of_the_library_or_the_promises_hold(clf, case, new):
    X, y, weights = case
    try:
        clf.fit(X, y, sample_weight=weights)
        found = clf.predict_proba(new)
    except FewShotError:
        return

    n_classes = len(clf.classes_)
    assert found.shape == (len(new), n_classes)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(1), 1.0)
    assert clf.predict(new).tolist() == clf.classes_[found.argmax(1)].tolist()
    np.testing.assert_allclose(clf.predict_proba(new[::-1])[::-1], found, atol=1e-7)
    _check_other_orders_and_scales(clf, X, y, weights, new, found)


def _check_other_orders_and_scales(clf, X, y, weights, new, found):
    reverse = None if y is None else y[::-1]
    back = None if weights is None else weights[::-1]
    clf.fit(X[::-1], reverse, sample_weight=back)
    np.testing.assert_allclose(clf.predict_proba(new), found, atol=1e-3)
    if weights is not None and all(w == 0 or 1e-3 <= w <= 1e3 for w in weights):
        clf.fit(X, y, sample_weight=[8 * weight for weight in weights])
        np.testing.assert_array_equal(clf.predict_proba(new), found)


def test_about_half_of_the_cases_are_fitted():
    outcomes = []

    @settings(max_examples=60, derandomize=True, deadline=None, database=None)
    @given(_estimators(), _cases())
    def tried(clf, case):
        X, y, weights = case
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                clf.fit(X, y, sample_weight=weights)
            outcomes.append("fitted")
        except FewShotError:
            outcomes.append("refused")

    tried()

    assert 20 < outcomes.count("fitted") < 55


# ---- All estimators, one label or several, in the containers that there are -------------------


def _object_array(values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _plain(texts):
    """Return texts as they are; rows of several fields are no column."""
    if not all(isinstance(text, str) for text in texts):
        raise TypeError
    return texts


_texts_in = st.sampled_from(
    [
        *(list, tuple, iter, _object_array, np.array, pl.Series, pa.array),
        lambda texts: pd.Series(texts, index=range(5, 5 + len(texts))),
        lambda texts: pd.Series(_plain(texts), dtype="string"),  # else of how rows are shown
        lambda texts: pd.DataFrame({"text": _plain(texts)}),
        lambda texts: pl.DataFrame({"text": _plain(texts)}),
        lambda texts: pa.table({"text": _plain(texts)}),
    ]
)
_labels_in = st.sampled_from(
    [
        *(list, tuple, iter, _object_array, np.array, pd.Index, pl.Series, pa.array, pd.array),
        lambda labels: pd.Series(labels, index=range(len(labels), 0, -1)),
        lambda labels: pd.Series(pd.Categorical(labels, [*dict.fromkeys(labels), "unused"])),
        lambda labels: pd.DataFrame({"label": labels}),
        lambda labels: pl.DataFrame({"label": labels}),
    ]
)
_sets_in = st.sampled_from(
    [
        *(list, tuple, iter, _object_array, pd.Series, pl.Series, pa.array, np.array, csr_matrix),
        lambda rows: [set(row) for row in rows],
        lambda rows: pd.DataFrame(rows, columns=[f"label {i}" for i in range(len(rows[0]))]),
        lambda rows: pl.DataFrame(np.array(rows), [f"label {i}" for i in range(len(rows[0]))]),
    ]
)
_other_labels = st.sampled_from(
    [{"sports": 1, "politics": 0}, {"sports": True, "politics": False}, {"sports": "⚽"}]
)
_topics = st.sampled_from(["sports", "politics", "animal"])
_label_rows = st.one_of(
    st.lists(_topics, max_size=3, unique=True),
    _mostly(
        st.lists(_topics, min_size=1, max_size=2, unique=True),
        st.one_of(st.none(), st.lists(_labels, max_size=3)),
    ),
)
_flags = st.lists(_mostly(st.sampled_from([0, 1]), _odd), min_size=3, max_size=3)


def _in(container, rows):
    """Put rows into a container, which refuses some of them."""
    try:
        return container(rows)
    except (TypeError, ValueError, IndexError, OverflowError, ArrowException, PolarsError):
        return rows


@st.composite
def _contained_cases(draw):
    """Draw texts, labels and weights in all containers; a third have several labels."""
    X, y, weights = draw(_cases())
    labels_in, others = draw(_labels_in), draw(_mostly(st.just({}), _other_labels))
    y = y and [others.get(label, label) for label in y]
    if draw(st.integers(0, 2)) == 2:
        kind = draw(st.sampled_from([_label_rows, _flags]))
        y, labels_in = draw(st.lists(kind, min_size=len(X), max_size=len(X))), draw(_sets_in)
    return _in(draw(_texts_in), X), y if y is None else _in(labels_in, y), weights


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_every_estimator_keeps_its_promises_or_has_an_error_of_the_library(name):
    estimator = ESTIMATORS[name]()
    more = more_texts(estimator)

    @_examples(_SHARES[name])
    @given(_contained_cases(), st.one_of(st.just(_NEW), _rows), _texts_in, st.integers(0, 4))
    def tried(case, new, container, number):
        X, y, weights = case
        clf = clone(estimator)
        try:
            clf.fit(X, y, sample_weight=weights, **more)
            found = clf.predict_proba(new)
        except FewShotError:
            return

        _check_probabilities(clf, found, len(new))
        _check_predictions(clf, new, found)
        np.testing.assert_allclose(clf.predict_proba(new[::-1])[::-1], found, atol=1e-6)
        np.testing.assert_allclose(clf.predict_proba(new[:1]), found[:1], atol=1e-6)
        np.testing.assert_allclose(clf.predict_proba(_in(container, new)), found, atol=1e-6)
        if number == 4:
            _check_saved(clf, new, found)

    tried()


def _check_probabilities(clf, found, n_texts):
    assert found.shape == (n_texts, len(clf.classes_))
    assert len(set(clf.classes_.tolist())) == len(clf.classes_) >= 2
    assert np.isfinite(found).all()
    assert ((found >= 0) & (found <= 1)).all()
    if clf.thresholds_ is None:
        np.testing.assert_allclose(found.sum(1), 1.0)


def _check_saved(clf, new, found):
    with tempfile.TemporaryDirectory() as folder:
        clf.save(f"{folder}/clf")
        loaded = load(f"{folder}/clf")
    assert loaded.classes_.tolist() == clf.classes_.tolist()
    np.testing.assert_array_equal(loaded.predict_proba(new), found)


def _check_predictions(clf, new, found):
    predicted, classes = clf.predict(new), clf.classes_.tolist()
    if clf.thresholds_ is None:
        assert predicted.tolist() == [classes[best] for best in found.argmax(1)]
        return
    taken = clf.decision_function(new) >= 0
    if hasattr(predicted, "shape"):
        rows = predicted if isinstance(predicted, np.ndarray) else predicted.toarray()
        assert (rows == taken).all()
    else:
        named = [{label for label, has in zip(classes, row, strict=True) if has} for row in taken]
        assert [set(row) for row in predicted] == named
