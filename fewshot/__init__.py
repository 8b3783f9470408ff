"""Few-shot text classification by prompting masked language models, behind a scikit-learn API."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fewshot.classifiers.automatic.classifier import Classifier
    from fewshot.classifiers.batch_predictor import BatchPredictor
    from fewshot.classifiers.embedding import EmbeddingClassifier
    from fewshot.classifiers.exporting.export import export
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

__version__ = "0.2.0"

__all__ = [
    "BatchPredictor",
    "Classifier",
    "EmbeddingClassifier",
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
    "export",
    "k_shot_sample",
    "list_adapter",
    "list_tasks",
    "load",
    "load_masked_lm",
    "load_task",
    "template_sensitivity",
]

# Loaded when asked for, so that importing the package imports neither torch nor transformers.
_MODULES = {
    "classifiers.automatic.classifier": ("Classifier",),
    "classifiers.batch_predictor": ("BatchPredictor",),
    "classifiers.embedding": ("EmbeddingClassifier",),
    "classifiers.fine_tune": ("FineTuneClassifier",),
    "classifiers.prompt": ("PromptClassifier",),
    "classifiers.semi_supervised.list": ("LiSTClassifier", "list_adapter"),
    "classifiers.semi_supervised.meta_weights": ("MetaWeights",),
    "classifiers.semi_supervised.pcp": ("PCPClassifier",),
    "classifiers.semi_supervised.pet": ("PETClassifier",),
    "classifiers.semi_supervised.pretraining": ("Pretraining",),
    "classifiers.sensitivity": ("TemplateSensitivity", "template_sensitivity"),
    "classifiers.setfit": ("SetFitClassifier",),
    "classifiers.tfidf": ("TfidfClassifier",),
    "data.sampling": ("KShotSplit", "k_shot_sample"),
    "data.unlabeled": ("Unlabeled",),
    "classifiers.exporting.export": ("export",),
    "knowledge": ("SciPromptVerbalizer",),
    "models.loading": ("load_masked_lm",),
    "models.masked_lm": ("MaskedLM",),
    "prompting.library": ("Task", "list_tasks", "load_task"),
    "prompting.template": ("Template",),
    "prompting.verbalizer": ("Verbalizer",),
    "saving.estimators": ("load",),
}
_HOME = {name: f"fewshot.{module}" for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "runtime":  # fewshot.runtime.load, without an import of its own
        return import_module("fewshot.runtime")
    if name not in _HOME:
        raise AttributeError(f"module 'fewshot' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), "load_estimator" if name == "load" else name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
