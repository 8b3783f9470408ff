"""Tuned classifiers on tiny models, one for each strategy, to be saved."""

from __future__ import annotations

from typing import Any

from fewshot import MaskedLM, PromptClassifier
from fewshot.tuning import STRATEGIES, Tuning
from fewshot.tuning.module_tuning import ModuleTuning
from tests.tiny_models import FAMILIES

TEXTS = ["a great film", "terrible movie", "the best match", "bad and poor", "nice", "awful text"]
LABELS = ["pos", "neg", "pos", "neg", "pos", "neg"]
NEW = ["great great", "the film was bad", "x", "a very long text " * 8, ""]
WORDS = {"neg": ["terrible", "bad"], "pos": ["great", "good"]}
WITH_MODULES = [name for name, kind in STRATEGIES.items() if issubclass(kind, ModuleTuning)]


def tiny_lm(family: str = "bert", name: str | None = "tiny") -> MaskedLM:
    return MaskedLM(*FAMILIES[family](), device="cpu", name=name)


def strategy(name: str, **settings: Any) -> Tuning:
    """Return a strategy that trains for a moment, with steps that change every bit."""
    found = STRATEGIES[name]()
    if "num_epochs" in found.get_params():
        found.set_params(num_epochs=1, learning_rate=0.01, interpolation=1.0)
    return found.set_params(**settings)


def fit(lm: Any, tuning: Any, template: str = "{text} It was {mask}.") -> PromptClassifier:
    clf = PromptClassifier(
        template,
        WORDS,
        model=lm,
        tuning=strategy(tuning) if isinstance(tuning, str) else tuning,
        calibration="domain",
        random_state=0,
        verbose=0,
    )
    return clf.fit(TEXTS, LABELS)
