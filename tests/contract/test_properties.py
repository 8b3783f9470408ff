"""Whatever is passed: an error of the library, or probabilities that keep its promises.

Sixty cases by default; thousands with ``FEWSHOT_EXAMPLES=5000``.
"""

from __future__ import annotations

import os
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fewshot import PromptClassifier, TfidfClassifier
from fewshot.errors import FewShotError
from fewshot.tuning import Full
from tests.tiny_estimators import tiny_lm

_N_EXAMPLES = int(os.environ.get("FEWSHOT_EXAMPLES", "60"))
_LM = tiny_lm()
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
        calibration=draw(st.sampled_from(["auto", "none", "contextual", "domain", "pmi"])),
        aggregation=draw(st.sampled_from(["auto", "mean", "max", "logsumexp"])),
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


@settings(
    max_examples=_N_EXAMPLES,
    derandomize="FEWSHOT_EXAMPLES" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
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
