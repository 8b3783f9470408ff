"""Consistency of predictions over several wordings of the template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Literal, TypeAlias, get_args

import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from fewshot.data.settings import check_settings, not_negative, one_of
from fewshot.data.task_kind import ONE_LABEL, TaskKind
from fewshot.errors import TuningError
from fewshot.prompting.template import Template
from fewshot.prompting.wordings import read_wordings
from fewshot.training.losses import jensen_shannon, kl_divergence

Divergence: TypeAlias = Literal["jensen-shannon", "reference"]

_RAMP = 0.2  # share of the steps over which the weight rises, so that the labels take effect first


@dataclass(eq=False, repr=False)
class TemplateConsistency(BaseEstimator):
    """Train on several wordings of the template, and ask for the same prediction with each.

    Templates that mean the same to a reader can differ by many points of accuracy. Each step
    scores its texts in the classifier's template and in one other, drawn at random; the loss is
    the mean of both cross-entropies, plus the weighted divergence of the two predictions. That
    needs no labels: texts without one, passed to ``fit`` with the labelled ones, add to it.
    Predictions use the classifier's template alone. A step costs two, with unlabelled texts four.

    Parameters
    ----------
    templates : sequence of str or Template
        The other wordings, with the fields of the classifier's template.
    weight : float, default=5.0
        Of the divergence. 0 trains on several templates without asking for agreement. It rises
        over the first fifth of the steps. For ``"reference"`` take a quarter: for close
        predictions the KL divergence is four times that of Jensen and Shannon.
    divergence : {"jensen-shannon", "reference"}
        ``"jensen-shannon"`` moves both predictions towards their mean; ``"reference"`` moves the
        other wording's towards that of the classifier's template, KL(own || other), which itself
        is not moved.

    See Also
    --------
    Training : Takes it as ``consistency``.
    fewshot.template_sensitivity : Measures how predictions move with the wording.

    References
    ----------
    Sun, Shaib and Wallace (2024), Evaluating the Zero-shot Robustness of Instruction-tuned
    Language Models: soft prompts aligned over paraphrases by KL.

    Examples
    --------
    >>> from fewshot.tuning import Full, TemplateConsistency, Training
    >>> other = TemplateConsistency(["{text} All in all, it was {mask}."])
    >>> strategy = Full(training=Training(consistency=other))
    """

    templates: Sequence[str | Template]
    _: KW_ONLY
    weight: float = 5.0  # docs/evidence/tuning_robustness.md
    divergence: Divergence = "jensen-shannon"

    def check(self) -> None:
        """Raise a TuningError at a setting that is out of range."""
        limits = {
            "weight": not_negative(self.weight),
            "divergence": one_of(self.divergence, get_args(Divergence)),
        }
        check_settings(self, limits, TuningError, is_part=True)

    def wordings(self, template: Template) -> tuple[Template, ...]:
        """Return the wordings of a template other than itself; raise a TuningError for none."""
        others = tuple(w for w in read_wordings(self.templates, template) if w != template)
        if not others:
            raise TuningError(
                f"TemplateConsistency needs a wording other than the template {template.text!r}; "
                f"got {self.templates!r}"
            )
        return others

    def disagreement(self, scores: Tensor, others: Tensor, kind: TaskKind = ONE_LABEL) -> Tensor:
        """Return the divergence of scores [n, n_classes] in the template and another wording."""
        if self.divergence == "reference":
            return kl_divergence(scores.detach(), others, kind)
        return jensen_shannon(torch.stack([scores, others]), kind)

    def weight_at(self, progress: float) -> float:
        """Return the weight of the divergence when a share of the steps is done."""
        return self.weight * min(1.0, progress / _RAMP)
