"""FineTuneClassifier: an encoder tuned together with a linear layer on its pooled state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from fewshot.classifiers.base import DryRun
from fewshot.classifiers.parameter_report import unshared
from fewshot.classifiers.sequence_model import Pooling, SequenceModel
from fewshot.classifiers.supervised import PASSES_PER_STEP, SupervisedClassifier
from fewshot.data.class_scores import score_in_parts, warn_truncated
from fewshot.data.classes import LabeledTexts, Threshold, label_array, read_labeled_texts
from fewshot.data.examples import Examples, read_examples
from fewshot.data.labels import Label
from fewshot.data.sampling import hold_out
from fewshot.data.settings import check_settings, new_rng, one_of, or_none, positive, whole
from fewshot.models.loading import load_masked_lm, load_uncounted
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.prompts import Prompts
from fewshot.scoring.thresholds import share_thresholds
from fewshot.training.loop import TrainSettings


@dataclass(eq=False, repr=False)
class FineTuneClassifier(SupervisedClassifier):
    """Classify texts with a fine-tuned encoder and a new linear layer, without any prompt.

    The first thing most people try, and the baseline of most few-shot papers. The layer starts
    from random weights, so it needs more labels than a prompt does. Two fields are encoded as a
    pair of sentences.

    Parameters
    ----------
    model : str, Path or MaskedLM, default="fewshot-mini"
        The embedded model, a folder, a hub id, or a loaded model, which is never changed.
    learning_rate : float, default=1e-4
    num_epochs : int, default=20
    batch_size : int, default=8
    pooling : {"mean", "first"}, default="mean"
        Input of the layer: the mean of the encoder's states, or the state of the first token
        (``[CLS]``) after the dense layer of the model's MLM head.
    validation_fraction : float, default=0.0
        Share of each class that is held out for early stopping to watch.
    patience : int, optional
        Epochs without a better loss (on the held-out texts, else on the training texts) after
        which training stops; the best weights are kept. None trains to the end.
    max_length : int, optional
        The most tokens of a text; by default what the model takes, but at most 512.
    class_weight : None, "balanced" or dict, default=None
    labels : sequence of str or int, optional
        All labels, if some may be missing in a fold.
    threshold : float, dict, "auto" or None, default=None
        Where texts have several labels, the probability from which a text has a label: one for
        all, one by label, or ``"auto"``, also by default: the share of the label.
    random_state : int, RandomState or None, default=None
    verbose : {0, 1}, default=1
        1 shows a progress bar; 0 is silent.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; of an indicator matrix in the order of its columns.
    thresholds_ : ndarray of shape (n_classes,) or None
        The probabilities from which a text has a label, if it may have several.
    task_kind_ : TaskKind
        Whether a text has one label or several, and the form that they were given in.
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

    See Also
    --------
    PromptClassifier : Needs fewer labels.
    SetFitClassifier : Tunes a sentence encoder on pairs.

    Examples
    --------
    >>> from fewshot import FineTuneClassifier
    >>> clf = FineTuneClassifier(num_epochs=5, random_state=0, verbose=0)
    >>> clf.fit(["great", "good", "awful", "bad"], ["pos", "pos", "neg", "neg"])  # doctest: +SKIP
    FineTuneClassifier(num_epochs=5, random_state=0, verbose=0)
    """

    coef_: npt.NDArray[np.float32] = field(init=False)
    intercept_: npt.NDArray[np.float32] = field(init=False)
    max_length_: int = field(init=False)
    pooling_: Pooling = field(init=False)

    model: str | Path | MaskedLM = "fewshot-mini"
    _: KW_ONLY
    learning_rate: float = 1e-4
    num_epochs: int = 20
    batch_size: int = 8
    pooling: Pooling = "mean"
    validation_fraction: float = 0.0
    patience: int | None = None
    max_length: int | None = None
    class_weight: str | dict[Label, float] | None = None
    labels: Sequence[Label] | None = None
    threshold: Threshold = None
    random_state: int | np.random.RandomState | None = None
    verbose: int = 1

    def _fit_soft(
        self, X: Any, y: Any, targets: npt.NDArray[np.float64], temperature: float
    ) -> FineTuneClassifier:
        """Learn from probabilities of the classes; `y` holds the likeliest."""
        plan = self._plan(X, y, None)
        data = replace(plan.data, targets=targets)
        settings = replace(plan.settings, temperature=temperature)
        return self._learn(plan._replace(data=data, settings=settings))

    def _learn(self, plan: _Plan) -> FineTuneClassifier:
        warn_truncated(plan.prompts.n_truncated, len(plan.prompts), plan.model.max_length)
        model, history = plan.model.tuned(
            plan.prompts,
            plan.data.targets,
            plan.data.weights,
            plan.settings,
            plan.rng,
            valid=plan.held_out,
            show_progress=self.verbose > 0,
        )
        self.classes_ = label_array(plan.data.classes)
        self.task_kind_ = plan.data.kind
        self.thresholds_ = share_thresholds(plan.data)
        self.model_ = model.lm
        self.coef_, self.intercept_ = model.coef, model.intercept
        self.pooling_, self.max_length_ = model.pooling, model.max_length
        self.fields_ = list(plan.data.examples.fields)
        self.history_ = history
        self.n_truncated_ = plan.prompts.n_truncated
        return self

    def _cost(self, plan: _Plan) -> DryRun:
        n_tokens = int(plan.prompts.lengths.sum())
        n_trained = len(plan.prompts) - len(plan.held_out)
        passes = PASSES_PER_STEP * self.num_epochs * n_trained / len(plan.prompts)
        return DryRun(
            n_texts=len(plan.prompts),
            n_tokens=n_tokens,
            n_truncated=plan.prompts.n_truncated,
            n_steps=plan.settings.steps(n_trained),
            seconds=passes * n_tokens / plan.model.lm.tokens_per_second(plan.prompts, tunes=True),
        )

    def _plan(self, X: Any, y: Any, sample_weight: Any) -> _Plan:
        settings = _settings(self)
        data = read_labeled_texts(
            X,
            y,
            sample_weight,
            labels=self.labels,
            class_weight=self.class_weight,
            threshold=self.threshold,
        )
        rng = new_rng(self.random_state)
        held_out = hold_out(data.kind.strata(data.targets), self.validation_fraction, rng)
        lm = load_masked_lm(self.model)
        max_length = lm.checked_max_length(self.max_length)
        model = SequenceModel.untrained(lm, self.pooling, max_length, len(data.classes), rng)
        settings = replace(settings, kind=data.kind)
        return _Plan(data, model, model.tokenize(data.examples), held_out, settings, rng)

    def _load_models(self) -> None:
        self.model = load_uncounted(self.model)

    def _n_trainable(self) -> int:
        return super()._n_trainable() + sum(p.numel() for p in unshared(self.model_, self.model))

    def _class_scores(self, X: Any) -> npt.NDArray[np.float64]:
        model = SequenceModel(
            self.model_, self.pooling_, self.max_length_, self.coef_, self.intercept_
        )

        def score(part: Examples) -> tuple[npt.NDArray[np.float64], int]:
            prompts = model.tokenize(part)
            return model.scores(prompts), prompts.n_truncated

        return score_in_parts(read_examples(X, self.fields_), score, self.max_length_)


class _Plan(NamedTuple):
    """A fit, checked."""

    data: LabeledTexts
    model: SequenceModel
    prompts: Prompts
    held_out: npt.NDArray[np.int64]
    settings: TrainSettings
    rng: np.random.Generator


def _settings(classifier: FineTuneClassifier) -> TrainSettings:
    patience = classifier.patience
    limits = {
        "learning_rate": positive(classifier.learning_rate),
        "num_epochs": whole(classifier.num_epochs),
        "batch_size": whole(classifier.batch_size),
        "patience": or_none(patience, whole),
        "pooling": one_of(classifier.pooling, get_args(Pooling)),
        "verbose": one_of(classifier.verbose, (0, 1)),
    }
    check_settings(classifier, limits)
    return TrainSettings(
        classifier.learning_rate, classifier.num_epochs, classifier.batch_size, patience=patience
    )
