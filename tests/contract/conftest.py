"""Each estimator in turn, before and after it was fitted."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
from sklearn.base import clone

from fewshot.classifiers.automatic import offers
from fewshot.classifiers.base import TextClassifier
from tests.tiny_estimators import ESTIMATORS, X, Y, fit


@pytest.fixture(scope="module", autouse=True)
def _classifier_tries_few_costly_voices(request) -> Iterator[None]:
    """Leave out of Classifier what is checked here as an estimator of its own."""
    kept = getattr(request.module, "COSTLY", ["full"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(offers, "COSTLY", [v for v in offers.COSTLY if v.name in kept])
        yield


@pytest.fixture(scope="module", params=list(ESTIMATORS))
def estimator(request) -> TextClassifier:
    return ESTIMATORS[request.param]()


@pytest.fixture(scope="module")
def fitted(estimator) -> TextClassifier:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit(clone(estimator), X, Y)
