"""Base of a classifier that keeps a scorer, whose fields are attributes also in saved folders."""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import Any

from torch import Tensor

from fewshot.classifiers.base import TextClassifier
from fewshot.data.task_kind import TaskKind
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from fewshot.scoring.aggregation import Aggregation
from fewshot.scoring.heads import StateHead
from fewshot.scoring.label_words import LabelWords
from fewshot.scoring.names import ClassNames
from fewshot.scoring.prototypes import LabelEmbeddings
from fewshot.scoring.scorer import PromptScorer

_NAMES = {"lm": "model_", "words": "label_words_", "kind": "task_kind_"}  # others: their field's
_OF_SCORER = {_NAMES.get(f.name, f"{f.name}_"): f.name for f in fields(PromptScorer)}
_LEARNED = (  # in the order of saved folders
    *("classes_", "template_", "verbalizer_", "model_", "label_words_", "aggregation_"),
    *("calibration_", "prior_", "names_", "head_", "max_length_", "history_", "n_truncated_"),
    *("parameter_report_", "task_kind_"),
)


def _of_scorer(name: str) -> Any:
    """Return the property of a fitted attribute."""
    return property(attrgetter(f"scorer_.{_OF_SCORER[name]}"))


class ScorerClassifier(TextClassifier):
    """Base of :class:`~fewshot.PromptClassifier`, which describes the attributes."""

    scorer_: PromptScorer

    template_: Template = _of_scorer("template_")
    model_: MaskedLM = _of_scorer("model_")
    label_words_: LabelWords | LabelEmbeddings = _of_scorer("label_words_")
    aggregation_: Aggregation = _of_scorer("aggregation_")
    prior_: Tensor | None = _of_scorer("prior_")
    names_: ClassNames | None = _of_scorer("names_")
    head_: StateHead | None = _of_scorer("head_")
    max_length_: int = _of_scorer("max_length_")
    task_kind_: TaskKind = _of_scorer("task_kind_")

    def __getstate__(self) -> dict[str, Any]:
        """Return parameters and what was learned; the fields of the scorer one by one."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "scorer_" in state:
            del state["scorer_"]
            kept = {name: value for name, value in state.items() if name not in _LEARNED}
            state = kept | {name: getattr(self, name) for name in (*_LEARNED, *_OF_SCORER)}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        scorer = {field: state[name] for name, field in _OF_SCORER.items() if name in state}
        rest = {name: value for name, value in state.items() if name not in _OF_SCORER}
        super().__setstate__(rest)
        if scorer:
            self.scorer_ = PromptScorer(**scorer)
