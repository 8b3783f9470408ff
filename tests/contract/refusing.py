"""The check that a fit is refused as every refusal should be."""

from __future__ import annotations

import copy

import pytest
from sklearn.base import clone

from fewshot.errors import FewShotError
from tests.tiny_estimators import X, Y, fit, is_meta


def counts(clf):
    """Return what the language model has encoded; a sentence encoder counts nothing."""
    while is_meta(clf) and hasattr(clf.estimator, "get_params"):
        clf = clf.estimator
    return copy.copy(getattr(getattr(clf, "model", None), "counts", None))


def changed(fitted, params):
    """Return a fitted estimator with other settings, none of which are those of `fitted`."""
    other = clone(fitted).set_params(**params)
    return copy.copy(fitted).set_params(**other.get_params(deep=False))


def assert_refused(clf, kind, message, *, is_early=True, **data):
    """Check that a fit is refused, before any text is encoded, and that nothing learned is lost."""
    attributes, before = dict(vars(clf)), counts(clf)

    with pytest.raises(kind, match=message) as caught:
        fit(clf, **({"X": X, "y": Y} | data))

    assert isinstance(caught.value, FewShotError)
    assert isinstance(caught.value, (ValueError, OSError))
    assert vars(clf).keys() == attributes.keys()
    assert all(vars(clf)[name] is value for name, value in attributes.items())
    assert counts(clf) == before or not is_early
