"""Settings that are refused: a table for estimators, one for strategies, one for verbalizers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GridSearchCV

from fewshot import (
    EmbeddingClassifier,
    FineTuneClassifier,
    LiSTClassifier,
    PCPClassifier,
    PETClassifier,
    PromptClassifier,
    SciPromptVerbalizer,
)
from fewshot.classifiers.semi_supervised.meta_weights import MetaWeights
from fewshot.classifiers.semi_supervised.pretraining import Pretraining
from fewshot.errors import (
    FewShotError,
    InputError,
    LabelWordError,
    ModelError,
    SourceError,
    TemplateError,
    TuningError,
    VerbalizerError,
)
from fewshot.knowledge import (
    CorpusTerms,
    GivenTerms,
    LMBFFVerbalizer,
    ModelNeighbours,
    PetalVerbalizer,
    PrototypeVerbalizer,
    SoftVerbalizer,
)
from fewshot.tuning import (
    EPT,
    FGM,
    IAPT,
    SMART,
    STRATEGIES,
    Adapter,
    Contrastive,
    DePT,
    Full,
    Half,
    Head,
    LastLayers,
    LoRA,
    Perfect,
    Prefix,
    SoftPrompt,
    TemplateConsistency,
    Training,
)
from tests.contract.refusing import assert_refused, changed
from tests.tiny_estimators import ESTIMATORS, is_meta, prompt, tiny_lm
from tests.tiny_models import tiny_albert, tiny_deberta, tiny_deberta_v2_tied, tiny_modernbert

LM = tiny_lm()

pytestmark = pytest.mark.filterwarnings("ignore::fewshot.errors.FewShotWarning")


def words(politics, sports) -> dict[str, object]:
    return {"politics": politics, "sports": sports}


def linear(**settings) -> FineTuneClassifier:
    return FineTuneClassifier(LM, num_epochs=1).set_params(**settings)


# ---- Estimators -------------------------------------------------------------------------------

# Wherever an estimator has a setting of this name.
_SHARED = [
    ("random_state", "x", InputError, "random_state is an int, .* got 'x'"),
    ("random_state", True, InputError, "random_state is an int, .* got True"),
    ("verbose", "x", InputError, "verbose is .* got 'x'"),
    ("max_length", 1000, ModelError, "max_length is from 1 to .* got 1000"),
    ("max_length", "x", ModelError, "max_length is from 1 to .* got '?x"),
    ("model", "/no/such/folder", ModelError, "there is no folder '/no/such/folder'"),
    ("model", None, ModelError, "got NoneType"),
    ("model", object(), ModelError, "got object|wrap a loaded model"),
    ("estimator", FineTuneClassifier(), InputError, "is a PromptClassifier"),
    ("estimator", "prompt", InputError, "is a PromptClassifier"),
    ("estimator", PromptClassifier, InputError, "is a PromptClassifier"),
    ("labels", 0, VerbalizerError, "labels is a list of all labels, .* got 0"),
    ("labels", iter("ab"), VerbalizerError, "labels is a list of all labels, .* got <"),
    ("class_weight", np.array([1.0, 2.0]), InputError, "class_weight is None, .* got array"),
    ("class_prior", np.array([0.5, 0.5]), InputError, "class_prior is None, .* got array"),
    ("num_epochs", 10**400, InputError, "num_epochs is a whole number, .* got 1000.*\\.\\.\\.$"),
    ("max_unlabeled", 0, InputError, "max_unlabeled is a whole number, at least 1"),
    ("max_unlabeled", True, InputError, "max_unlabeled is a whole number, at least 1"),
    ("max_unlabeled", None, InputError, "max_unlabeled is a whole number, at least 1"),
]
_OTHERS = words("law", "game") | {"animal": "animal"}
_SETTINGS = [
    ("tfidf", {"C": 0}, InputError, "C is positive, got 0"),
    ("tfidf", {"C": 10**400}, InputError, "C is positive, got 1000"),
    ("prompt", {"verbalizer": words("a\udc80", "game")}, VerbalizerError, "lone surrogate"),
    ("tfidf", {"C": "x"}, InputError, "C is positive, got 'x'"),
    ("tfidf", {"C": np.inf}, InputError, "C is positive, got inf"),
    ("tfidf", {"ngram_range": (2, 1)}, InputError, r"pair such as \(1, 2\)"),
    ("tfidf", {"ngram_range": 2}, InputError, r"pair such as .* got 2"),
    ("tfidf", {"ngram_range": "ab"}, InputError, r"pair such as .* got 'ab'"),
    ("tfidf", {"ngram_range": (1, "b")}, InputError, r"got \(1, 'b'\)"),
    ("embedding", {"C": 0}, InputError, "C is positive, got 0"),
    ("embedding", {"head": "svm"}, InputError, r"head is one of .*'names'\], got 'svm'"),
    ("embedding", {"verbalizer": SoftVerbalizer()}, VerbalizerError, "got SoftVerbalizer, which"),
    ("embedding", {"verbalizer": {"sports": "game"}}, VerbalizerError, "two|2"),
    ("embedding", {"verbalizer": {"a": "law", "sports": "game"}}, InputError, "unknown; known are"),
    ("fine-tune", {"learning_rate": 0}, InputError, "learning_rate is positive, got 0"),
    ("fine-tune", {"learning_rate": "x"}, InputError, "learning_rate is positive, got 'x'"),
    ("fine-tune", {"num_epochs": 0}, InputError, "num_epochs is a whole number, at least 1, got 0"),
    ("fine-tune", {"num_epochs": "x"}, InputError, "num_epochs is a whole number, .* got 'x'"),
    ("fine-tune", {"batch_size": 0}, InputError, "batch_size is a whole number, at least 1, got 0"),
    ("fine-tune", {"batch_size": 2.5}, InputError, "batch_size is a whole number, .* got 2.5"),
    ("fine-tune", {"patience": 0}, InputError, "patience is a whole .* 1, or None, got 0"),
    ("fine-tune", {"patience": "x"}, InputError, "patience is a whole number, .* got 'x'"),
    ("fine-tune", {"validation_fraction": "x"}, InputError, "validation_fraction is from 0 .*'x'"),
    ("fine-tune", {"validation_fraction": 1.0}, InputError, "validation_fraction is from 0"),
    ("fine-tune", {"pooling": "max"}, InputError, r"pooling is one of \['mean', 'first'\], got"),
    ("setfit", {"learning_rate": 0}, InputError, "learning_rate is positive, got 0"),
    ("setfit", {"learning_rate": "x"}, InputError, "learning_rate is positive, got 'x'"),
    ("setfit", {"num_epochs": -1}, InputError, "num_epochs is a whole number, .* got -1"),
    ("setfit", {"num_epochs": 1.5}, InputError, "num_epochs is a whole number, .* got 1.5"),
    ("setfit", {"batch_size": 0}, InputError, "batch_size is a whole number, at least 1, got 0"),
    ("setfit", {"batch_size": None}, InputError, "batch_size is a whole number, .* got None"),
    ("setfit", {"max_pairs": 0}, InputError, "max_pairs is a whole number, at least 2, got 0"),
    ("setfit", {"max_pairs": "x"}, InputError, "max_pairs is a whole number, .* got 'x'"),
    (
        "setfit",
        {"num_iterations": 0},
        InputError,
        "num_iterations is a whole number, at least 1, o",
    ),
    ("setfit", {"num_iterations": "x"}, InputError, "at least 1, or None, got 'x'"),
    ("setfit", {"sampling_strategy": "all"}, InputError, "sampling_strategy is one of"),
    ("prompt", {"calibration": "x"}, InputError, "calibration is one of"),
    ("prompt", {"aggregation": "x"}, FewShotError, "aggregation is one of"),
    ("prompt", {"multi_token": "x"}, LabelWordError, "multi_token is one of"),
    ("prompt", {"multi_token": np.array([])}, LabelWordError, "multi_token is one of"),
    ("prompt", {"verbalizer": _OTHERS, "labels": 0}, VerbalizerError, "is a list .* got 0"),
    ("prompt", {"template": "a \udc80 {mask} {text}"}, TemplateError, "lone surrogate"),
    ("list", {"tuning": STRATEGIES["bitfit"]().set_params(training=3)}, TuningError, "got 3"),
    ("prompt", {"template": "{text} is"}, TemplateError, r"exactly one \{mask\}"),
    ("prompt", {"template": "{text {mask}"}, TemplateError, "position 0"),
    ("prompt", {"template": "{a} {mask} {b}"}, InputError, r"fields \('a', 'b'\)"),
    ("prompt", {"max_length": 4}, TemplateError, "leaves no room"),
    ("prompt", {"verbalizer": {"a": [], "sports": "game"}}, VerbalizerError, "word"),
    ("prompt", {"verbalizer": {"a": "game", "b": "game"}}, VerbalizerError, "'game'"),
    ("prompt", {"verbalizer": words("Game", "game")}, LabelWordError, "same tokens"),
    ("prompt", {"verbalizer": words("日本", "game")}, LabelWordError, "'日本' of label 'politics'"),
    ("prompt", {"verbalizer": {"sports": "game"}}, VerbalizerError, "two|2"),
    ("prompt", {"verbalizer": {"a": "law", "sports": "game"}}, InputError, "unknown; known are"),
    ("prompt", {"verbalizer": _OTHERS, "labels": ["sports", "x"]}, FewShotError, "label 'x'"),
    ("prompt", {"tuning": "ful"}, TuningError, "did you mean 'full'"),
    ("prompt", {"tuning": Head(C=-1)}, TuningError, "C of Head is positive"),
    ("pet", {"n_repetitions": 0}, InputError, "n_repetitions is a whole number, at least 1"),
    ("pet", {"ensemble": "best"}, InputError, "ensemble is one of"),
    ("pet", {"temperature": 0}, InputError, "temperature is positive"),
    ("pet", {"mlm_weight": 1.0}, InputError, "mlm_weight is from 0 to below 1"),
    ("pet", {"mlm_weight": 0.1}, InputError, "needs tuning by gradients"),
    ("pet", {"generations": -1}, InputError, "generations is a whole number"),
    ("pet", {"templates": "{text} {mask}"}, InputError, "templates is a list of"),
    ("pet", {"templates": []}, InputError, "templates is a list of"),
    ("pet", {"templates": [("{text} {mask}",)]}, InputError, "pairs of template and verbalizer"),
    ("pet", {"templates": ["{text} {mask}", "{a} {b} {mask}"]}, InputError, "same fields"),
    ("pet", {"templates": ["{text} without a mask"]}, TemplateError, "exactly one {mask}"),
    *(
        ("pet", {"final_estimator": final}, FewShotError, message)
        for final, message in [
            (prompt(model=LM, template="{a} {b} {mask}"), "same fields"),
            (prompt(model=LM, template="{text} without a mask"), "exactly one {mask}"),
            (prompt(model=LM, verbalizer={"politics": "law", "sport": "game"}), "label 'sports'"),
            (prompt(Full(num_epochs=0), model=LM), "num_epochs of Full"),
            (linear(num_epochs=0), "num_epochs is a whole number"),
            (linear(model="/none"), "/none"),
            (linear(validation_fraction=2.0), "validation_fraction is from 0"),
            (linear(max_length=100_000), "max_length"),
            (linear(pooling="last"), "pooling is one of"),
            (EmbeddingClassifier(threshold=0.5), "threshold= is for texts with several"),
            (EmbeddingClassifier(head="names"), "head='names' and would learn nothing"),
            (EmbeddingClassifier(C=5.0), "C=5.0 of the final EmbeddingClassifier"),
            (
                EmbeddingClassifier(verbalizer={"politics": "law", "sport": "game"}),
                "label 'sports'",
            ),
        ]
    ),
    *(
        (
            "pet",
            {"estimator__tuning": tuning, "n_repetitions": 3, "templates": ["{text} {mask}"]}
            | {"generations": 1, "final_estimator": prompt(model=LM)},
            InputError,
            r"two members that differ.*repetitions of 'head' are",
        )
        for tuning in ("head", "none", Head(C=1.0))
    ),
    (
        "pet",
        {"final_estimator": "cls"},
        InputError,
        "final_estimator is a PromptClassifier, a Fine",
    ),
    ("pet", {"estimator__tuning": "none"}, InputError, "tuning='none' and would learn nothing"),
    ("pet", {"templates": ["{text} {mask}"], "generations": 1}, InputError, "needs two members"),
    ("list", {"n_sessions": 0}, InputError, "n_sessions is a whole number, at least 1, got 0"),
    ("list", {"n_steps": 0}, InputError, "n_steps is a whole number"),
    ("list", {"batch_size": 1.5}, InputError, "batch_size is a whole number"),
    ("list", {"temperature": 0}, InputError, "temperature is positive"),
    ("list", {"min_confidence": 1.0}, InputError, "min_confidence is from 0 to below 1"),
    ("list", {"weights": "best"}, InputError, "weights is one of"),
    ("list", {"weights": MetaWeights(batch_size=0)}, InputError, "batch_size of MetaWeights is"),
    ("list", {"weights": MetaWeights(validation_fraction=0.01)}, InputError, "fraction=0.01"),
    ("list", {"weights": MetaWeights(validation_fraction="x")}, InputError, "from 0 to .* got 'x'"),
    (
        "list",
        {"weights": MetaWeights(warmup_fraction=1.0)},
        InputError,
        "warmup_fraction of MetaW",
    ),
    ("list", {"tuning": "head"}, InputError, "LiSTClassifier tune by gradients, .* got 'head'"),
    ("list", {"tuning": Perfect()}, InputError, "score label words"),
    ("list", {"tuning": "contrastive"}, InputError, "score label words"),
    ("list", {"tuning": Full(training=Training(patience=2))}, InputError, "patience"),
    ("list", {"tuning": Full(training=Training(r_drop=1.0))}, InputError, "r_drop"),
    ("list", {"tuning": Full(training=Training(validation_fraction=0.2))}, InputError, "validatio"),
    ("pcp", {"objective": "tapt"}, InputError, "objective is one of"),
    ("pcp", {"pattern": "dart"}, InputError, "pattern is one of"),
    ("pcp", {"label_source": "true"}, InputError, "label_source is one of"),
    ("pcp", {"min_confidence": 1.0}, InputError, "min_confidence is from 0 to below 1"),
    ("pcp", {"predictor": Head()}, InputError, "is a PromptClassifier"),
    ("pcp", {"predictor": prompt(model=LM, verbalizer=_OTHERS)}, InputError, "has the labels"),
    *(
        ("pcp", {"estimator": estimator}, FewShotError, message)
        for estimator, message in [
            (PETClassifier(prompt(model=LM), generations=-1), "generations is a whole number"),
            (PETClassifier(prompt(model=LM), templates=["{text}"]), "exactly one {mask}"),
            (LiSTClassifier(prompt(model=LM), n_steps=0), "n_steps is a whole number"),
            (LiSTClassifier(prompt(model=LM), tuning="head"), "tune by gradients"),
            (PCPClassifier(PETClassifier(FineTuneClassifier())), "is a PromptClassifier, got Fine"),
            (GridSearchCV(prompt(model=LM), {}), "is a PromptClassifier, got GridSearchCV"),
            (
                CalibratedClassifierCV(prompt(model=LM)),
                "PromptClassifier, got CalibratedClassifier",
            ),
        ]
    ),
    ("pcp", {"pretraining": "long"}, InputError, r"pretraining is Pretraining\(...\) or None"),
    *(
        ("pcp", {"pretraining": Pretraining(**{name: value})}, InputError, f"{name} of Pretraining")
        for name, value in [
            ("learning_rate", 0.0),
            ("learning_rate", "fast"),
            ("num_epochs", -1),
            ("num_epochs", 1.5),
            ("batch_size", 0),
            ("mask_probability", 0.0),
            ("mask_probability", 1.1),
            ("embeddings", "none"),
            ("weight_decay", -0.1),
            ("warmup_ratio", 1.5),
        ]
    ),
]


def test_settings_that_many_have_are_refused_alike(fitted):
    names = clone(fitted).get_params(deep=False).keys()

    for name, value, kind, message in _SHARED:
        where = f"estimator__{name}" if is_meta(fitted) and name not in names else name
        if where.removeprefix("estimator__") in names or where in clone(fitted).get_params():
            assert_refused(changed(fitted, {where: value}), kind, message)


@pytest.mark.parametrize(
    ("name", "settings", "kind", "message"), _SETTINGS, ids=lambda value: str(value)[:40]
)
def test_a_bad_setting_is_refused(name, settings, kind, message):
    clf = prompt("none") if name == "prompt" else ESTIMATORS[name]()

    assert_refused(clf.set_params(**settings), kind, message)


def test_a_misspelt_parameter_fails_at_the_call(estimator):
    with pytest.raises(TypeError, match="verbaliser"):
        type(estimator)(verbaliser={})


# ---- Strategies -------------------------------------------------------------------------------

# Of all strategies that have a setting of this name.
_GRADIENTS = [
    ("learning_rate", 0, "positive, got 0"),
    ("learning_rate", float("nan"), "positive, got nan"),
    ("learning_rate", float("inf"), "positive, got inf"),
    ("learning_rate", "1e-3", "positive, got '1e-3'"),
    ("num_epochs", 2.5, "a whole number, at least 1, got 2.5"),
    ("num_epochs", 0, "a whole number, at least 1, got 0"),
    ("batch_size", 0, "a whole number, at least 1, got 0"),
    ("interpolation", 0, "above 0 and up to 1, or None, got 0"),
    ("interpolation", 1.5, "above 0 and up to 1, or None, got 1.5"),
    ("C", 0, "positive, or None, got 0"),
    ("C", float("nan"), "positive, or None, got nan"),
    ("training", "fgm", "a Training or None, got 'fgm'"),
    ("words", "a \udc80", "a str without lone surrogates, got"),
    ("words", 3, "a str without lone surrogates, got 3"),
]
_TEMPLATE = "A {mask} text: {text}"
_LENGTH = "length of SoftPrompt is a whole number, at least 1, or None, got"
_STRATEGIES = [
    (Contrastive(temperature=0), "temperature of Contrastive is positive, got 0"),
    (Contrastive(states="cls"), r"states of Contrastive is one of \['mask', 'mean'\], got 'cls'"),
    (Contrastive(training=Training(adversarial="fgm")), "Contrastive has a loss of its own"),
    (Contrastive(training=Training(validation_fraction=0.2)), "leave validation_fraction out"),
    (Full(embeddings="some"), "embeddings of Full is one of .*, got 'some'"),
    (Half(ratio=1.5), "ratio of Half is from 0 to 1, got 1.5"),
    (Half(ratio=-0.1), "ratio of Half is from 0 to 1, got -0.1"),
    (Half(granularity="tensor"), r"granularity of Half is one of \['category', 'layer', 'model'\]"),
    (Half(embeddings="half"), r"embeddings of Half is one of \['frozen', 'tuned'\], got 'half'"),
    (Half(stage=-1), "stage of Half is a whole number, at least 0, got -1"),
    *(
        (LastLayers(n), rf"n_layers of LastLayers is a whole .* 1 to 2, .*BertForMaskedLM, got {n}")
        for n in (0, 3, 1.5)
    ),
    (Perfect(n_masks=0), "n_masks of Perfect is a whole number, at least 1, got 0"),
    (Perfect(reduction=0), "reduction of Perfect is a whole number, at least 1, got 0"),
    (Perfect(label_learning_rate=0), "label_learning_rate of Perfect is positive, got 0"),
    (Perfect(training=Training(r_drop=1.0)), "Perfect has a loss of its own"),
    (LoRA(rank=0), "rank of LoRA is a whole number, at least 1, got 0"),
    (LoRA(rank=33), "rank of LoRA is at most 32 for the matrices of BertForMaskedLM, got 33"),
    (LoRA(alpha=-1), "alpha of LoRA is positive, got -1"),
    (LoRA(dropout=1.0), "dropout of LoRA is from 0 to below 1, got 1.0"),
    *(
        (LoRA(targets=targets), r"targets of LoRA are some of \['query', .*got ")
        for targets in ("query", ["q"], None, ["query", ["key"]], [], np.array([1.0, 2.0]))
    ),
    (Adapter(reduction=0), "reduction of Adapter is a whole number, at least 1, got 0"),
    (Adapter(reduction=64), "reduction of Adapter is at most 32, the width of .*, got 64"),
    (Adapter(scaling=0), "scaling of Adapter is positive, got 0"),
    (Adapter(placement="inside"), r"placement of Adapter is one of \['pfeiffer'.*got 'inside'"),
    (Adapter(activation="tanh"), "activation of Adapter is one of .*got 'tanh'"),
    (Adapter(embeddings="tuned"), r"embeddings of Adapter is one of \['none', 'invertible'\]"),
    (Adapter(also_tuned="all"), "also_tuned of Adapter is one of .*got 'all'"),
    (DePT(rank=-1), "rank of DePT is a whole number, .* got -1"),
    (DePT(rank=33), "rank of DePT is at most 32, the width of the word embeddings.*got 33"),
    (DePT(length=-1), "length of DePT is a whole number, at least 0, or None, got -1"),
    (DePT(length=0, rank=0), "length and rank of DePT are both 0"),
    (DePT(offset_learning_rate=0), "offset_learning_rate of DePT is positive, got 0"),
    (EPT(n_spaces=0), "n_spaces of EPT is a whole number, at least 1, got 0"),
    (EPT(length=0), "length of EPT is a whole number, at least 1, or None, got 0"),
    (IAPT(bottleneck=0), "bottleneck of IAPT is a whole number, at least 1, got 0"),
    (IAPT(bottleneck=33), "bottleneck of IAPT is at most 32 .* got 33"),
    (IAPT(share_every=0), "share_every of IAPT is a whole number, at least 1, got 0"),
    (IAPT(length=0), "length of IAPT is a whole number, at least 1, or None, got 0"),
    (Prefix(length=0), "length of Prefix is a whole number from 1 to 512, got 0"),
    (Prefix(length=2.5), "length of Prefix is a whole number from 1 to 512, got 2.5"),
    (Prefix(init="zero"), r"init of Prefix is one of \['text', 'random'\], got 'zero'"),
    (SoftPrompt(length=0), f"{_LENGTH} 0"),
    (SoftPrompt(length=2.5), f"{_LENGTH} 2.5"),
    (SoftPrompt(length=96), "96 virtual tokens before the text, and a prompt has 96 at most"),
    (
        SoftPrompt(length=92),
        r"SoftPrompt\(length=92\) puts 92 virtual .* leaves no room for the tex",
    ),
    (SoftPrompt(initial="word"), "initial of SoftPrompt is one of .*got 'word'"),
    (SoftPrompt(initial=np.array([1.0, 2.0])), "initial of SoftPrompt is one of .*got array"),
]
_TRAINING = [
    ({"weight_decay": -0.1}, "weight_decay of Training is 0 or more, got -0.1"),
    ({"warmup_ratio": 1.5}, "warmup_ratio of Training is from 0 to 1, got 1.5"),
    ({"label_smoothing": 1.0}, "label_smoothing of Training is from 0 to below 1, got 1.0"),
    ({"validation_fraction": 1.0}, "validation_fraction of Training is from 0 to below 1, got 1.0"),
    ({"patience": 0}, "patience of Training is a whole number, at least 1, or None, got 0"),
    ({"schedule": "steps"}, r"one of \['linear', 'cosine', 'constant'\], got 'steps'"),
    ({"r_drop": -1}, "r_drop of Training is 0 or more, got -1"),
    ({"adversarial": "fmg"}, r"one of \['fgm', 'smart'\].*got 'fmg' .did you mean 'fgm'"),
    ({"adversarial": True}, "got True"),
    ({"adversarial": FGM(epsilon=0.0)}, r"epsilon of FGM is positive, got 0\.0"),
    ({"adversarial": SMART(epsilon="much")}, "epsilon of SMART is positive, got 'much'"),
    ({"adversarial": SMART(weight=-1)}, "weight of SMART is positive, got -1"),
    ({"consistency": ["{text} {mask}"]}, r"consistency of Training is None or TemplateConsistency"),
    *(
        ({"consistency": TemplateConsistency(templates, **more)}, message)
        for templates, more, message in [
            ([], {}, "needs a wording other than the template"),
            ([_TEMPLATE], {}, "needs a wording other than the template"),
            (["{text}"], {}, "mask"),
            (["{title} {mask}"], {}, "'title', which the template"),
            ("{text} {mask}", {}, "a sequence of templates"),
            (["{text} {mask}"], {"weight": -1.0}, r"weight .* is 0 or more"),
            (["{text} {mask}"], {"divergence": "kl"}, r"is one of .*got 'kl'"),
        ]
    ),
]


@pytest.mark.parametrize("name", STRATEGIES)
def test_settings_that_many_strategies_have_are_refused_alike(name):
    strategy = STRATEGIES[name]()

    for setting, value, expected in _GRADIENTS:
        if setting in strategy.get_params(deep=False):
            clf = prompt(clone(strategy).set_params(**{setting: value}), model=LM)
            message = f"{setting} of {type(strategy).__name__} is {expected}"
            assert_refused(clf, TuningError, message)


@pytest.mark.parametrize(("strategy", "message"), _STRATEGIES, ids=str)
def test_a_bad_setting_of_a_strategy_is_refused(strategy, message):
    assert_refused(prompt(strategy, model=LM), TuningError, message)


@pytest.mark.parametrize(("settings", "message"), _TRAINING, ids=str)
def test_a_bad_setting_of_the_training_is_refused(settings, message):
    clf = prompt(Full(training=Training(**settings)), model=LM, template=_TEMPLATE)

    assert_refused(clf, (TuningError, TemplateError), message)


@pytest.mark.parametrize(
    ("make", "strategy", "message"),
    [
        (tiny_deberta, Prefix(), "a prefix cannot be put into the attention of Deberta"),
        (tiny_deberta_v2_tied, Adapter(embeddings="invertible"), "of Adapter needs an MLM head"),
        (tiny_albert, LastLayers(1), "2 layers of AlbertForMaskedLM share their .*tuning='full'"),
        (tiny_modernbert, STRATEGIES["bitfit"](), "ModernBertForMaskedLM has no biases .*'norm'"),
    ],
)
def test_a_model_that_lacks_what_is_tuned_is_refused(make, strategy, message):
    assert_refused(prompt(strategy, model=tiny_lm(make)), TuningError, message)


# ---- Verbalizers ------------------------------------------------------------------------------

_TERMS = GivenTerms({"politics": ["law"], "sports": ["game"]})


def sciprompt(**settings) -> SciPromptVerbalizer:
    return SciPromptVerbalizer([_TERMS], encoder=None).set_params(**settings)


_VERBALIZERS = [
    (sciprompt(n_terms=0), "n_terms is a whole number, at least 1, or None, got 0"),
    (sciprompt(sentence="about"), r"sentence is a str with '\{term\}' in it, got 'about'"),
    (sciprompt(sentence=["{term}"]), r"sentence is a str with '\{term\}' in it, got \['"),
    (sciprompt(weights="tfidf"), r"weights is one of \['score', .*got 'tfidf'"),
    (sciprompt(relevance="yes"), r"relevance is one of \['none', .*got 'yes'"),
    (sciprompt(temperature=0), "temperature is positive, got 0"),
    (sciprompt(frequency_cut=1.0), "frequency_cut is from 0 to below 1, got 1.0"),
    (sciprompt(min_similarity=None), "min_similarity is a number, such as 0.2, got None"),
    (sciprompt(sources=[["football"]]), r"of fewshot.knowledge.*got \[\['football'\]\]"),
    (sciprompt(sources=None), "VocabularyWords, one of the default sources, needs an encoder"),
    (sciprompt(sources=[]), r"sources is None, or a list of one or more.*got \[\]"),
    (sciprompt(sources=_TERMS), r"sources is None, or a list .*got GivenTerms\("),
    (sciprompt(names=["money"]), r"names is a mapping of labels.*got \['money'\]"),
    (sciprompt(sources=[ModelNeighbours(by="magic")]), "'embeddings'], got 'magic'"),
    (sciprompt(sources=[ModelNeighbours(n_candidates=0)]), "of ModelNeighbours .* 1, got 0"),
    (sciprompt(sources=[CorpusTerms(longest=0)]), "longest of CorpusTerms is .* 1, got 0"),
    (sciprompt(sources=[CorpusTerms(max_share="a")]), "max_share of CorpusTerms .*got 'a'"),
    (SoftVerbalizer(C=0), "C of SoftVerbalizer is positive, got 0"),
    (SoftVerbalizer(start="names"), r"start of SoftVerbalizer is one of \['states', 'words'\]"),
    (SoftVerbalizer(PrototypeVerbalizer()), r"begins with words, and PrototypeVerbalizer\(\) f"),
    (SoftVerbalizer({"politics": "law", "film": "film"}), "has no label 'sports'"),
    (PrototypeVerbalizer(n_masks=0), "n_masks of PrototypeVerbalizer is a whole number, at"),
    (LMBFFVerbalizer(n_candidates=0), "n_candidates is a whole number, at least 1, got 0"),
    (LMBFFVerbalizer(beam_size=True), "beam_size is a whole number, at least 1, got True"),
    (LMBFFVerbalizer(5000), r"n_candidates=5000 words .* the vocabulary has \d+ whole words"),
    (
        LMBFFVerbalizer(100, beam_size=10**9),
        r"100,000,000,100 combinations for 2 .*lower n_candida",
    ),
    (PetalVerbalizer(0), "n_words is a whole number, at least 1, got 0"),
    (PetalVerbalizer(n_candidates=2.5), "n_candidates is a whole number, at least 1, got 2.5"),
    (PetalVerbalizer(6, n_candidates=11), "12 words, but a class has 11 candidates .*lower n_word"),
    (PetalVerbalizer(500), r"has \d+ candidates \(n_candidates=1000, and the vocabulary has \d+ "),
]


@pytest.mark.parametrize(("verbalizer", "message"), _VERBALIZERS, ids=str)
def test_a_bad_setting_of_a_verbalizer_is_refused(verbalizer, message):
    clf = prompt(verbalizer=verbalizer, model=LM)
    attributes = dict(vars(clf))

    with pytest.raises((VerbalizerError, SourceError), match=message):
        clf.fit(["a team", "a vote"] * 4, ["sports", "politics"] * 4)

    assert vars(clf) == attributes
