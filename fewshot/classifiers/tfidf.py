"""TfidfClassifier: a baseline without a language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from scipy.special import expit
from sklearn.feature_extraction.text import TfidfVectorizer

from fewshot.classifiers.base import DryRun
from fewshot.classifiers.supervised import SupervisedClassifier
from fewshot.data.classes import LabeledTexts, Threshold, label_array, read_labeled_texts
from fewshot.data.examples import Examples, read_examples
from fewshot.data.labels import Label
from fewshot.data.settings import check_settings, is_whole, positive
from fewshot.scoring.heads import LinearHead, fit_linear_head
from fewshot.scoring.thresholds import linear_thresholds

_ABOVE = 1e-6  # in log-odds
_WORD = r"(?u)\b\w+\b"  # scikit-learn's own drops words of one letter


@dataclass(eq=False, repr=False)
class TfidfClassifier(SupervisedClassifier):
    """Classify texts by their words: TF-IDF features and logistic regression.

    The baseline that a language model has to beat. It learns in milliseconds, knows nothing but
    the training texts, and is strong with hundreds of labels per class. The fields of pairs are
    joined.

    Parameters
    ----------
    ngram_range : tuple of (int, int), default=(1, 2)
        Shortest and longest sequences of words that are features.
    C : float, default=10.0
        Inverse strength of the L2 penalty.
    class_weight : None, "balanced" or dict, default=None
    labels : sequence of str or int, optional
        All labels, if some may be missing in a fold.
    threshold : float, dict, "auto" or None, default=None
        Where texts have several labels, the probability from which a text has a label: one for
        all, one by label, or ``"auto"``, also by default: chosen by F1 on labelled texts that are
        held out in turn, and shrunk with few towards the best one for all labels.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; of an indicator matrix in the order of its columns.
    thresholds_ : ndarray of shape (n_classes,) or None
        The probabilities from which a text has a label, if it may have several.
    task_kind_ : TaskKind
        Whether a text has one label or several, and the form that they were given in.
    vocabulary_ : dict of str to int
        Column of each word or sequence of words.
    idf_ : ndarray of shape (n_words,)
        Inverse document frequencies.
    ngram_range_ : tuple of (int, int)
    coef_ : ndarray of shape (n_words, n_classes)
    intercept_ : ndarray of shape (n_classes,)
    fields_ : list of str
        The fields of the texts seen in ``fit``.
    history_ : list
        Empty: nothing is trained in epochs.
    n_truncated_ : int
        0: texts are read whole.

    See Also
    --------
    PromptClassifier : Learns from a few labels per class.

    Examples
    --------
    >>> from fewshot import TfidfClassifier
    >>> clf = TfidfClassifier().fit(["a great film", "an awful film"], ["pos", "neg"])
    >>> clf.predict(["great!", "awful"]).tolist()
    ['pos', 'neg']
    """

    vocabulary_: dict[str, int] = field(init=False)
    idf_: npt.NDArray[np.float64] = field(init=False)
    coef_: npt.NDArray[np.float64] = field(init=False)
    intercept_: npt.NDArray[np.float64] = field(init=False)

    _: KW_ONLY
    ngram_range: tuple[int, int] = (1, 2)
    C: float = 10.0
    class_weight: str | dict[Label, float] | None = None
    labels: Sequence[Label] | None = None
    threshold: Threshold = None

    def _plan(self, X: Any, y: Any, sample_weight: Any) -> LabeledTexts:
        limits = {
            "ngram_range": (_is_range(self.ngram_range), "a pair such as (1, 2)"),
            "C": positive(self.C),
        }
        check_settings(self, limits)
        return read_labeled_texts(
            X,
            y,
            sample_weight,
            labels=self.labels,
            class_weight=self.class_weight,
            threshold=self.threshold,
        )

    def _cost(self, plan: LabeledTexts) -> DryRun:
        return DryRun(n_texts=len(plan.examples))

    def _learn(self, plan: LabeledTexts) -> TfidfClassifier:
        ngram_range = (int(self.ngram_range[0]), int(self.ngram_range[1]))
        vectorizer = _vectorizer(ngram_range)
        features = _fit_transform(vectorizer, plan.examples)
        head = fit_linear_head(features, plan.targets, plan.weights, C=self.C, kind=plan.kind)
        thresholds = linear_thresholds(features, plan, self.C)
        if thresholds is not None and plan.thresholds is None:
            # A text without a known word has no label but those of all texts.
            above = np.nextafter(expit(head.intercept + _ABOVE), 1.0)
            least = np.maximum(thresholds, above)
            thresholds = np.where(plan.targets.all(0), thresholds, least)
        self.classes_ = label_array(plan.classes)
        self.task_kind_, self.thresholds_ = plan.kind, thresholds
        self.ngram_range_ = ngram_range
        self.vocabulary_ = {w: int(i) for w, i in getattr(vectorizer, "vocabulary_", {}).items()}
        self.idf_ = vectorizer.idf_ if self.vocabulary_ else np.empty(0)
        self.coef_, self.intercept_ = head.coef, head.intercept
        self.fields_ = list(plan.examples.fields)
        self.history_ = []
        self.n_truncated_ = 0
        return self

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore what was learned; refuse parts that do not fit together."""
        super().__setstate__(state)
        if "classes_" not in state:
            return
        is_whole_state = (
            _is_range(self.ngram_range_)
            and sorted(self.vocabulary_.values()) == list(range(len(self.idf_)))
            and self.coef_.shape == (len(self.idf_), len(self.classes_))
            and self.intercept_.shape == self.classes_.shape
            and len(self.fields_) > 0
        )
        if not is_whole_state:
            raise ValueError("the vocabulary and the weights of a TfidfClassifier do not match")

    def _class_scores(self, X: Any) -> npt.NDArray[np.float64]:
        examples = read_examples(X, self.fields_)
        head = LinearHead(self.coef_, self.intercept_, self.task_kind_)
        if not self.vocabulary_:
            return head.scores(np.empty((len(examples), 0)))
        vectorizer = _vectorizer(self.ngram_range_, self.vocabulary_)
        vectorizer.idf_ = self.idf_
        return head.scores(vectorizer.transform(examples.joined()))


def _is_range(value: Any) -> bool:
    is_pair = isinstance(value, (tuple, list)) and len(value) == 2
    return is_pair and is_whole(value[0], 1) and is_whole(value[1], value[0])


def _vectorizer(
    ngram_range: tuple[int, int], vocabulary: dict[str, int] | None = None
) -> TfidfVectorizer:
    return TfidfVectorizer(
        ngram_range=ngram_range, sublinear_tf=True, token_pattern=_WORD, vocabulary=vocabulary
    )


def _fit_transform(vectorizer: TfidfVectorizer, examples: Examples) -> csr_matrix:
    """Return the features, none at all if the texts hold no word."""
    texts = examples.joined()
    analyze = vectorizer.build_analyzer()
    if not any(analyze(text) for text in texts):  # scikit-learn would refuse an empty vocabulary
        return csr_matrix((len(texts), 0))
    return vectorizer.fit_transform(texts)
