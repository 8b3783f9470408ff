"""Contrastive tuning: texts are drawn to those of their class, and to its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, get_args

import numpy as np
import torch
from torch import Tensor

from fewshot.data.labels import Label
from fewshot.data.settings import check_settings, one_of, positive
from fewshot.errors import LabelWordWarning, TuningError, VerbalizerError, warn_user
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.label_words import words_ids
from fewshot.scoring.prototypes import LabelEmbeddings, States
from fewshot.training.loop import TrainStep
from fewshot.training.losses import contrastive_losses, smoothed
from fewshot.tuning.class_vectors import name_views
from fewshot.tuning.subsets import Full
from fewshot.tuning.task import TuningTask

_SHOWN = 5  # labels in a warning


@dataclass(eq=False, repr=False)
class Contrastive(Full):
    """Draw the states of texts to those of their class and its name, away from all others.

    The contrast is within the batch: each text is compared with the other texts and with the names
    of the classes there, so that no pairs are listed. That takes a tenth of the time of SetFit,
    which does so pair by pair. Texts are then classified by the cosine to the names and the
    regression on mean states that all strategies share.

    A class's name is the first word of its verbalizer, by default the name of the label; it may be
    a description. It takes the place of the text in the template.

    Parameters
    ----------
    learning_rate : float, default=2e-4
    num_epochs : int, default=3
    batch_size : int, default=16
        Texts that are compared with one another.
    temperature : float, default=0.1
        Divides cosines.
    states : {"mean", "mask"}, default="mean"
        Which states are compared: the mean over the prompt, or those at the mask.
    embeddings, interpolation, C, training
        See :class:`Full`. Adversarial training, R-drop, consistency and held-out examples are not
        for this loss.

    See Also
    --------
    Full : Trains the scores of label words instead.
    fewshot.SetFitClassifier : Pairs of texts, in minutes.

    References
    ----------
    Khosla et al. (2020), Supervised Contrastive Learning. Yehudai and Bandel (2024), FastFit: Fast
    and Effective Few-Shot Text Classification with a Multitude of Classes. Pauli et al. (2023),
    Anchoring Fine-tuning of Sentence Transformer with Semantic Label Information (AncSetFit).

    Examples
    --------
    >>> from fewshot import PromptClassifier
    >>> from fewshot.tuning import Contrastive
    >>> clf = PromptClassifier(tuning=Contrastive(temperature=0.05))
    """

    uses_label_words: ClassVar[bool] = False

    learning_rate: float = 2e-4
    _: KW_ONLY
    num_epochs: int = 3
    batch_size: int = 16
    temperature: float = 0.1
    states: States = "mean"

    def check(self, lm: MaskedLM, template: Template) -> None:
        """Check the settings; see :meth:`Tuning.check`."""
        super().check(lm, template)
        limits = {
            "temperature": positive(self.temperature),
            "states": one_of(self.states, get_args(States)),
        }
        check_settings(self, limits, TuningError, is_part=True)
        self._check_own_loss()
        if self._training.validation_fraction:
            raise TuningError(
                "Contrastive compares the texts of a batch and evaluates no held-out ones; leave "
                "validation_fraction out"
            )

    def label_embeddings(
        self,
        classes: Sequence[Label],
        lm: MaskedLM,
        verbalizer: Verbalizer | None = None,
        names: Sequence[Label] | None = None,
    ) -> LabelEmbeddings:
        """Return zeros, and the names of the classes; see :meth:`Tuning.label_embeddings`."""
        if verbalizer is not None:
            found = tuple(verbalizer[label][0] for label in classes)
        else:
            found = self._names(classes if names is None else names, lm)
        blank = torch.zeros(len(classes), 1, lm.state_size)
        # Squared distances are 2 - 2 cos.
        return LabelEmbeddings(tuple(classes), blank, 2 * self.temperature, self.states, found)

    def _names(self, labels: Sequence[Label], lm: MaskedLM) -> tuple[str, ...]:
        """Return the names of labels as words, or as they are if they are none, with a warning."""
        try:
            words = Verbalizer.from_labels(labels).label_words
            names = tuple(" ".join(row) for row in words.values())
            is_known = None not in words_ids(names, lm.tokenizer)
        except VerbalizerError:
            names, is_known = tuple(map(str, labels)), False
        if not is_known:
            warn_user(
                f"the labels {list(labels[:_SHOWN])} are not words that the model knows, so {self} "
                "learns the classes from the labelled texts alone; say what they mean with "
                "verbalizer=",
                LabelWordWarning,
            )
        return names

    def loss(self, task: TuningTask) -> Callable[[TrainStep], Tensor]:
        """Return the contrastive loss in a batch; see :meth:`GradientTuning.loss`."""
        scorer = task.scorer
        names = name_views(scorer)

        def contrast(step: TrainStep) -> Tensor:
            present = np.unique(step.targets.argmax(1).numpy())  # of many classes, a batch has few
            targets = smoothed(step.targets, step.label_smoothing)[:, present]
            states = scorer.train_states(task.views, step.rows, self.states)[:, 0]
            anchors = scorer.train_states(names, present, self.states)[:, 0]
            shares = targets / targets.sum(1, keepdim=True)
            return step.mean(contrastive_losses(states, anchors, shares, self.temperature))

        return contrast
