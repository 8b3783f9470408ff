"""All of scikit-learn's checks of classifiers on ours, behind the numeric adapter."""

from __future__ import annotations

import pytest
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import f1_score
from sklearn.multioutput import ClassifierChain
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from fewshot import (
    Classifier,
    EmbeddingClassifier,
    FineTuneClassifier,
    LiSTClassifier,
    PCPClassifier,
    PETClassifier,
    PromptClassifier,
    SetFitClassifier,
    TfidfClassifier,
)
from fewshot.classifiers.semi_supervised.pretraining import Pretraining
from fewshot.classifiers.sentence_classifier import SentenceClassifier
from fewshot.models.masked_lm import MaskedLM
from fewshot.tuning import Full, Head, LoRA
from tests.numeric import LABEL_WORDS, LabelSetsAdapter, NumericAdapter
from tests.tiny_estimators import QUIET
from tests.tiny_models import tiny_numeric_model
from tests.tiny_sentences import tiny_sentence_transformer

_LM = MaskedLM(*tiny_numeric_model(32), device="cpu")
_LORA = LoRA(learning_rate=5e-2, num_epochs=6, batch_size=16)


def _prompt(tuning) -> PromptClassifier:
    settings = {"template": "{mask} : {text}", "calibration": "domain", "model": _LM}
    return PromptClassifier(tuning=tuning, **settings, **QUIET)


# Settings that learn what the checks want to see learned in a few steps.
_SUPERVISED = [
    _prompt("none"),
    _prompt(Head(C=1000.0)),
    _prompt(Full(learning_rate=1e-2, num_epochs=5, batch_size=16)),
    TfidfClassifier(C=100.0),
    Classifier(model=_LM, time_budget="1h", **QUIET),
    FineTuneClassifier(_LM, learning_rate=2e-2, num_epochs=12, batch_size=16, **QUIET),
    EmbeddingClassifier(tiny_sentence_transformer(tiny_numeric_model(64))),
    SetFitClassifier(
        tiny_sentence_transformer(tiny_numeric_model(64)),
        learning_rate=1e-5,
        max_pairs=16,
        **QUIET,
    ),
]
_SEMI_SUPERVISED = [
    PETClassifier(_prompt(Head(C=1000.0)), templates=["{mask} : {text}", "{text} {mask}"], **QUIET),
    LiSTClassifier(_prompt(Head(C=1000.0)), tuning=_LORA, n_sessions=1, n_steps=10, **QUIET),
    PCPClassifier(_prompt(Head(C=1000.0)), pretraining=Pretraining(num_epochs=1), **QUIET),
]


@pytest.fixture(autouse=True)
def _classifier_tunes_no_model(monkeypatch):
    """Let Classifier try its cheap voices only; tuned models are checked on their own."""
    monkeypatch.setattr("fewshot.classifiers.automatic.offers.COSTLY", ())


def _expected_failures(adapter: NumericAdapter) -> dict[str, str]:
    if getattr(adapter.estimator, "tuning", None) == "none":
        return {"check_classifiers_train": "zero-shot learns nothing from the labels"}
    reason = "only ratios of weights count, while more rows say more against what the model knew"
    expected = {"check_sample_weight_equivalence_on_dense_data": reason}
    if isinstance(adapter.estimator, SentenceClassifier):
        reason = "joblib hashes a SentenceTransformer and its copy differently; the contract has it"
        expected["check_estimators_overwrite_params"] = reason
    return expected


@pytest.mark.filterwarnings("ignore::fewshot.errors.FewShotWarning")
@parametrize_with_checks(
    [NumericAdapter(clf, LABEL_WORDS) for clf in _SUPERVISED]
    + [NumericAdapter(clf, LABEL_WORDS, n_unlabeled=200) for clf in _SEMI_SUPERVISED],
    expected_failed_checks=_expected_failures,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# ---- Several labels -----------------------------------------------------------------------------

_CHECKS = [
    estimator_checks.check_classifiers_multilabel_representation_invariance,
    estimator_checks.check_classifiers_multilabel_output_format_predict,
    estimator_checks.check_classifiers_multilabel_output_format_predict_proba,
    estimator_checks.check_classifiers_multilabel_output_format_decision_function,
]


@pytest.mark.filterwarnings("ignore::fewshot.errors.FewShotWarning")
@pytest.mark.parametrize("check", _CHECKS, ids=lambda check: check.__name__[28:])
@pytest.mark.parametrize("classifier", _SUPERVISED, ids=lambda c: str(c)[:40])
def test_scikit_learn_checks_of_several_labels(classifier, check):
    check(type(classifier).__name__, LabelSetsAdapter(classifier))


@pytest.mark.filterwarnings("ignore::fewshot.errors.FewShotWarning")
def test_a_chain_of_classifiers_takes_the_labels_before_as_features():
    X, y = make_multilabel_classification(100, 2, n_classes=3, random_state=0)

    chain = ClassifierChain(NumericAdapter(TfidfClassifier(), LABEL_WORDS)).fit(X, y)

    assert f1_score(y, chain.predict(X), average="macro") > 0.75
