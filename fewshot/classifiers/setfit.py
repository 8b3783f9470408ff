"""SetFitClassifier: a sentence encoder tuned on pairs, with logistic regression."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from fewshot.classifiers.base import DryRun, score_in_parts, warn_truncated
from fewshot.classifiers.supervised import PASSES_PER_STEP, SupervisedClassifier
from fewshot.classifiers.text_pairs import PairSampling, PairSource
from fewshot.data.classes import LabeledTexts, label_array, read_labeled_texts
from fewshot.data.examples import Examples, read_examples
from fewshot.data.labels import Label
from fewshot.data.settings import check_settings, new_rng, one_of, or_none, positive, whole
from fewshot.scoring.heads import LinearHead, fit_linear_head
from fewshot.training.history import Epoch

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from fewshot.models.sentence_encoder import SentenceEncoder, TokenizedTexts


_C = 1.0  # scikit-learn's default, which setfit uses


@dataclass(eq=False, repr=False)
class SetFitClassifier(SupervisedClassifier):
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
    random_state : int, RandomState or None, default=None
    verbose : {0, 1}, default=1
        1 shows a progress bar; 0 is silent.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
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
    random_state: int | np.random.RandomState | None = None
    verbose: int = 1

    def _learn(self, plan: _Plan) -> SetFitClassifier:
        warn_truncated(plan.tokens.n_truncated, len(plan.texts), plan.encoder.max_length)
        history = self._tune(plan)
        embeddings = plan.encoder.embed(plan.tokens)
        head = fit_linear_head(embeddings, plan.data.targets, plan.data.weights, C=_C)
        self.classes_ = label_array(plan.data.classes)
        self.encoder_ = plan.encoder.transformer
        self.coef_, self.intercept_ = head.coef, head.intercept
        self.n_pairs_ = plan.source.n_pairs
        self.fields_ = list(plan.data.examples.fields)
        self.history_ = history
        self.n_truncated_ = plan.tokens.n_truncated
        return self

    def _cost(self, plan: _Plan) -> DryRun:
        n_tokens = int(plan.tokens.lengths.sum())
        n_pairs = plan.source.n_pairs
        mean_length = n_tokens / len(plan.texts)
        n_read = n_tokens + self.num_epochs * 2 * n_pairs * mean_length * PASSES_PER_STEP
        return DryRun(
            n_texts=len(plan.texts),
            n_tokens=n_tokens,
            n_truncated=plan.tokens.n_truncated,
            n_steps=self.num_epochs * -(-n_pairs // self.batch_size),
            seconds=n_read / plan.encoder.tokens_per_second(plan.tokens),
        )

    def _tune(self, plan: _Plan) -> list[Epoch]:
        """Tune the plan's encoder, which is a copy."""
        from fewshot.classifiers.pair_training import PairTraining, train_on_pairs  # loads setfit

        if self.num_epochs == 0:
            return []
        started = time.perf_counter()
        pairs = plan.source.draw(plan.rng)
        lengths = plan.tokens.lengths
        settings = PairTraining(
            learning_rate=float(self.learning_rate),  # setfit looks for pairs in others
            num_epochs=int(self.num_epochs),
            batch_size=int(self.batch_size),
            batch_tokens=int(2 * self.batch_size * lengths.mean()),
            seed=int(plan.rng.integers(2**31)),
            show_progress=self.verbose > 0,
        )
        history = train_on_pairs(plan.encoder.transformer, plan.texts, pairs, settings)
        for row in history:
            row["tokens"] = int(lengths[pairs[:, :2]].sum())
            row["seconds"] = (time.perf_counter() - started) / len(history)
        return history

    def _plan(self, X: Any, y: Any, sample_weight: Any) -> _Plan:
        from fewshot.models.sentence_encoder import SentenceEncoder  # loads sentence-transformers

        _check_settings(self)
        data = read_labeled_texts(
            X, y, sample_weight, labels=self.labels, class_weight=self.class_weight
        )
        source = PairSource(
            data.targets.argmax(1), self.sampling_strategy, self.num_iterations, self.max_pairs
        )
        rng = new_rng(self.random_state)
        texts = data.examples.joined()
        encoder = SentenceEncoder.load(self.model, self.max_length)
        return _Plan(data, texts, encoder, encoder.tokenize(texts), source, rng)

    def _load_models(self) -> None:
        from fewshot.classifiers import pair_training  # noqa: F401  # loads setfit: takes seconds
        from fewshot.models.sentence_encoder import SentenceEncoder

        self.model = SentenceEncoder.load(self.model, None).transformer

    def _n_trainable(self) -> int:
        tuned = self.encoder_.parameters() if self.num_epochs else ()
        return super()._n_trainable() + sum(parameter.numel() for parameter in tuned)

    def _n_tokens(self, X: Any) -> int | None:
        from fewshot.models.sentence_encoder import SentenceEncoder

        # Each text is embedded once, besides training.
        joined = read_examples(X, self.fields_).joined()
        lengths = SentenceEncoder(self.encoder_).tokenize(joined).lengths
        return sum(int(epoch["tokens"]) for epoch in self.history_) + int(lengths.sum())

    def _class_scores(self, X: Any) -> npt.NDArray[np.float64]:
        from fewshot.models.sentence_encoder import SentenceEncoder

        encoder = SentenceEncoder(self.encoder_)
        head = LinearHead(self.coef_, self.intercept_)

        def score(part: Examples) -> tuple[npt.NDArray[np.float64], int]:
            tokens = encoder.tokenize(part.joined())
            return head.log_probabilities(encoder.embed(tokens)), tokens.n_truncated

        return score_in_parts(read_examples(X, self.fields_), score, encoder.max_length)


class _Plan(NamedTuple):
    """A fit, checked."""

    data: LabeledTexts
    texts: list[str]
    encoder: SentenceEncoder
    tokens: TokenizedTexts
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
