"""Few-shot text classification by prompting masked language models, behind a scikit-learn API."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fewshot.classifiers.fine_tune import FineTuneClassifier
    from fewshot.classifiers.prompt import PromptClassifier
    from fewshot.classifiers.semi_supervised.list import LiSTClassifier, list_adapter
    from fewshot.classifiers.semi_supervised.meta_weights import MetaWeights
    from fewshot.classifiers.semi_supervised.pcp import PCPClassifier
    from fewshot.classifiers.semi_supervised.pet import PETClassifier
    from fewshot.classifiers.semi_supervised.pretraining import Pretraining
    from fewshot.classifiers.sensitivity import TemplateSensitivity, template_sensitivity
    from fewshot.classifiers.setfit import SetFitClassifier
    from fewshot.classifiers.tfidf import TfidfClassifier
    from fewshot.data.sampling import KShotSplit, k_shot_sample
    from fewshot.data.unlabeled import Unlabeled
    from fewshot.knowledge import SciPromptVerbalizer
    from fewshot.models.loading import load_masked_lm
    from fewshot.models.masked_lm import MaskedLM
    from fewshot.prompting.library import Task, list_tasks, load_task
    from fewshot.prompting.template import Template
    from fewshot.prompting.verbalizer import Verbalizer
    from fewshot.saving.estimators import load_estimator as load

__version__ = "0.1.0"

__all__ = [
    "FineTuneClassifier",
    "KShotSplit",
    "LiSTClassifier",
    "MaskedLM",
    "MetaWeights",
    "PCPClassifier",
    "PETClassifier",
    "Pretraining",
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
    "list_adapter",
    "list_tasks",
    "load",
    "load_masked_lm",
    "load_task",
    "template_sensitivity",
]

# Loaded when asked for, so that importing the package imports neither torch nor transformers.
_HOME = {
    "MetaWeights": ("fewshot.classifiers.semi_supervised.meta_weights", "MetaWeights"),
    "Pretraining": ("fewshot.classifiers.semi_supervised.pretraining", "Pretraining"),
    "list_adapter": ("fewshot.classifiers.semi_supervised.list", "list_adapter"),
    "load_masked_lm": ("fewshot.models.loading", "load_masked_lm"),
    "FineTuneClassifier": ("fewshot.classifiers.fine_tune", "FineTuneClassifier"),
    "KShotSplit": ("fewshot.data.sampling", "KShotSplit"),
    "LiSTClassifier": ("fewshot.classifiers.semi_supervised.list", "LiSTClassifier"),
    "MaskedLM": ("fewshot.models.masked_lm", "MaskedLM"),
    "PCPClassifier": ("fewshot.classifiers.semi_supervised.pcp", "PCPClassifier"),
    "PETClassifier": ("fewshot.classifiers.semi_supervised.pet", "PETClassifier"),
    "PromptClassifier": ("fewshot.classifiers.prompt", "PromptClassifier"),
    "SciPromptVerbalizer": ("fewshot.knowledge", "SciPromptVerbalizer"),
    "SetFitClassifier": ("fewshot.classifiers.setfit", "SetFitClassifier"),
    "Task": ("fewshot.prompting.library", "Task"),
    "Template": ("fewshot.prompting.template", "Template"),
    "TemplateSensitivity": ("fewshot.classifiers.sensitivity", "TemplateSensitivity"),
    "TfidfClassifier": ("fewshot.classifiers.tfidf", "TfidfClassifier"),
    "Unlabeled": ("fewshot.data.unlabeled", "Unlabeled"),
    "Verbalizer": ("fewshot.prompting.verbalizer", "Verbalizer"),
    "k_shot_sample": ("fewshot.data.sampling", "k_shot_sample"),
    "list_tasks": ("fewshot.prompting.library", "list_tasks"),
    "load": ("fewshot.saving.estimators", "load_estimator"),
    "load_task": ("fewshot.prompting.library", "load_task"),
    "template_sensitivity": ("fewshot.classifiers.sensitivity", "template_sensitivity"),
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'fewshot' has no attribute {name!r}")
    module, attribute = _HOME[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
