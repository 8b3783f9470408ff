"""The usual baseline: an encoder tuned together with a linear layer on its pooled state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from fewshot.classifiers.base import TextClassifier, warn_truncated
from fewshot.classifiers.dry_run import DryRun
from fewshot.classifiers.sequence_model import Pooling, SequenceModel
from fewshot.data.classes import class_labels, label_array, labelled_part
from fewshot.data.examples import Label, read_examples
from fewshot.data.sampling import hold_out
from fewshot.data.settings import check_settings, is_positive, is_whole, new_rng
from fewshot.data.training_data import read_training_data
from fewshot.models.loading import load_masked_lm
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.prompts import Prompts
from fewshot.training.loop import TrainSettings

_AT_ONCE = 8192  # texts; bounds the memory of a prediction
_PASSES_OF_A_STEP = 3.0  # forward once, backward twice as much


class FineTuneClassifier(TextClassifier):
    """Classify texts with a fine-tuned encoder and a new linear layer, without any prompt.

    What most people try first, and the baseline of most few-shot papers. The layer starts from
    random weights, so it needs more labels than a prompt does. Two fields are encoded as a pair
    of sentences.

    Parameters
    ----------
    model : str, Path or MaskedLM, default="fewshot-mini"
        The embedded model, a folder, a hub id, or a loaded model, which is never changed.
    learning_rate : float, default=1e-4
    num_epochs : int, default=20
    batch_size : int, default=8
    pooling : {"mean", "first"}, default="mean"
        What the layer sees: the mean of the encoder's states, or the state of the first token
        (``[CLS]``) after the dense layer of the model's MLM head.
    validation_fraction : float, default=0.0
        Share of the texts held out, of each class alike, for early stopping to watch.
    patience : int, optional
        Epochs without a better loss (on the held-out texts, else on the training texts) after
        which training stops; the best weights are kept. None trains to the end.
    max_length : int, optional
        The most tokens of a text; by default what the model takes, but at most 512.
    class_weight : None, "balanced" or dict, default=None
    labels : sequence of str or int, optional
        All labels, if some may be missing in a fold.
    random_state : int, RandomState or None, default=None
    verbose : {0, 1}, default=1
        1 shows a progress bar; 0 is silent.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    model_ : MaskedLM
        The tuned encoder.
    coef_ : ndarray of shape (hidden, n_classes)
    intercept_ : ndarray of shape (n_classes,)
    pooling_ : str
    max_length_ : int
    fields_ : list of str
        The fields of the texts seen in ``fit``.
    history_ : list of dict
        Loss, learning rate, tokens and seconds of each epoch.
    n_truncated_ : int
        Labelled texts that were shortened.

    Raises
    ------
    InputError, ModelError, HubError
        From ``fit``; the estimator then stays as it was.

    Examples
    --------
    >>> from fewshot import FineTuneClassifier
    >>> clf = FineTuneClassifier(num_epochs=5, random_state=0, verbose=0)
    >>> clf.fit(["great", "good", "awful", "bad"], ["pos", "pos", "neg", "neg"])  # doctest: +SKIP
    FineTuneClassifier(num_epochs=5, random_state=0, verbose=0)
    """

    def __init__(
        self,
        model: str | Path | MaskedLM = "fewshot-mini",
        *,
        learning_rate: float = 1e-4,
        num_epochs: int = 20,
        batch_size: int = 8,
        pooling: Pooling = "mean",
        validation_fraction: float = 0.0,
        patience: int | None = None,
        max_length: int | None = None,
        class_weight: str | dict[Label, float] | None = None,
        labels: Sequence[Label] | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 1,
    ) -> None:
        self.model = model
        self.learning_rate = learning_rate
        self.num_epochs = num_epochs
        self.batch_size = batch_size
        self.pooling = pooling
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.max_length = max_length
        self.class_weight = class_weight
        self.labels = labels
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None) -> FineTuneClassifier:
        """Tune a copy of the encoder on labelled texts.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame
        y : sequence of str or int
            Rows with -1 (among ints) or None are left out.
        sample_weight : sequence of float, optional
            Weights of the texts in the loss; texts of weight 0 are left out.

        Returns
        -------
        FineTuneClassifier
            The estimator itself.
        """
        return self._learn(self._plan(X, y, sample_weight))

    def _fit_soft(
        self, X: Any, y: Any, targets: npt.NDArray[np.float64], temperature: float
    ) -> FineTuneClassifier:
        """Learn from probabilities of the classes; `y` holds the likeliest."""
        plan = self._plan(X, y, None)
        settings = replace(plan.settings, temperature=temperature)
        return self._learn(plan._replace(targets=targets, settings=settings))

    def _learn(self, plan: _Plan) -> FineTuneClassifier:
        warn_truncated(plan.prompts.n_truncated, len(plan.prompts), plan.model.max_length)
        model, history = plan.model.tuned(
            plan.prompts,
            plan.targets,
            plan.weights,
            plan.settings,
            plan.rng,
            valid=plan.held_out,
            show_progress=self.verbose > 0,
        )
        self.classes_ = label_array(plan.classes)
        self.model_ = model.lm
        self.coef_, self.intercept_ = model.coef, model.intercept
        self.pooling_, self.max_length_ = model.pooling, model.max_length
        self.fields_ = plan.fields
        self.history_ = history
        self.n_truncated_ = plan.prompts.n_truncated
        return self

    def dry_run(self, X: Any, y: Any) -> DryRun:
        """Tell what ``fit`` would cost, without learning anything.

        Parameters
        ----------
        X, y
            As in :meth:`fit`.

        Returns
        -------
        DryRun
            Texts, tokens, optimiser steps, truncated texts and the estimated seconds.
        """
        plan = self._plan(X, y, None)
        n_tokens = int(plan.prompts.lengths.sum())
        n_trained = len(plan.prompts) - len(plan.held_out)
        passes = _PASSES_OF_A_STEP * self.num_epochs * n_trained / len(plan.prompts)
        return DryRun(
            n_texts=len(plan.prompts),
            n_tokens=n_tokens,
            n_truncated=plan.prompts.n_truncated,
            n_steps=plan.settings.steps(n_trained),
            seconds=passes * n_tokens / plan.model.lm.tokens_per_second(plan.prompts),
        )

    def _plan(self, X: Any, y: Any, sample_weight: Any) -> _Plan:
        """Check everything before any work."""
        settings = _settings(self)
        data = read_training_data(X, y, sample_weight)
        classes = class_labels(data.labels, self.labels)
        examples, targets, weights = labelled_part(data, classes, self.class_weight)
        rng = new_rng(self.random_state)
        held_out = hold_out(targets.argmax(1), self.validation_fraction, rng)
        lm = load_masked_lm(self.model)
        max_length = lm.checked_max_length(self.max_length)
        model = SequenceModel.untrained(lm, self.pooling, max_length, len(classes), rng)
        return _Plan(
            classes=classes,
            fields=list(data.examples.fields),
            model=model,
            prompts=model.tokenize(examples),
            targets=targets,
            weights=weights,
            held_out=held_out,
            settings=settings,
            rng=rng,
        )

    def _class_scores(self, X: Any) -> npt.NDArray[np.float64]:
        examples = read_examples(X, self.fields_)
        model = SequenceModel(
            self.model_, self.pooling_, self.max_length_, self.coef_, self.intercept_
        )
        scores, n_truncated = [], 0
        for start in range(0, len(examples), _AT_ONCE):
            part = examples.take(range(start, min(start + _AT_ONCE, len(examples))))
            prompts = model.tokenize(part)
            n_truncated += prompts.n_truncated
            scores.append(model.scores(prompts))
        warn_truncated(n_truncated, len(examples), self.max_length_)
        return np.concatenate(scores)


class _Plan(NamedTuple):
    """What ``fit`` is going to do, checked."""

    classes: list[Label]
    fields: list[str]
    model: SequenceModel
    prompts: Prompts
    targets: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    held_out: npt.NDArray[np.int64]
    settings: TrainSettings
    rng: np.random.Generator


def _settings(classifier: FineTuneClassifier) -> TrainSettings:
    patience = classifier.patience
    limits = {
        "learning_rate": (is_positive(classifier.learning_rate), "positive"),
        "num_epochs": (is_whole(classifier.num_epochs, 1), "a whole number, at least 1"),
        "batch_size": (is_whole(classifier.batch_size, 1), "a whole number, at least 1"),
        "patience": (
            patience is None or is_whole(patience, 1),
            "a whole number, at least 1, or None",
        ),
        "pooling": (classifier.pooling in get_args(Pooling), f"one of {list(get_args(Pooling))}"),
        "verbose": (classifier.verbose in (0, 1), "0 or 1"),
    }
    check_settings(classifier, limits)
    return TrainSettings(
        classifier.learning_rate,
        classifier.num_epochs,
        classifier.batch_size,
        patience=classifier.patience,
    )
