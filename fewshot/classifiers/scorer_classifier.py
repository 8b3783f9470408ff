"""Base of a classifier that keeps a scorer, whose fields are attributes also in saved folders."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from fewshot.classifiers.base import TextClassifier
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from fewshot.scoring.aggregation import Aggregation
from fewshot.scoring.heads import StateHead
from fewshot.scoring.label_words import LabelWords
from fewshot.scoring.prototypes import LabelEmbeddings
from fewshot.scoring.scorer import PromptScorer

_OF_SCORER = {  # fitted attributes that are fields of the scorer
    "template_": "template",
    "model_": "lm",
    "label_words_": "words",
    "aggregation_": "aggregation",
    "prior_": "prior",
    "head_": "head",
    "max_length_": "max_length",
}
_LEARNED = (  # in the order of saved folders
    *("classes_", "template_", "verbalizer_", "model_", "label_words_", "aggregation_"),
    *("calibration_", "prior_", "head_", "max_length_", "history_", "n_truncated_"),
    "parameter_report_",
)


class ScorerClassifier(TextClassifier):
    """Base of :class:`~fewshot.PromptClassifier`, which describes the attributes."""

    scorer_: PromptScorer

    @property
    def template_(self) -> Template:
        """Template, as it was parsed."""
        return self.scorer_.template

    @property
    def model_(self) -> MaskedLM:
        """Model after tuning."""
        return self.scorer_.lm

    @property
    def label_words_(self) -> LabelWords | LabelEmbeddings:
        """Words or prototypes that are scored at the mask."""
        return self.scorer_.words

    @property
    def aggregation_(self) -> Aggregation:
        """Aggregation of the words of a class."""
        return self.scorer_.aggregation

    @property
    def prior_(self) -> Tensor | None:
        """Log-probabilities that calibration divides by."""
        return self.scorer_.prior

    @property
    def head_(self) -> StateHead | None:
        """Regression on the states of texts."""
        return self.scorer_.head

    @property
    def max_length_(self) -> int:
        """Limit of the tokens of a prompt."""
        return self.scorer_.max_length

    def __getstate__(self) -> dict[str, Any]:
        """Return parameters and what was learned; the fields of the scorer one by one."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "scorer_" in state:
            del state["scorer_"]
            kept = {name: value for name, value in state.items() if name not in _LEARNED}
            state = kept | {name: getattr(self, name) for name in _LEARNED}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        scorer = {field: state[name] for name, field in _OF_SCORER.items() if name in state}
        rest = {name: value for name, value in state.items() if name not in _OF_SCORER}
        super().__setstate__(rest)
        if scorer:
            self.scorer_ = PromptScorer(**scorer)
