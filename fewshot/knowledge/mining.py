"""Terms of the user's own unlabelled texts, by their association with zero-shot predictions."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.feature_extraction.text import CountVectorizer

from fewshot.data.settings import check_settings, is_positive, whole
from fewshot.errors import SourceError
from fewshot.knowledge.candidates import Candidates, Names, TermSource
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.learned_verbalizer import VerbalizerTask

_WORD = r"(?u)\b[^\W\d_][\w-]+\b"
_SMOOTHING = 0.05  # a term in one text of 20 is half believed


@dataclass(eq=False, repr=False)
class CorpusTerms(TermSource):
    """Words and phrases of the texts passed to ``fit``, with or without labels.

    The class names classify the texts zero-shot; a term is tied to a class by how much more often
    it occurs in texts of that class: ``log((P(t | c) + s) / (P(t) + s))``, with the classes'
    probabilities as shares of texts. Terms that are also similar to the name are the best label
    words that we know of (docs/evidence/knowledge.md).

    Parameters
    ----------
    longest : int, default=3
        The most words of a phrase.
    min_texts : int, default=2
        The fewest texts that contain a term.
    max_share : float, default=0.15
        Words in a larger share of all texts neither begin nor end a phrase, nor stand alone.

    See Also
    --------
    VocabularyWords : The other default source; needs no texts.
    SciPromptVerbalizer : Collects, filters and weighs terms.

    Examples
    --------
    >>> from fewshot.knowledge import CorpusTerms
    >>> CorpusTerms(longest=2)
    CorpusTerms(longest=2)
    """

    name = "corpus"

    _: KW_ONLY
    longest: int = 3
    min_texts: int = 2
    max_share: float = 0.15

    def find(self, names: Names, task: VerbalizerTask) -> Candidates:
        """Return the terms of the texts; none without texts. See :meth:`TermSource.find`."""
        limits = {
            "longest": whole(self.longest),
            "min_texts": whole(self.min_texts),
            "max_share": (
                is_positive(self.max_share) and self.max_share <= 1,
                "above 0 and up to 1",
            ),
        }
        check_settings(self, limits, SourceError, is_part=True)
        if task.examples is None:
            return Candidates((), np.zeros((0, len(task.classes))), is_pool=True)
        terms, occurrence = self._count(task.examples.joined())
        if not terms:
            return Candidates((), np.zeros((0, len(task.classes))), is_pool=True)
        lift = association(occurrence, _zero_shot(names, task))
        return Candidates(terms, np.maximum(lift, 0.0), is_pool=True)

    def _count(self, texts: list[str]) -> tuple[tuple[str, ...], Any]:
        """Return terms, and a sparse matrix [n_texts, n_terms] of the texts that contain them."""
        counter = CountVectorizer(ngram_range=(1, self.longest), token_pattern=_WORD, binary=True)
        try:
            matrix = counter.fit_transform(texts)
        except ValueError:  # not a single word
            return (), None
        terms = counter.get_feature_names_out()
        n_texts = np.asarray(matrix.sum(0)).ravel()
        frequent = set(terms[n_texts > max(self.max_share * len(texts), self.min_texts)].tolist())
        is_good = n_texts >= self.min_texts
        ends = [(term.split(" ")[0], term.split(" ")[-1]) for term in terms]
        is_good &= np.array([not frequent.intersection(pair) for pair in ends])
        return tuple(terms[is_good].tolist()), matrix[:, is_good]


def association(
    occurrence: Any,  # [n_texts, n_terms], 1 where a text contains a term; dense or sparse
    probabilities: npt.NDArray[np.float64],  # [n_texts, n_classes]
) -> Any:
    """Return smoothed log-ratios of terms in the texts of a class to all, [n_terms, n_classes]."""
    shares = probabilities / probabilities.sum(0)
    in_class = np.asarray(occurrence.T @ shares)
    overall = np.asarray(occurrence.mean(0)).ravel()[:, None]
    return np.log((in_class + _SMOOTHING) / (overall + _SMOOTHING))


def _zero_shot(names: Names, task: VerbalizerTask) -> npt.NDArray[np.float64]:
    scorer = task.scorer(Verbalizer({label: list(words) for label, words in names.items()}))
    probabilities: npt.NDArray[np.float64] = softmax(
        scorer.class_scores(task.encoded(scorer)), axis=1
    )
    return probabilities
