"""LM-BFF's automatic label words: the combination of words, one per class, that classifies best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fewshot.data.settings import check_settings, is_whole, whole
from fewshot.errors import VerbalizerError
from fewshot.knowledge.labelled import (
    LabelledVerbalizer,
    class_means,
    labelled_states,
    token_log_probs,
    whole_words,
)
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.found_terms import FoundTerm
from fewshot.prompting.template import DEFAULT_TEMPLATE, Template
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.learned_verbalizer import VerbalizerTask

_SOURCE = "mean log-probability"
_MOST_COMPARISONS = 2 * 10**10  # of a word's score with the best of a text; some five minutes


@dataclass(eq=False, repr=False)
class LMBFFVerbalizer(LabelledVerbalizer):
    """Find one label word per class, such that together they classify a few texts (LM-BFF).

    The candidates of a class are the words that the model finds likeliest at the mask, averaged
    over its texts. Of their combinations, the search returns the one that classifies the most
    labelled texts correctly without tuning; ties go to the largest mean log-probability of the
    correct class. Scores are calibrated: the mean over the classes is subtracted from each word's
    log-probability.

    With two classes and ``beam_size >= n_candidates`` all combinations are tried, as in the paper.
    With more classes there are too many (``n_candidates ** n_classes``), so a beam search adds one
    class after another and keeps the best `beam_size` partial combinations. It scores at most
    ``n_candidates * (1 + beam_size * (n_classes - 1))`` of them: 190,100 for 20 classes.

    Parameters
    ----------
    n_candidates : int, default=100
        Words per class.
    beam_size : int, default=100
        Partial combinations that are kept.

    See Also
    --------
    PetalVerbalizer : Several words per class, by likelihood ratios; much cheaper.
    SciPromptVerbalizer : Needs names of the classes instead of labelled texts.

    References
    ----------
    Gao, Fisch and Chen (2021), Making Pre-trained Language Models Better Few-shot Learners,
    section 5.1 (automatic selection of label words).

    Examples
    --------
    >>> from fewshot.knowledge import LMBFFVerbalizer
    >>> texts = ["the match was won by a late goal", "shares fell as profits shrank"]
    >>> LMBFFVerbalizer(10).resolve(texts, [0, 1]).coverage
    {0: 1, 1: 1}
    """

    n_candidates: int = 100
    _: KW_ONLY
    beam_size: int = 100

    def find_words(self, task: VerbalizerTask) -> Verbalizer:
        """Return the best combination; see :meth:`resolve`."""
        return self._best(task, 1)[0]

    def ranked(
        self,
        X: Any,
        y: Any,
        n: int = 10,
        *,
        model: str | Path | MaskedLM = "fewshot-mini",
        template: str | Template = DEFAULT_TEMPLATE,
    ) -> list[Verbalizer]:
        """Return the best combinations, to choose between them on other labelled texts.

        This is LM-BFF's last step: tune with each and keep the best on a development set, as
        ``GridSearchCV(clf, {"verbalizer": ranked})`` does. Use texts that are not in `X`: the words
        were chosen on those.

        Parameters
        ----------
        X, y, model, template
            As in :meth:`resolve`.
        n : int, default=10
            At most `beam_size`.

        Returns
        -------
        list of Verbalizer
            The best first.

        Raises
        ------
        VerbalizerError
            If a setting is wrong, the search would be too large, or a class has no labelled text.
        """
        if not is_whole(n, 1) or n > self.beam_size:
            raise VerbalizerError(
                f"n is a whole number from 1 to beam_size, which is {self.beam_size}, got {n!r}"
            )
        return self._best(self._task(X, y, model, template), n)

    def _best(self, task: VerbalizerTask, n: int) -> list[Verbalizer]:
        limits = {"n_candidates": whole(self.n_candidates), "beam_size": whole(self.beam_size)}
        check_settings(self, limits, VerbalizerError)
        states = labelled_states(task, type(self).__name__)
        words, tokens = whole_words(task.lm)
        if self.n_candidates > len(words) or len(words) < len(task.classes):
            raise VerbalizerError(
                f"n_candidates={self.n_candidates} words for each of {len(task.classes)} classes, "
                f"but the vocabulary has {len(words)} whole words; lower n_candidates"
            )
        texts, own = (places.numpy() for places in states.shares.nonzero(as_tuple=True))
        self._check_size(len(own), len(task.classes))
        means, _ = class_means(task.lm, states, tokens)
        candidates = np.argsort(-means, axis=1, kind="stable")[:, : self.n_candidates]
        distinct, places = np.unique(candidates, return_inverse=True)
        scores = token_log_probs(task.lm, states.mask[:, 0], tokens[distinct]).numpy()
        scores -= means[:, distinct].mean(0)
        found = search_assignments(
            scores[texts],
            places.reshape(candidates.shape),
            own,
            states.shares[texts, own].numpy(),
            self.beam_size,
        )
        return [_verbalizer(task, words, distinct[row], means) for row in found.words[:n]]

    def _check_size(self, n_texts: int, n_classes: int) -> None:
        n_scored = self.n_candidates * (1 + self.beam_size * (n_classes - 1))
        if n_scored * n_texts > _MOST_COMPARISONS:
            raise VerbalizerError(
                f"the search would score {n_scored:,} combinations for {n_classes} classes "
                f"(n_candidates={self.n_candidates}, beam_size={self.beam_size}) on {n_texts:,} "
                f"texts, {n_scored * n_texts:,} comparisons, and {_MOST_COMPARISONS:,} are the "
                "most; lower n_candidates or beam_size, or use PetalVerbalizer"
            )


@dataclass(frozen=True)
class Assignments:
    """Combinations of words, the best first."""

    words: npt.NDArray[np.int64]  # [n, n_classes]
    accuracy: npt.NDArray[np.float64]  # weighted, of the texts
    log_likelihood: npt.NDArray[np.float64]  # of the own class, weighted mean
    n_scored: int  # combinations, including partial ones


def search_assignments(
    scores: npt.NDArray[np.float64],  # [n, n_words], at the mask
    candidates: npt.NDArray[np.int64],  # [n_classes, n_candidates], columns of scores
    own: npt.NDArray[np.int64],  # the class of each text
    sample_weight: npt.NDArray[np.float64],
    beam_size: int,  # from n_candidates ** (n_classes - 1) on, the search is exhaustive
) -> Assignments:
    """Search for the words that classify best together: one class joins after another."""
    n_texts = len(own)
    beam = _Beam(
        np.empty((1, 0), dtype=np.int64), *(np.full((1, n_texts), -np.inf) for _ in range(3))
    )
    accuracy = log_likelihood = np.zeros(1)
    n_scored = 0
    for c, row in enumerate(candidates):
        weight = np.where(own <= c, sample_weight, 0.0)
        weight = weight / weight.sum()
        values = np.stack(
            [beam.extended(b, scores[:, row].T, own == c, weight) for b in range(len(beam.words))]
        )  # [beam, candidates, 2]
        n_scored += values.shape[0] * values.shape[1]
        values[(beam.words[:, None, :] == row[None, :, None]).any(2)] = -np.inf
        before, place = _best_first(values, beam_size)
        accuracy, log_likelihood = values[before, place].T
        beam = beam.joined(before, row[place], scores, own == c)
    return Assignments(beam.words, accuracy, log_likelihood, n_scored)


@dataclass(frozen=True)
class _Beam:
    """Partial combinations and the scores of texts under them."""

    words: npt.NDArray[np.int64]
    own: npt.NDArray[np.float64]  # [n_kept, n_texts], of the own class's word
    top: npt.NDArray[np.float64]  # of the best word
    total: npt.NDArray[np.float64]  # log of the summed exponentials

    def extended(
        self,
        b: int,
        values: npt.NDArray[np.float64],
        is_own: npt.NDArray[np.bool_],
        weight: npt.NDArray[np.float64],
    ) -> npt.NDArray[np.float64]:
        """Return accuracy and mean log-likelihood with each word of one more class, [words, 2]."""
        own = np.where(is_own, values, self.own[b])
        is_right = own >= np.maximum(self.top[b], values)
        seen = weight > 0
        log_probs = own[:, seen] - np.logaddexp(self.total[b], values)[:, seen]
        return np.stack([is_right @ weight, log_probs @ weight[seen]], 1)

    def joined(
        self,
        before: npt.NDArray[np.int64],
        words: npt.NDArray[np.int64],
        scores: npt.NDArray[np.float64],
        is_own: npt.NDArray[np.bool_],
    ) -> _Beam:
        """Return the chosen combinations, each with the word of one more class."""
        values = scores[:, words].T
        return _Beam(
            np.column_stack([self.words[before], words]),
            np.where(is_own, values, self.own[before]),
            np.maximum(self.top[before], values),
            np.logaddexp(self.total[before], values),
        )


def _best_first(
    values: npt.NDArray[np.float64], n: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the rows and columns of the best: by accuracy, then log-likelihood, then order."""
    flat = values.reshape(-1, 2)
    order = np.lexsort((-flat[:, 1], -flat[:, 0].round(9)))[:n]
    order = order[np.isfinite(flat[order, 0])]
    return np.divmod(order, values.shape[1])


def _verbalizer(
    task: VerbalizerTask,
    words: Sequence[str],
    chosen: npt.NDArray[np.int64],
    means: npt.NDArray[np.float64],
) -> Verbalizer:
    notes = [
        FoundTerm(label, words[i], _SOURCE, round(float(means[c, i]), 4))
        for c, (label, i) in enumerate(zip(task.classes, chosen, strict=True))
    ]
    return Verbalizer({note.label: [note.term] for note in notes}, provenance=notes)
