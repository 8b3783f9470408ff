"""SetFitClassifier: a sentence encoder tuned on pairs, with logistic regression."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np

from fewshot.classifiers.base import DryRun
from fewshot.classifiers.sentence_classifier import EncodedTexts, SentenceClassifier
from fewshot.classifiers.supervised import PASSES_PER_STEP
from fewshot.classifiers.text_pairs import LabelSetPairs, PairSampling, PairSource
from fewshot.data.classes import LabeledTexts, Threshold, read_labeled_texts
from fewshot.data.labels import Label
from fewshot.data.settings import check_settings, new_rng, one_of, or_none, positive, whole
from fewshot.scoring.heads import fit_linear_head
from fewshot.scoring.thresholds import share_thresholds
from fewshot.training.history import Epoch

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


_C = 1.0  # scikit-learn's default, which setfit uses


@dataclass(eq=False, repr=False)
class SetFitClassifier(SentenceClassifier):
    """Classify texts with SetFit (Tunstall et al., 2022), by way of the setfit package.

    A sentence encoder is tuned on pairs of the labelled texts (same class: alike, other class:
    not), then logistic regression learns from its embeddings. Strong on topics from 8 labels per
    class on. The number of pairs grows with the square of the number of texts, so it is capped by
    `max_pairs`. ``dry_run`` reports the number of steps before any training.

    Parameters
    ----------
    model : str, Path or SentenceTransformer, default="fewshot-mini"
        The encoder of an embedded model, a folder, a hub id, or a loaded model, which is never
        changed.
    num_epochs : int, default=1
        Passes over the pairs; 0 leaves the encoder as it is.
    sampling_strategy : {"oversampling", "undersampling", "unique"}, default="oversampling"
        As in setfit: as many pairs of one class as of two classes, by repeating the rarer kind
        or by leaving out some of the other; or each pair once.
    num_iterations : int, optional
        Draw this many pairs of either kind for each text instead.
    max_pairs : int, default=2000
        The most pairs of an epoch, drawn at random.
    batch_size : int, default=16
        Pairs of a step.
    learning_rate : float, default=2e-5
    max_length : int, optional
        The most tokens of a text; by default what the encoder is set to.
    class_weight : None, "balanced" or dict, default=None
        Of the logistic regression.
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
    encoder_ : SentenceTransformer
        The tuned encoder.
    coef_ : ndarray of shape (hidden, n_classes)
    intercept_ : ndarray of shape (n_classes,)
    n_pairs_ : int
        Pairs of an epoch.
    fields_ : list of str
        The fields of the texts seen in ``fit``; several are joined.
    history_ : list of dict
        Loss, learning rate, tokens and (mean) seconds of each epoch.
    n_truncated_ : int
        Labelled texts that were shortened.

    See Also
    --------
    PromptClassifier : Stronger on short texts about sentiment.
    FineTuneClassifier : Tunes an encoder without pairs.

    References
    ----------
    Tunstall et al. (2022), Efficient Few-Shot Learning Without Prompts.

    Examples
    --------
    >>> from fewshot import SetFitClassifier
    >>> clf = SetFitClassifier(random_state=0, verbose=0)
    >>> clf.fit(["great", "good", "awful", "bad"], ["pos", "pos", "neg", "neg"])  # doctest: +SKIP
    SetFitClassifier(random_state=0, verbose=0)
    """

    n_pairs_: int = field(init=False)

    model: str | Path | SentenceTransformer = "fewshot-mini"
    _: KW_ONLY
    num_epochs: int = 1
    sampling_strategy: PairSampling = "oversampling"
    num_iterations: int | None = None
    max_pairs: int = 2000
    batch_size: int = 16
    learning_rate: float = 2e-5
    max_length: int | None = None
    class_weight: str | dict[Label, float] | None = None
    labels: Sequence[Label] | None = None
    threshold: Threshold = None
    random_state: int | np.random.RandomState | None = None
    verbose: int = 1

    def _learn(self, plan: _Plan) -> SetFitClassifier:
        history = self._tune(plan)
        embeddings = plan.encoded.encoder.embed(plan.encoded.tokens)
        data = plan.data
        head = fit_linear_head(embeddings, data.targets, data.weights, C=_C, kind=data.kind)
        thresholds = share_thresholds(data)
        self._set_learned(data.classes, plan.encoded, head, history, thresholds)
        self.n_pairs_ = plan.source.n_pairs
        return self

    def _cost(self, plan: _Plan) -> DryRun:
        n_pairs = plan.source.n_pairs
        passes = 2 * self.num_epochs * n_pairs / len(plan.encoded.texts) * PASSES_PER_STEP
        return plan.encoded.cost(passes, self.num_epochs * -(-n_pairs // self.batch_size))

    def _tune(self, plan: _Plan) -> list[Epoch]:
        """Tune the plan's encoder, which is a copy."""
        from fewshot.classifiers.pair_training import PairTraining, train_on_pairs  # loads setfit

        if self.num_epochs == 0:
            return []
        started = time.perf_counter()
        pairs = plan.source.draw(plan.rng)
        lengths = plan.encoded.tokens.lengths
        settings = PairTraining(
            learning_rate=float(self.learning_rate),  # setfit looks for pairs in others
            num_epochs=int(self.num_epochs),
            batch_size=int(self.batch_size),
            batch_tokens=int(2 * self.batch_size * lengths.mean()),
            seed=int(plan.rng.integers(2**31)),
            show_progress=self.verbose > 0,
        )
        history = train_on_pairs(
            plan.encoded.encoder.transformer, plan.encoded.texts, pairs, settings
        )
        for row in history:
            row["tokens"] = int(lengths[pairs[:, :2]].sum())
            row["seconds"] = (time.perf_counter() - started) / len(history)
        return history

    def _plan(self, X: Any, y: Any, sample_weight: Any) -> _Plan:
        from fewshot.models.sentence_encoder import SentenceEncoder  # loads sentence-transformers

        _check_settings(self)
        data = read_labeled_texts(
            X,
            y,
            sample_weight,
            labels=self.labels,
            class_weight=self.class_weight,
            threshold=self.threshold,
        )
        how = self.sampling_strategy, self.num_iterations, self.max_pairs
        classes = data.targets.argmax(1)
        several = data.kind.has_several
        source = (
            LabelSetPairs(classes, *how, data.targets) if several else PairSource(classes, *how)
        )
        rng = new_rng(self.random_state)
        encoder = SentenceEncoder.load(self.model, self.max_length)
        return _Plan(data, EncodedTexts.of(encoder, data.examples), source, rng)

    def _load_models(self) -> None:
        from fewshot.classifiers import pair_training  # noqa: F401  # loads setfit: takes seconds
        from fewshot.models.sentence_encoder import SentenceEncoder

        self.model = SentenceEncoder.load(self.model, None).transformer

    def _n_trainable(self) -> int:
        tuned = self.encoder_.parameters() if self.num_epochs else ()
        return super()._n_trainable() + sum(parameter.numel() for parameter in tuned)


class _Plan(NamedTuple):
    """A fit, checked."""

    data: LabeledTexts
    encoded: EncodedTexts
    source: PairSource
    rng: np.random.Generator


def _check_settings(classifier: SetFitClassifier) -> None:
    limits = {
        "num_epochs": whole(classifier.num_epochs, 0),
        "sampling_strategy": one_of(classifier.sampling_strategy, get_args(PairSampling)),
        "num_iterations": or_none(classifier.num_iterations, whole),
        "max_pairs": whole(classifier.max_pairs, 2),
        "batch_size": whole(classifier.batch_size),
        "learning_rate": positive(classifier.learning_rate),
        "verbose": one_of(classifier.verbose, (0, 1)),
    }
    check_settings(classifier, limits)
