"""What classifiers learn from that take labelled and unlabelled texts: checked, and parted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fewshot.classifiers.prompt import PromptClassifier
from fewshot.data.examples import Examples, read_examples
from fewshot.data.semi_supervised_data import LearningData, read_learning_data
from fewshot.data.settings import new_rng
from fewshot.data.training_data import read_training_data
from fewshot.models.fingerprint import fingerprint, model_fingerprint, settings_of
from fewshot.models.masked_lm import MaskedLM
from fewshot.training.checkpoint import Checkpoint
from fewshot.training.rounds import seed_of


def open_fit(
    settings: Any, X: Any, y: Any, sample_weight: Any, unlabeled: Any, *, fields: Sequence[str]
) -> tuple[LearningData, Checkpoint, int]:
    """Read what was passed to ``fit``, and find what an interrupted fit on it left.

    Parameters
    ----------
    settings : estimator
        With ``checkpoint_dir``, ``random_state`` and ``max_unlabeled``.
    X, y, sample_weight, unlabeled
        See :func:`read_learning_data`.
    fields : sequence of str

    Returns
    -------
    data : LearningData
    checkpoint : Checkpoint
        Of a fit with these settings on these `X` and `y`.
    seed : int
        Without a ``random_state`` that of the fit that was interrupted, if there was one.

    Raises
    ------
    CheckpointError
        If there is something else in the folder.
    InputError
        If ``random_state`` cannot be used, or a text, label or weight.
    """
    X = list(X) if isinstance(X, Iterator) else X  # which can be read once only
    state = settings.random_state
    is_kept = settings.checkpoint_dir is not None
    fit = _fit_digest(settings, X, y, sample_weight, fields) if is_kept else ""
    checkpoint = Checkpoint(settings.checkpoint_dir, fit)
    seed = checkpoint.seed(int(new_rng(state).integers(2**31)), is_fixed=state is not None)
    data = read_learning_data(
        X,
        y,
        sample_weight,
        unlabeled,
        fields=fields,
        largest=settings.max_unlabeled,
        rng=np.random.default_rng(seed_of(seed, 0)),
    )
    return data, checkpoint, seed


def fit_prompt(classifier: PromptClassifier, data: LearningData) -> PromptClassifier:
    """Fit a classifier on the labelled texts, calibrated by the others; zero-shot without labels.

    Parameters
    ----------
    classifier : PromptClassifier
        Is changed.
    data : LearningData

    Returns
    -------
    PromptClassifier
        The classifier itself.
    """
    pool = data.pool.examples.rows() if len(data.pool) else []
    if data.labelled is None:
        return classifier.set_params(tuning="none").fit(pool)
    texts, labels = data.labelled.examples.rows(), data.labelled.labels.values.tolist()
    weights = [*data.labelled.sample_weight, *np.ones(len(pool))]
    return classifier.fit([*texts, *pool], [*labels, *[None] * len(pool)], sample_weight=weights)


def _fit_digest(settings: Any, X: Any, y: Any, sample_weight: Any, fields: Sequence[str]) -> str:
    """Return what a fit is, as far as it is known before the pool is drawn by its seed."""
    if X is None:
        return fingerprint(settings_of(settings))
    data = (
        read_examples(X, fields) if y is None else read_training_data(X, y, sample_weight, fields)
    )
    rows = data if isinstance(data, Examples) else tuple(data)
    return fingerprint([settings_of(settings), rows])


def digests_of(data: LearningData, lm: MaskedLM) -> dict[str, str]:
    """Return digests of the texts and of a model's weights, for a checkpoint."""
    return {
        "labelled data": fingerprint(None if data.labelled is None else tuple(data.labelled)),
        "unlabelled texts": fingerprint(data.pool.examples),
        "weights of the model": model_fingerprint(lm),
    }
