"""All of scikit-learn's checks of classifiers on ours, behind the numeric adapter."""

from __future__ import annotations

from functools import cache

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from fewshot import LiSTClassifier, PCPClassifier, PETClassifier, PromptClassifier
from fewshot.classifiers.semi_supervised.pretraining import Pretraining
from fewshot.models.masked_lm import MaskedLM
from fewshot.tuning import BitFit, Full, Head, LoRA
from tests.numeric import LABEL_WORDS, NumericAdapter
from tests.tiny_models import tiny_numeric_model

# Settings that learn what the checks want to see learned in a few steps.
_TUNINGS = {
    "none": "none",
    "head": Head(C=1000.0),
    "bitfit": BitFit(learning_rate=5e-2, num_epochs=6, batch_size=16),
    "full": Full(learning_rate=1e-2, num_epochs=5, batch_size=16),
    "lora": LoRA(learning_rate=5e-2, num_epochs=6, batch_size=16),
}
_NO_LEARNING = "zero-shot classification learns nothing from the labels"
_EXPECTED_FAILURES = {
    "none": {"check_classifiers_train": _NO_LEARNING},
}


@cache
def _model() -> MaskedLM:
    return MaskedLM(*tiny_numeric_model(32), device="cpu")


def _adapters() -> list[NumericAdapter]:
    prompts = [_prompt(tuning) for tuning in _TUNINGS.values()]
    learners = [
        PETClassifier(
            _prompt(Head(C=1000.0)), templates=["{mask} : {text}", "{text} {mask}"], verbose=0
        ),
        LiSTClassifier(
            _prompt(Head(C=1000.0)),
            tuning=_TUNINGS["lora"],
            n_sessions=1,
            n_steps=10,
            verbose=0,
        ),
        PCPClassifier(_prompt(Head(C=1000.0)), pretraining=Pretraining(num_epochs=1), verbose=0),
    ]
    return [NumericAdapter(prompt, label_words=LABEL_WORDS) for prompt in prompts] + [
        NumericAdapter(learner.set_params(random_state=0), LABEL_WORDS, n_unlabeled=200)
        for learner in learners
    ]


def _prompt(tuning) -> PromptClassifier:
    return PromptClassifier(
        template="{mask} : {text}",
        model=_model(),
        tuning=tuning,
        calibration="domain",
        random_state=0,
        verbose=0,
    )


def _expected_failures(adapter: NumericAdapter) -> dict[str, str]:
    tuning = getattr(adapter.estimator, "tuning", None)
    return _EXPECTED_FAILURES.get(tuning, {}) if isinstance(tuning, str) else {}


@pytest.mark.filterwarnings("ignore::fewshot.errors.FewShotWarning")
@parametrize_with_checks(_adapters(), expected_failed_checks=_expected_failures)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
