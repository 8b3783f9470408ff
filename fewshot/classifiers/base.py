"""What all text classifiers share: predicting from class scores, saving, warnings."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from fewshot.errors import CollapseWarning, TruncationWarning, warn_user
from fewshot.saving.estimators import save_estimator

if TYPE_CHECKING:
    from fewshot.models.masked_lm import MaskedLM


_COLLAPSED_SHARE = 0.9
_COLLAPSE_MIN = 20  # predictions; fewer may well be of one class


class TextClassifier(ClassifierMixin, BaseEstimator):
    """Base of the classifiers of this package.

    A subclass learns in ``fit``, sets ``classes_``, and scores classes in :meth:`_class_scores`.
    """

    classes_: npt.NDArray[Any]  # int64 or object: labels are int or str

    @abstractmethod
    def _class_scores(self, X: Any) -> npt.NDArray[np.float64]:
        """Return unnormalised log-probabilities, [n, n_classes]."""

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Predict the class of each text.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame
            See :func:`~fewshot.data.examples.read_examples`.

        Returns
        -------
        ndarray of shape (n,)
            Labels of the type that was given: str or int.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InputError
            If `X` is a bare string, or texts are missing or not strings.
        """
        check_is_fitted(self)
        best = self._class_scores(X).argmax(1)
        _warn_collapse(best, self.classes_)
        labels: npt.NDArray[Any] = self.classes_[best]
        return labels

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Predict probabilities of the classes.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame

        Returns
        -------
        ndarray of shape (n, n_classes)
            Rows sum to 1; columns are in the order of ``classes_``.
        """
        check_is_fitted(self)
        proba: npt.NDArray[np.float64] = softmax(self._class_scores(X), axis=1)
        return proba

    def predict_log_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Predict logarithms of the probabilities; see :meth:`predict_proba`."""
        check_is_fitted(self)
        log_proba: npt.NDArray[np.float64] = log_softmax(self._class_scores(X), axis=1)
        return log_proba

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """Score the classes.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame

        Returns
        -------
        ndarray of shape (n, n_classes), or (n,) for two classes
            Unnormalised log-probabilities; for two classes the log-odds of the second.
        """
        check_is_fitted(self)
        scores = self._class_scores(X)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def save(self, folder: str | Path, *, backbone: str | Path | MaskedLM | None = None) -> None:
        """Save the fitted estimator as safetensors and JSON; see :func:`fewshot.load`.

        Parameters
        ----------
        folder : str or Path
            A new folder, or one that holds a saved estimator, which is replaced. It is written
            aside and renamed, so that it is never half there.
        backbone : str, Path or MaskedLM, optional
            The model that this was tuned from, which is left out: only the tensors that tuning
            changed or added are saved, and ``fewshot.load(folder, model=backbone)`` needs it
            again. ``"fewshot-mini"`` is left out anyway.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        PersistenceError
            If the folder holds something else, a parameter cannot be saved, or this was not tuned
            from `backbone`.
        """
        check_is_fitted(self)
        save_estimator(self, Path(folder), backbone)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


def warn_truncated(
    n_truncated: int, n_texts: int, max_length: int, advice: str = "raise max_length"
) -> None:
    """Warn once that texts were shortened."""
    if n_truncated:
        warn_user(
            f"{n_truncated} of {n_texts} texts were shortened to fit {max_length} tokens; {advice}",
            TruncationWarning,
        )


def _warn_collapse(best: npt.NDArray[np.int64], classes: npt.NDArray[Any]) -> None:
    if len(best) < _COLLAPSE_MIN:
        return
    counts = np.bincount(best, minlength=len(classes))
    if counts.max() >= _COLLAPSED_SHARE * len(best):
        warn_user(
            f"{classes[counts.argmax()]!r} takes {counts.max()} of {len(best)} predictions. If "
            "the texts are not all of this class: calibrate (calibration='domain' with some "
            "unlabelled texts in fit), try other label words or another template",
            CollapseWarning,
        )
