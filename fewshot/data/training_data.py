"""What was passed to ``fit``, checked: examples, labels, weights, classes and targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import DataConversionWarning

from fewshot.data.examples import Examples, Labels, read_examples, read_labels
from fewshot.errors import InputError, warn_user


class TrainingData(NamedTuple):
    """Checked input of ``fit``.

    Parameters
    ----------
    examples : Examples
    labels : Labels
    sample_weight : ndarray of shape (n,)
    """

    examples: Examples
    labels: Labels
    sample_weight: npt.NDArray[np.float64]


def read_training_data(
    X: Any, y: Any, sample_weight: Any, fields: Sequence[str] | None = None
) -> TrainingData:
    """Check what was passed to ``fit``.

    Parameters
    ----------
    X : sequence of texts
        See :func:`~fewshot.data.examples.read_examples`.
    y : sequence of str or int
        See :func:`~fewshot.data.examples.read_labels`; a column vector is flattened with a warning.
    sample_weight : sequence of float, optional
    fields : sequence of str, optional
        The fields that are needed.

    Returns
    -------
    TrainingData

    Raises
    ------
    InputError
        If `X`, `y` or `sample_weight` cannot be used, or differ in length.
    """
    examples = read_examples(X, fields)
    labels = read_labels(_flat(y), len(examples))
    return TrainingData(examples, labels, _weights(sample_weight, len(examples)))


def _flat(y: Any) -> Any:
    shape: tuple[int, ...] = getattr(y, "shape", ())
    if len(shape) == 2 and shape[1] == 1:
        warn_user(
            "A column-vector y was passed when a 1d array was expected; it is flattened",
            DataConversionWarning,
        )
        return np.asarray(y).ravel()
    if len(shape) > 1:
        raise InputError(f"y is one label for each text, got an array of shape {tuple(shape)}")
    return y


def _weights(sample_weight: Any, n_examples: int) -> npt.NDArray[np.float64]:
    if sample_weight is None:
        return np.ones(n_examples)
    expected = f"sample_weight is {n_examples} finite numbers, 0 or more and not all 0"
    try:
        weights = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{expected}, one for each text: {error}") from error
    if weights.shape != (n_examples,) or not _are_weights(weights):
        raise InputError(f"{expected}, one for each text; got shape {weights.shape}")
    return weights


def _are_weights(values: npt.NDArray[np.float64]) -> bool:
    return bool(np.isfinite(values).all() and (values >= 0).all() and values.any())
