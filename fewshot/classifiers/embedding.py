"""EmbeddingClassifier: a frozen sentence encoder with logistic regression, or with class names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from fewshot.classifiers.base import DryRun, in_plain_torch
from fewshot.classifiers.embedding_plan import EmbeddingHead, EmbeddingPlan, Taught, plan_fit
from fewshot.classifiers.sentence_classifier import SentenceClassifier
from fewshot.data.classes import LabeledTexts, Threshold
from fewshot.data.labels import Label
from fewshot.data.task_kind import TaskKind
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.cluster_kernel import fit_in_cluster_space
from fewshot.scoring.distillation import fit_taught_head
from fewshot.scoring.gaussian_classes import fit_gaussian_classes
from fewshot.scoring.heads import LinearHead, fit_linear_head
from fewshot.scoring.thresholds import choose_thresholds, linear_thresholds, zero_shot_thresholds

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from sklearn.utils import Tags

    from fewshot.models.sentence_encoder import SentenceEncoder, TokenizedTexts

Array: TypeAlias = npt.NDArray[np.float64]
Map: TypeAlias = Callable[[Array], Array]  # of features

_TEMPERATURE = 0.05  # divides cosines; docs/evidence/defaults.md
_TEMPERATURE_OF_SEVERAL = 0.1  # docs/evidence/several_labels.md


@dataclass(eq=False, repr=False)
class EmbeddingClassifier(SentenceClassifier):
    """Classify texts by the embeddings of a frozen sentence encoder.

    With labels, logistic regression learns from the embeddings, from the mean states of the
    encoder's middle layer beside them, and from those of the class names, which are one more
    example of each class: seconds, whatever the encoder, and strong with many classes. Without
    labels, a text is of the class whose name, or description, its embedding is nearest to. These
    are baselines that every tuned model has to beat.

    Fifty texts without a label or more help much: directions in which such texts vary count more,
    since texts of a class lie together (a cluster kernel [2]_). Two hundred or more, and five for
    each class, help again if classes look about equally frequent among them: classes become
    Gaussians of one covariance, by expectation maximization [3]_. Where texts have several labels,
    they are left out.

    Parameters
    ----------
    model : str, Path or SentenceTransformer, default="fewshot-mini"
        The encoder of an embedded model, a folder, a hub id, or a loaded model. Its weights are
        shared, not copied: do not train it afterwards.
    verbalizer : Verbalizer or mapping, optional
        Names or descriptions of the classes, one or several each, such as ``{"refund": "a customer
        wants money back"}``. By default the names of the labels, which must be str then.
    head : {"auto", "regression", "names"}, default="auto"
        What scores the embeddings. ``"auto"``: where texts have labels, logistic regression that
        also reads the middle layer, on the texts and on the names of the classes, if they are
        words; else the cosine to the names. ``"regression"``: on the embeddings of the texts alone,
        as they are.
        ``"names"``: the names; labels, if there are any, only choose thresholds.
    C : float, default=100.0
        Inverse strength of the L2 penalty of the regression. Embeddings have length 1.
    max_length : int, optional
        The most tokens of a text; by default what the encoder is set to.
    class_weight : None, "balanced" or dict, default=None
    labels : sequence of str or int, optional
        All labels. Without labelled texts they, or a verbalizer, are needed.
    threshold : float, dict, "auto" or None, default=None
        Where texts have several labels, the probability from which a text has a label: one for
        all, one by label, or ``"auto"``: chosen by F1 on labelled texts that are held out in turn,
        and shrunk with few towards the best one for all. Names learn nothing from texts, so theirs
        are chosen on all labelled texts, and are 0.35 without any. None is ``"auto"`` where `y`
        holds several labels for a text; without labelled texts, anything else says that texts may
        have several.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; of an indicator matrix in the order of its columns.
    thresholds_ : ndarray of shape (n_classes,) or None
        The probabilities from which a text has a label, if it may have several.
    task_kind_ : TaskKind
        Whether a text has one label or several, and the form that they were given in.
    head_ : {"regression", "names", "gaussians"}
        What scores the embeddings; ``"gaussians"`` are learned from texts without labels.
    encoder_ : SentenceTransformer
    max_length_ : int
        The most tokens of a text.
    reads_middle_ : bool
        Whether the middle layer is read too: by the regression, and of names if there are texts
        without labels; not with ``head="regression"``, nor of an encoder whose layers cannot be
        read.
    coef_ : ndarray of shape (n_features, n_classes)
        Of the regression, whose features are the embedding, and the middle layer's state after
        it; of the names, divided by a temperature; or of what texts without labels made of these.
    intercept_ : ndarray of shape (n_classes,)
    n_unlabeled_ : int
        Texts without labels that were learned from.
    fields_ : list of str
        The fields of the texts seen in ``fit``; several are joined.
    history_ : list
        Empty: nothing is trained in epochs.
    n_truncated_ : int
        Texts passed to ``fit`` that were shortened.

    See Also
    --------
    PromptClassifier : Also uses what a masked language model knows of words.
    SetFitClassifier : Tunes the encoder, in minutes.

    References
    ----------
    .. [1] Reimers and Gurevych (2019), Sentence-BERT: Sentence Embeddings using Siamese
       BERT-Networks.
    .. [2] Chapelle, Weston and Schölkopf (2003), Cluster Kernels for Semi-Supervised Learning,
       section 3. The eigenvalues of the kernel matrix are raised to the power of 1.5.
    .. [3] Nigam, McCallum, Thrun and Mitchell (2000), Text Classification from Labeled and
       Unlabeled Documents using EM, table 1; here the covariance is shrunk.

    Examples
    --------
    >>> from fewshot import EmbeddingClassifier
    >>> clf = EmbeddingClassifier(labels=["refund request", "login problem"]).fit()
    >>> clf.predict(["I want my money back.", "My password is wrong."]).tolist()
    ['refund request', 'login problem']
    """

    head_: Literal["regression", "names", "gaussians"] = field(init=False)
    reads_middle_: bool = field(init=False)
    n_unlabeled_: int = field(init=False)

    model: str | Path | SentenceTransformer = "fewshot-mini"
    verbalizer: Verbalizer | Mapping[Any, Any] | None = None
    _: KW_ONLY
    head: EmbeddingHead = "auto"
    C: float = 100.0
    max_length: int | None = None
    class_weight: str | dict[Label, float] | None = None
    labels: Sequence[Label] | None = None
    threshold: Threshold = None

    @in_plain_torch
    def fit(
        self,
        X: Any = None,
        y: Any = None,
        *,
        sample_weight: Any = None,
        unlabeled: Any = None,
    ) -> EmbeddingClassifier:
        """Learn from labelled texts, or from the names of the classes.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame; optional
        y : sequence of str or int, or of lists of them; matrix of 0 and 1; optional
            Rows with -1 (among ints) or None have no label. Without any label the names of the
            classes are compared with the texts. Several labels for a text: a list, tuple or set in
            each row, or an indicator matrix with a column for each label.
        sample_weight : sequence of float, optional
            Weights of the labelled texts; rows of weight 0 are left out.
        unlabeled : Unlabeled, optional
            Texts without labels, besides those in `X`. Of fewer than fifty different ones nothing
            is learned, of more than 300 a sample is read.

        Returns
        -------
        EmbeddingClassifier
            The estimator itself.

        Raises
        ------
        InputError, VerbalizerError, ModelError
            If a text, label, weight, name, setting or model cannot be used; the estimator then
            stays as it was, as after the others.
        HubError, MissingExtraError
            If the model is neither on disk nor reachable, or a package is not installed.

        Warns
        -----
        UnlabeledWarning
            If there are texts without labels, but too few, or those with labels may have several.
        """
        return self._fitted(self._plan(X, y, sample_weight, unlabeled))

    @in_plain_torch
    def dry_run(self, X: Any = None, y: Any = None, *, unlabeled: Any = None) -> DryRun:
        """Estimate the cost of ``fit``, without learning anything.

        Parameters
        ----------
        X, y, unlabeled
            As in :meth:`fit`.

        Returns
        -------
        DryRun
            Texts, tokens, truncated texts and the estimated seconds.

        Raises
        ------
        InputError, VerbalizerError
            As in :meth:`fit`.
        """
        return self._cost(self._plan(X, y, None, unlabeled))

    def _fit_soft(
        self,
        X: Any,
        y: Any,
        targets: npt.NDArray[np.float64],
        sample_weight: Any = None,
        *,
        C: float,
        n_labeled: int | None = None,
    ) -> EmbeddingClassifier:
        """Learn from probabilities of the classes; `y` holds the likeliest, and weights are > 0."""
        plan = self._plan(X, y, sample_weight)
        return self._learn(plan._replace(names=(), taught=Taught(targets, C, n_labeled)))

    def _plan(self, X: Any, y: Any, sample_weight: Any, unlabeled: Any = None) -> EmbeddingPlan:
        return plan_fit(self, X, y, sample_weight, unlabeled)

    def _learn(self, plan: EmbeddingPlan) -> EmbeddingClassifier:
        encoder, n_unlabeled = plan.encoded.encoder, plan.n_unlabeled
        is_refined = plan.head == "regression" or n_unlabeled > 0
        reads_middle = self.head != "regression" and is_refined and encoder.can_read_middle()
        features = np.zeros((0, 0))
        if plan.encoded.texts:
            features = encoder.unit(plan.encoded.tokens, with_middle=reads_middle)
        texts, pool = np.split(features, [len(features) - n_unlabeled])
        gaussians: LinearHead | None = None
        if plan.head == "names" or plan.labeled is None:
            vectors = _name_vectors(encoder, plan.names, reads_middle)
            head = _in_space(partial(_name_head, encoder, plan.kind, vectors), pool)
            thresholds = self._name_thresholds(plan, head)
        else:
            names = _name_vectors(encoder, plan.names, reads_middle) if plan.names else None
            gaussians = _taught_gaussians(plan.taught, texts, plan.labeled.weights)
            learn = partial(_regression, plan.labeled, texts, names, self.C, plan.taught)
            head = _in_space(learn, pool) if gaussians is None else gaussians
            thresholds = linear_thresholds(texts, plan.labeled, self.C, names)
        if len(pool):
            gaussians = _pool_gaussians(plan, head, texts, pool)
        head = head if gaussians is None else gaussians
        self._set_learned(plan.classes, plan.encoded, head, [], thresholds)
        self.head_ = plan.head if gaussians is None else "gaussians"
        self.reads_middle_ = reads_middle
        self.n_unlabeled_ = n_unlabeled
        return self

    def _name_thresholds(
        self, plan: EmbeddingPlan, head: LinearHead
    ) -> npt.NDArray[np.float64] | None:
        if plan.thresholds is not None or not plan.kind.has_several:
            return plan.thresholds
        if plan.labeled is None:
            return zero_shot_thresholds(len(plan.names))
        encoder, data = plan.encoded.encoder, plan.labeled
        features = encoder.unit(encoder.tokenize(data.examples.joined()))
        # The texts have taught the names nothing, so that none need be held out.
        unseen = plan.kind.probabilities(head.scores(features))
        return choose_thresholds(data.targets, data.weights, unseen)

    def _cost(self, plan: EmbeddingPlan) -> DryRun:
        return plan.encoded.cost(0.0, 0) if plan.encoded.texts else DryRun()

    def _embed(self, encoder: SentenceEncoder, tokens: TokenizedTexts) -> npt.NDArray[np.float64]:
        # Estimators that were saved before there was `reads_middle_` read the last layer only.
        return encoder.unit(tokens, with_middle=getattr(self, "reads_middle_", False))

    def _load_models(self) -> None:
        from fewshot.models.sentence_encoder import SentenceEncoder

        SentenceEncoder.frozen(self.model, None)  # by name it is shared

    def _uses_labels(self) -> bool:
        return self.head != "names"

    def _n_trainable(self) -> int:
        return super()._n_trainable() if self.head_ != "names" else 0

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        is_named = self.labels is not None or self.verbalizer is not None
        tags.target_tags.required = self.head == "regression" or (
            self.head == "auto" and not is_named
        )
        return tags


def _in_space(fit: Callable[[Map], LinearHead], pool: Array) -> LinearHead:
    """Fit to features as they are, or in the space of texts without labels if there are some."""
    return fit_in_cluster_space(fit, pool) if len(pool) else fit(np.asarray)


def _taught_gaussians(taught: Taught | None, texts: Array, weights: Array) -> LinearHead | None:
    """Learn classes from what another classifier says of texts, if it may be doubted."""
    if taught is None or taught.n_labeled is None:
        return None
    return fit_gaussian_classes(texts, taught.soft_labels, weights, taught.n_labeled)


def _pool_gaussians(
    plan: EmbeddingPlan, head: LinearHead, texts: Array, pool: Array
) -> LinearHead | None:
    """Learn classes from labels, if there are any, and from what the head says of a pool."""
    said = softmax(head.scores(pool), axis=1)
    known, weights = said[:0], np.zeros(0)
    if plan.labeled is not None:
        known, weights = plan.labeled.targets, plan.labeled.weights
    return fit_gaussian_classes(
        np.concatenate([texts, pool]),
        np.concatenate([known, said]),
        np.append(weights, np.ones(len(pool))),
        len(texts),
    )


def _regression(
    data: LabeledTexts, texts: Array, names: Array | None, C: float, taught: Taught | None, to: Map
) -> LinearHead:
    """Learn from mapped features of texts and names."""
    if taught is not None:
        return fit_taught_head(to(texts), data.weights, taught.soft_labels, taught.C)
    of_names = None if names is None else to(names)
    return fit_linear_head(
        to(texts), data.targets, data.weights, C=C, kind=data.kind, names=of_names
    )


def _name_head(encoder: SentenceEncoder, kind: TaskKind, vectors: Array, to: Map) -> LinearHead:
    """Compare texts to names; of several labels each counts from its mean over generic texts."""
    from fewshot.scoring.calibration import generic_texts

    names = to(vectors)
    if not kind.has_several:
        return LinearHead(names.T / _TEMPERATURE, np.zeros(len(names)))
    coef = names.T / _TEMPERATURE_OF_SEVERAL
    usual = (encoder.unit(encoder.tokenize(generic_texts())) @ coef).mean(0)
    return LinearHead(coef, -usual - np.log(len(names) - 1), kind)


def _name_vectors(
    encoder: SentenceEncoder, names: Sequence[Sequence[str]], with_middle: bool = False
) -> npt.NDArray[np.float64]:
    """Return the mean embedding of the names of each class, of length 1, [n_classes, hidden]."""
    from fewshot.models.sentence_encoder import unit_length

    tokens = encoder.tokenize([name for row in names for name in row])
    flat = encoder.unit(tokens, with_middle=with_middle)
    starts = np.cumsum([0, *map(len, names)])[:-1]
    return unit_length(np.add.reduceat(flat, starts, axis=0))
