"""Classes as vectors instead of words: WARP's soft verbalizer, and prototypes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fewshot.data.settings import check_settings, one_of, positive, whole
from fewshot.errors import LabelWordError, VerbalizerError
from fewshot.knowledge.labelled import labelled_states
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.aggregation import segment_sum
from fewshot.scoring.heads import fit_state_head
from fewshot.scoring.label_words import LabelWords
from fewshot.scoring.learned_verbalizer import (
    LearnedVerbalizer,
    ResolvedPrototypes,
    ResolvedVerbalizer,
    VerbalizerTask,
)
from fewshot.scoring.prototypes import prototypes_of

Start: TypeAlias = Literal["states", "words"]

_OPTIONS = {"maxiter": 500}


@dataclass(eq=False, repr=False)
class SoftVerbalizer(LearnedVerbalizer):
    """Give each class a vector instead of words, and learn it (WARP).

    The state at the mask is multiplied with the vectors, as it is with the decoder's rows of
    words. A vector starts as the weighted mean of the rows of its class's words, so without labels
    it scores as these words do. The vectors are then learned from the labelled texts passed to
    ``fit``: first from the states of the frozen model, without gradients through it (`start` is
    ``"states"``), then together with the model by every strategy that tunes by gradients, at ten
    times its learning rate.

    Parameters
    ----------
    verbalizer : Verbalizer, mapping or LearnedVerbalizer, optional
        The words to start from: given, or found in ``fit``, for example by
        :class:`~fewshot.knowledge.PetalVerbalizer`. By default the names of the labels; where they
        are no words (numbers, bools, emoji), the vectors are learned from labelled texts alone.
    C : float, default=10.0
        Inverse penalty on how far the regression moves the vectors from the words; states are
        centred and have a mean squared norm of 1.
    start : {"states", "words"}, default="states"
        Whether tuning starts from the vectors that the regression has found, or from the words.

    See Also
    --------
    PrototypeVerbalizer : Mean states instead of learned vectors.
    SciPromptSoftVerbalizer : Vectors of words found for names, not learned.

    References
    ----------
    Hambardzumyan, Khachatrian and May (2021), WARP: Word-level Adversarial ReProgramming, section
    3 (verbalizer embeddings).

    Examples
    --------
    >>> from fewshot import PromptClassifier
    >>> from fewshot.knowledge import PetalVerbalizer, SoftVerbalizer
    >>> clf = PromptClassifier(verbalizer=SoftVerbalizer(PetalVerbalizer(5)), tuning="none")
    >>> clf.set_params(verbalizer__C=5.0, verbalizer__verbalizer__n_words=10).verbalizer
    SoftVerbalizer(C=5.0, verbalizer=PetalVerbalizer())
    """

    verbalizer: Verbalizer | Mapping[Any, Any] | LearnedVerbalizer | None = None
    _: KW_ONLY
    C: float = 10.0
    start: Start = "states"

    def resolve_words(self, task: VerbalizerTask) -> ResolvedVerbalizer:
        """Make the vectors of all classes; see :meth:`LearnedVerbalizer.resolve_words`."""
        limits = {"C": positive(self.C), "start": one_of(self.start, get_args(Start))}
        check_settings(self, limits, VerbalizerError, is_part=True)
        labelled = np.flatnonzero(task.sample_weight > 0)
        try:
            given = self._words(task)
            verbalizer: Verbalizer | None = given
            vectors = _mean_rows(given, task)
        except (VerbalizerError, LabelWordError):
            # Without words, labelled texts alone decide, from vectors that score classes alike.
            if self.verbalizer is not None or self.start != "states" or not len(labelled):
                raise
            verbalizer = None
            vectors = torch.zeros(len(task.classes), task.lm.state_size)
        if self.start == "states" and len(labelled):
            states = task.mask_states(labelled)[:, 0].numpy()
            shares = task.sample_weight[labelled, None] * task.targets[labelled]
            fitted = fit_vectors(states, shares, vectors.double().numpy(), C=self.C)
            vectors = torch.from_numpy(fitted).float()
        words = LabelWords.from_vectors(task.classes, vectors, is_tuned=True)
        return ResolvedVerbalizer(verbalizer, words)

    def _words(self, task: VerbalizerTask) -> Verbalizer:
        if self.verbalizer is None:
            return Verbalizer.from_labels(task.classes)
        if not isinstance(self.verbalizer, LearnedVerbalizer):
            given = self.verbalizer
            plain = given if isinstance(given, Verbalizer) else Verbalizer(given)
            return plain.subset(task.classes)
        found = self.verbalizer.resolve_words(task)
        if found.verbalizer is None:
            raise VerbalizerError(
                f"SoftVerbalizer begins with words, and {self.verbalizer} finds none; give it "
                "words or what finds some, such as PetalVerbalizer()"
            )
        return found.verbalizer


@dataclass(eq=False, repr=False)
class PrototypeVerbalizer(LearnedVerbalizer):
    """Give each class the mean state at the mask of its labelled texts; predict the nearest class.

    It needs neither label words nor gradients, and labels may be int. It does need a labelled text
    of each class; with only one or two, words are better. Scores are minus the squared distances
    of normalised states, divided by the temperature at which the labelled texts predict one
    another best. Tuning by gradients pulls states to the prototypes, which are then recomputed.
    Calibration does not apply.

    ProtoVerb learns its prototypes and a projection by a contrastive loss; plain means need no
    training, and are what PERFECT predicts with.

    Parameters
    ----------
    n_masks : int, default=1
        Masks in place of one; each has a prototype, and the nearest one counts.

    See Also
    --------
    SoftVerbalizer : Learned vectors that start from words.
    fewshot.tuning.Perfect : Prototypes after tuning, without template and words.

    References
    ----------
    Snell, Swersky and Zemel (2017), Prototypical Networks for Few-shot Learning. Cui et al. (2022),
    Prototypical Verbalizer for Prompt-based Few-shot Tuning. Karimi Mahabadi et al. (2022),
    PERFECT, section 3.4.

    Examples
    --------
    >>> from fewshot import PromptClassifier
    >>> from fewshot.knowledge import PrototypeVerbalizer
    >>> clf = PromptClassifier(verbalizer=PrototypeVerbalizer(), tuning="none")
    >>> texts = ["the match was won by a late goal", "shares fell as profits shrank"]
    >>> clf.fit(texts, [0, 1]).predict(["the striker scored twice"])
    array([0])
    """

    _: KW_ONLY
    n_masks: int = 1

    def resolve_words(self, task: VerbalizerTask) -> ResolvedPrototypes:
        """Make the prototypes of all classes; see :meth:`LearnedVerbalizer.resolve_words`."""
        check_settings(self, {"n_masks": whole(self.n_masks)}, VerbalizerError, is_part=True)
        states = labelled_states(task, type(self).__name__, self.n_masks)
        prototypes = prototypes_of(task.classes, states.mask, states.shares)
        return ResolvedPrototypes(prototypes)


def fit_vectors(
    states: npt.NDArray[np.float64],  # [n, hidden]
    shares: npt.NDArray[np.float64],  # the weight of each text, in the column of its class
    start: npt.NDArray[np.float64],  # [n_classes, hidden]
    *,
    C: float,
) -> npt.NDArray[np.float64]:
    """Fit class vectors to states, drawn to those that they start from."""
    weight = shares.sum(1)
    # What is subtracted from states is what calibration over the texts divides by.
    head = fit_state_head(
        states, shares / weight[:, None], weight, C=C, start=start.T, options=_OPTIONS
    )
    return np.ascontiguousarray((head.coef / head.scale).T)


def _mean_rows(verbalizer: Verbalizer, task: VerbalizerTask) -> Tensor:
    """Return the weighted mean of the decoder's rows of each class's words, [classes, hidden]."""
    words = task.label_words(verbalizer)
    n_classes = len(task.classes)
    counts = torch.bincount(words.class_index, minlength=n_classes)
    total = segment_sum(words.weights[None], words.class_index, n_classes)[0]
    relative = words.weights * (counts / total)[words.class_index]  # of mean 1 in each class
    rows = task.lm.mask_head.decoder_rows(words.tokens).cpu()
    return replace(words, weights=relative).class_vectors(rows)
