"""A test-only adapter, so that scikit-learn's checks of classifiers run on a text classifier.

`check_estimator` skips nearly everything for an estimator of texts. Behind `NumericAdapter` it
sees a classifier of numbers: each row becomes a text of one word per column, such as
"f0b3 f1b2", whose words are whole tokens of the tiny models.
"""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from fewshot import Unlabeled
from tests.tiny_models import N_BINS, numeric_word

if TYPE_CHECKING:
    from typing_extensions import Self

# Whole words of every tiny tokenizer, in alphabetical order so that `classes_` keeps its order.
LABEL_WORDS = (  # noqa: SIM905
    "animal bank business election football government market money movie music "
    "person plant politics science software sports stock technology vote world"
).split()

# Before 1.8 scikit-learn allows weights that are all zero anyway.
_IS_TOLD = "allow_all_zero_weights" in signature(_check_sample_weight).parameters
_ZEROS = {"allow_all_zero_weights": True} if _IS_TOLD else {}


def tfidf_baseline() -> Pipeline:
    """Make the cheapest text classifier, which shows that the adapter itself is sound."""
    return make_pipeline(TfidfVectorizer(), LogisticRegression(C=100.0, max_iter=1000))


def _estimator_has(method: str) -> Any:  # what `available_if` takes
    def check(adapter: NumericAdapter) -> bool:
        estimator = getattr(adapter, "estimator_", adapter.estimator)
        return estimator is None or hasattr(estimator, method)

    return check


class NumericAdapter(ClassifierMixin, BaseEstimator):
    """Classify rows of numbers with a text classifier.

    Parameters
    ----------
    estimator : a text classifier, cloned in `fit`; TF-IDF and logistic regression if None.
    n_unlabeled : rows near those of `X` that are passed to the text classifier without labels.
    label_words : names given to the classes, in order, before the text classifier sees them, for
        those that need labels that are words (`LABEL_WORDS` suits the tiny models). None leaves
        the labels as they are.
    class_weight : passed on, by the names of the classes.
    """

    def __init__(
        self,
        estimator: BaseEstimator | None = None,
        label_words: Sequence[str] | None = None,
        n_unlabeled: int = 0,
        class_weight: str | dict[Any, float] | None = None,
    ) -> None:
        self.estimator = estimator
        self.label_words = label_words
        self.n_unlabeled = n_unlabeled
        self.class_weight = class_weight

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        numbers, targets = validate_data(self, X, y)
        check_classification_targets(targets)
        given = _check_sample_weight(sample_weight, numbers, **_ZEROS)
        weights = given if given.any() else np.ones(len(given))
        self.classes_ = np.unique(targets[weights > 0])
        self.mean_ = np.average(numbers, 0, weights)
        scale = np.sqrt(np.average((numbers - self.mean_) ** 2, 0, weights))
        self.scale_ = np.where(scale > 0, scale, 1.0)
        names = dict(zip(self.classes_.tolist(), self._names(), strict=True))
        labels = [names.get(target) for target in targets.tolist()]
        more = self._more_texts(numbers)
        if sample_weight is not None:
            more["sample_weight"] = given
        self.estimator_ = self._weighted(names).fit(self._texts(numbers), labels, **more)
        # The column of each of our classes among the text classifier's.
        positions = {label: column for column, label in enumerate(self.estimator_.classes_)}
        self.columns_ = np.array([positions[name] for name in names.values()])
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        texts = self._check(X)
        indices = {name: index for index, name in enumerate(self._names())}
        return self.classes_[[indices[label] for label in self.estimator_.predict(texts)]]

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        texts = self._check(X)
        return self.estimator_.predict_proba(texts)[:, self.columns_]

    @available_if(_estimator_has("decision_function"))
    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        texts = self._check(X)
        scores = self.estimator_.decision_function(texts)
        if scores.ndim == 1:
            return scores if self.columns_[0] == 0 else -scores
        return scores[:, self.columns_]

    def _weighted(self, names: dict[Any, Any]) -> BaseEstimator:
        """Return a clone of the text classifier with weights of its classes."""
        estimator = tfidf_baseline() if self.estimator is None else clone(self.estimator)
        if self.class_weight is None:
            return estimator
        weights = self.class_weight
        if not isinstance(weights, str):
            weights = {names[label]: weight for label, weight in weights.items()}
        path = next(name for name in estimator.get_params() if name.endswith("class_weight"))
        return estimator.set_params(**{path: weights})

    def _check(self, X: ArrayLike) -> list[str]:
        check_is_fitted(self)
        return self._texts(validate_data(self, X, reset=False))

    def _more_texts(self, numbers: NDArray[np.float64]) -> dict[str, Any]:
        if not self.n_unlabeled:
            return {}
        rng = np.random.default_rng(0)
        rows = numbers[rng.integers(0, len(numbers), self.n_unlabeled)]
        moved = rows + 0.3 * self.scale_ * rng.normal(size=rows.shape)
        texts = [  # equal texts would count once, and rows do not
            f"{text}{' ' * n}{text}" for n, text in enumerate(self._texts(moved), start=1)
        ]
        return {"unlabeled": Unlabeled(texts)}

    def _names(self) -> NDArray[Any]:
        if self.label_words is None:
            return self.classes_
        return np.array(self.label_words[: len(self.classes_)], dtype=object)

    def _texts(self, numbers: NDArray[np.float64]) -> list[str]:
        """Write each row as words; bins are half a standard deviation wide around the mean."""
        middle = N_BINS // 2
        scaled = np.rint(2 * (numbers - self.mean_) / self.scale_)
        bins = np.clip(scaled, -middle, middle).astype(int) + middle  # [n, features]
        return [" ".join(numeric_word(f, b) for f, b in enumerate(row)) for row in bins]


class LabelSetsAdapter(NumericAdapter):
    """Classify rows of numbers that have several labels, given as indicators."""

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        numbers = validate_data(self, X)
        self.mean_, scale = numbers.mean(0), numbers.std(0)
        self.scale_ = np.where(scale > 0, scale, 1.0)
        names = list(LABEL_WORDS[: np.shape(y)[1]])
        estimator = clone(self.estimator).set_params(labels=names)
        more = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.estimator_ = estimator.fit(self._texts(numbers), y, **more)
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        return self.estimator_.predict(self._check(X))

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        return self.estimator_.predict_proba(self._check(X))

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        return self.estimator_.decision_function(self._check(X))
