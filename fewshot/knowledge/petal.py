"""PETAL: label words by the likelihood ratio over a few labelled texts."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import numpy as np
import numpy.typing as npt

from fewshot.data.labels import Label
from fewshot.data.settings import check_settings, whole
from fewshot.errors import VerbalizerError
from fewshot.knowledge.labelled import (
    LabelledVerbalizer,
    class_means,
    labelled_states,
    whole_words,
)
from fewshot.prompting.found_terms import FoundTerm
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.learned_verbalizer import VerbalizerTask

_SOURCE = "likelihood ratio"


@dataclass(eq=False, repr=False)
class PetalVerbalizer(LabelledVerbalizer):
    """Find label words by a few labelled texts, for classes whose names say nothing (PETAL).

    Each class is set against the rest: a word is good if the model predicts it at the mask of the
    class's texts and not at the mask of others. The score of the word t for the class c is

    ``mean over texts of c of log(p_t / (1 - p_t)) - mean over other texts of the same``

    which is the paper's balanced log-likelihood ratio divided by the number of other texts. The
    words are whole words of the model's vocabulary; for each class the search is limited to its
    likeliest ones. A word that is good for several classes goes where its score is highest. The
    result is a plain :class:`~fewshot.Verbalizer`, the classifier's ``verbalizer_``.

    Label names play no part, so labels may be int. Each class needs at least one labelled text;
    with fewer than some 8 the words describe these very texts.

    Parameters
    ----------
    n_words : int, default=10
        Words per class.
    n_candidates : int, default=1000
        How many of the words likeliest over the texts of a class are searched.

    See Also
    --------
    LMBFFVerbalizer : One word per class, chosen jointly.
    SciPromptVerbalizer : Needs names of the classes instead of labelled texts.

    References
    ----------
    Schick, Schmid and Schütze (2020), Automatically Identifying Words That Can Serve as Labels for
    Few-Shot Text Classification, section 3 (likelihood ratio verbalizer search).

    Examples
    --------
    >>> from fewshot.knowledge import PetalVerbalizer
    >>> texts = ["the match was won by a late goal", "shares fell as profits shrank"]
    >>> PetalVerbalizer(n_words=2).resolve(texts, [0, 1]).coverage
    {0: 2, 1: 2}
    """

    n_words: int = 10
    _: KW_ONLY
    n_candidates: int = 1000

    def find_words(self, task: VerbalizerTask) -> Verbalizer:
        """Return the words with the largest likelihood ratios; see :meth:`resolve`."""
        limits = {"n_words": whole(self.n_words), "n_candidates": whole(self.n_candidates)}
        check_settings(self, limits, VerbalizerError)
        states = labelled_states(task, type(self).__name__)
        words, tokens = whole_words(task.lm)
        self._check_room(len(task.classes), len(words))
        log_probs, odds = class_means(task.lm, states, tokens)
        scores = likelihood_ratios(odds, states.shares.sum(0).numpy())
        scores[~_likeliest(log_probs, self.n_candidates)] = -np.inf
        chosen = pick_words(scores, self.n_words)
        found: dict[Label, list[str]] = {}
        notes = []
        for c, label in enumerate(task.classes):
            found[label] = [words[i] for i in chosen[c]]
            notes += [
                FoundTerm(label, words[i], _SOURCE, round(float(scores[c, i]), 4))
                for i in chosen[c]
            ]
        return Verbalizer(found, provenance=notes)

    def _check_room(self, n_classes: int, n_vocabulary: int) -> None:
        n_candidates = min(self.n_candidates, n_vocabulary)
        if self.n_words * n_classes > n_candidates:
            raise VerbalizerError(
                f"n_words={self.n_words} for {n_classes} classes are {self.n_words * n_classes} "
                f"words, but a class has {n_candidates} candidates (n_candidates="
                f"{self.n_candidates}, and the vocabulary has {n_vocabulary} whole words); lower "
                "n_words or raise n_candidates"
            )


def likelihood_ratios(
    log_odds: npt.NDArray[np.float64],  # [n_classes, n_words], means over the texts of a class
    class_weight: npt.NDArray[np.float64],  # the number of texts of each class
) -> npt.NDArray[np.float64]:
    """Return the log-odds of words in each class less those over all other texts."""
    sums = class_weight[:, None] * log_odds
    others = (sums.sum(0) - sums) / (class_weight.sum() - class_weight)[:, None]
    ratios: npt.NDArray[np.float64] = log_odds - others
    return ratios


def pick_words(
    scores: npt.NDArray[np.float64],  # [n_classes, words in all], -inf for other classes' words
    n_words: int,
) -> list[list[int]]:
    """Give each class its best words; a word goes to the class it scores highest for."""
    chosen: list[list[int]] = [[] for _ in scores]
    taken: set[int] = set()
    classes, words = np.nonzero(np.isfinite(scores))
    for place in np.argsort(-scores[classes, words], kind="stable"):
        c, word = int(classes[place]), int(words[place])
        if len(chosen[c]) < n_words and word not in taken:
            chosen[c].append(word)
            taken.add(word)
    return chosen


def _likeliest(log_probs: npt.NDArray[np.float64], n: int) -> npt.NDArray[np.bool_]:
    """Return a mask of the n likeliest words of each class."""
    order = np.argsort(-log_probs, axis=1, kind="stable")[:, :n]
    is_likely = np.zeros(log_probs.shape, dtype=bool)
    np.put_along_axis(is_likely, order, values=True, axis=1)
    return is_likely
