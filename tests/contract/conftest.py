"""Each estimator in turn, before and after it was fitted."""

from __future__ import annotations

import warnings

import pytest
from sklearn.base import clone

from fewshot.classifiers.base import TextClassifier
from tests.tiny_estimators import ESTIMATORS, X, Y, fit


@pytest.fixture(scope="module", params=list(ESTIMATORS))
def estimator(request) -> TextClassifier:
    return ESTIMATORS[request.param]()


@pytest.fixture(scope="module")
def fitted(estimator) -> TextClassifier:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit(clone(estimator), X, Y)
