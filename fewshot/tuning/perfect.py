"""PERFECT: label embeddings in place of label words, adapters in place of a written template."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from fewshot.data.labels import Label
from fewshot.data.settings import check_settings, positive, whole
from fewshot.errors import TuningError
from fewshot.models.added_modules import AddedModules, Stacked
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.parts import Backbone, encoder_layers, norm_names
from fewshot.models.reproducible import torch_seed
from fewshot.prompting.template import Template
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.prototypes import LabelEmbeddings, matching_scores, multi_class_hinge
from fewshot.training.loop import TrainStep
from fewshot.training.losses import smoothed
from fewshot.tuning.adapter import AdapterModules
from fewshot.tuning.gradient import GradientTuning
from fewshot.tuning.module_tuning import check_acting
from fewshot.tuning.soft_templates import with_template_tokens
from fewshot.tuning.task import TuningTask

_SPREAD = 1e-4  # of initial label embeddings, as in configs/perfect.json
_SMALLEST = 8  # width of a bottleneck


@dataclass(eq=False, repr=False)
class Perfect(GradientTuning):
    """Tune adapters and label embeddings, without label words (Karimi Mahabadi et al., 2022).

    A few masks follow the bare text (``"{text} {mask}"`` unless the classifier is given a
    template). Each class has a learned vector for each mask, and the encoder's states there are
    trained towards it by a hinge loss; adapters and layer norms are what is trained of the model.
    Texts are classified by the nearest mean of a class's training states. Label names play no
    part: of a verbalizer only the labels are used, and they may be int without one.

    The model's knowledge of words is not used, so this needs more labels than a prompt.

    Parameters
    ----------
    learning_rate : float, default=1e-3
        Of adapters and norms.
    label_learning_rate : float, default=1e-2
        Of the label embeddings.
    n_masks : int, default=3
    reduction : int, default=16
        Width of the states through width of the adapters' bottleneck, which is 8 at least.
    num_epochs, batch_size, interpolation, C, training
        See :class:`GradientTuning`. Adversarial training, R-drop and consistency are not for this
        loss.

    See Also
    --------
    Adapter : Tunes adapters with label words.
    fewshot.knowledge.PrototypeVerbalizer : Prototypes with every strategy, or with none.

    References
    ----------
    Karimi Mahabadi et al. (2022), PERFECT: Prompt-free and Efficient Few-shot Learning with
    Language Models.

    Examples
    --------
    >>> from fewshot import PromptClassifier
    >>> from fewshot.tuning import Perfect
    >>> clf = PromptClassifier(tuning=Perfect(n_masks=2))
    """

    default_template: ClassVar[str | None] = "{text} {mask}"
    uses_label_words: ClassVar[bool] = False

    learning_rate: float = 1e-3
    _: KW_ONLY
    label_learning_rate: float = 1e-2
    n_masks: int = 3
    reduction: int = 16

    def check(self, lm: MaskedLM, template: Template) -> None:
        """Check the settings; see :meth:`Tuning.check`."""
        super().check(lm, template)
        limits = {
            "label_learning_rate": positive(self.label_learning_rate),
            "n_masks": whole(self.n_masks),
            "reduction": whole(self.reduction),
        }
        check_settings(self, limits, TuningError, is_part=True)
        encoder_layers(lm.model)  # raises if they are not known
        self._check_own_loss()

    def label_embeddings(
        self,
        classes: Sequence[Label],
        lm: MaskedLM,
        verbalizer: Verbalizer | None = None,
        names: Sequence[Label] | None = None,
    ) -> LabelEmbeddings:
        """Return zeros for each class and mask; see :meth:`Tuning.label_embeddings`."""
        blank = torch.zeros(len(classes), int(self.n_masks), lm.model.config.hidden_size)
        return LabelEmbeddings(tuple(classes), blank, 1.0)

    def prepare(self, task: TuningTask) -> TuningTask:
        """Add adapters and label embeddings; see :meth:`GradientTuning.prepare`."""
        lm, classes = task.scorer.lm, task.scorer.words.classes
        n_masks = min(task.views)
        width = int(lm.model.config.hidden_size)
        with torch_seed(task.rng):
            adapters = AdapterModules(
                lm.model,
                size=min(width, max(_SMALLEST, width // int(self.reduction))),
                placement="pfeiffer",
                activation="gelu",
                scaling=1.0,
            )
            labels = LabelVectors(lm.model, n_classes=len(classes), n_masks=n_masks)
        twin = lm.copy(norm_names(lm.model).__contains__, Stacked(adapters, labels))
        own = with_template_tokens(replace(task, scorer=replace(task.scorer, lm=twin)))
        trained = LabelEmbeddings(classes, _label_vectors(own.scorer.lm.added), 1.0)
        own = replace(own, scorer=replace(own.scorer, words=trained, prior=None))
        check_acting(own, type(self).__name__)
        return own

    def rate_factors(self, lm: MaskedLM) -> dict[str, float]:
        """Return the factor of label embeddings; see :meth:`GradientTuning.rate_factors`."""
        factor = self.label_learning_rate / self.learning_rate
        vectors = _label_vectors(lm.added)
        return {name: factor for name, p in lm.tuned_parameters().items() if p is vectors}

    def loss(self, task: TuningTask) -> Callable[[TrainStep], Tensor]:
        """Return the hinge loss at the masks; see :meth:`GradientTuning.loss`."""
        scorer = task.scorer
        vectors = _label_vectors(scorer.lm.added)

        def hinge(step: TrainStep) -> Tensor:
            states = scorer.train_states(task.views, step.rows)
            targets = smoothed(step.targets, step.label_smoothing)
            return step.mean(multi_class_hinge(matching_scores(states, vectors), targets))

        return hinge


class LabelVectors(AddedModules):
    """The label embeddings that states at the masks are trained towards."""

    def __init__(self, model: Backbone, *, n_classes: int, n_masks: int) -> None:
        super().__init__()
        self.n_classes, self.n_masks = n_classes, n_masks
        width = model.config.hidden_size
        self.vectors = nn.Parameter(
            _SPREAD * torch.randn(n_classes, n_masks, width, dtype=torch.float32)
        )

    @property
    def skips_head(self) -> bool:
        """True: the encoder's own states are compared."""
        return True


def _label_vectors(added: AddedModules | None) -> Tensor:
    """Return the label embeddings beside a model, the uppermost if there are several."""
    if isinstance(added, LabelVectors):
        return added.vectors
    if not isinstance(added, Stacked):
        raise TuningError("the model has no label embeddings; tune it with Perfect")
    is_above = any(isinstance(part, LabelVectors) for part in added.upper.modules())
    return _label_vectors(added.upper if is_above else added.lower)
