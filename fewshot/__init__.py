"""Few-shot text classification by prompting masked language models, behind a scikit-learn API."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fewshot.classifier import PromptClassifier
    from fewshot.continued_pretraining import PCPClassifier
    from fewshot.data.sampling import KShotSplit, k_shot_sample
    from fewshot.data.unlabeled import Unlabeled
    from fewshot.fine_tune_classifier import FineTuneClassifier
    from fewshot.knowledge import SciPromptVerbalizer
    from fewshot.models.masked_lm import MaskedLM
    from fewshot.pet import PETClassifier
    from fewshot.prompting.library import Task, list_tasks, load_task
    from fewshot.prompting.template import Template
    from fewshot.prompting.verbalizer import Verbalizer
    from fewshot.saving.estimators import load_estimator as load
    from fewshot.self_training import LiSTClassifier
    from fewshot.sensitivity import TemplateSensitivity, template_sensitivity
    from fewshot.setfit_classifier import SetFitClassifier
    from fewshot.tfidf_classifier import TfidfClassifier

__version__ = "0.1.0"

__all__ = [
    "FineTuneClassifier",
    "KShotSplit",
    "LiSTClassifier",
    "MaskedLM",
    "PCPClassifier",
    "PETClassifier",
    "PromptClassifier",
    "SciPromptVerbalizer",
    "SetFitClassifier",
    "Task",
    "Template",
    "TemplateSensitivity",
    "TfidfClassifier",
    "Unlabeled",
    "Verbalizer",
    "k_shot_sample",
    "list_tasks",
    "load",
    "load_task",
    "template_sensitivity",
]

# Loaded when asked for, so that importing the package imports neither torch nor transformers.
_HOME = {
    "FineTuneClassifier": ("fewshot.fine_tune_classifier", "FineTuneClassifier"),
    "KShotSplit": ("fewshot.data.sampling", "KShotSplit"),
    "LiSTClassifier": ("fewshot.self_training", "LiSTClassifier"),
    "MaskedLM": ("fewshot.models.masked_lm", "MaskedLM"),
    "PCPClassifier": ("fewshot.continued_pretraining", "PCPClassifier"),
    "PETClassifier": ("fewshot.pet", "PETClassifier"),
    "PromptClassifier": ("fewshot.classifier", "PromptClassifier"),
    "SciPromptVerbalizer": ("fewshot.knowledge", "SciPromptVerbalizer"),
    "SetFitClassifier": ("fewshot.setfit_classifier", "SetFitClassifier"),
    "Task": ("fewshot.prompting.library", "Task"),
    "Template": ("fewshot.prompting.template", "Template"),
    "TemplateSensitivity": ("fewshot.sensitivity", "TemplateSensitivity"),
    "TfidfClassifier": ("fewshot.tfidf_classifier", "TfidfClassifier"),
    "Unlabeled": ("fewshot.data.unlabeled", "Unlabeled"),
    "Verbalizer": ("fewshot.prompting.verbalizer", "Verbalizer"),
    "k_shot_sample": ("fewshot.data.sampling", "k_shot_sample"),
    "list_tasks": ("fewshot.prompting.library", "list_tasks"),
    "load": ("fewshot.saving.estimators", "load_estimator"),
    "load_task": ("fewshot.prompting.library", "load_task"),
    "template_sensitivity": ("fewshot.sensitivity", "template_sensitivity"),
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'fewshot' has no attribute {name!r}")
    module, attribute = _HOME[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
