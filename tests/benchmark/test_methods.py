"""Methods: found by name or path, built with settings, filled in by the data set and the seed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline

import fewshot
from fewshot.benchmark.data_sets.data_set import DataSetInfo
from fewshot.benchmark.methods import (
    SHORT_NAMES,
    build_method,
    load_models,
    needs_labels,
    takes_unlabeled,
    uses_labels,
)
from fewshot.benchmark.spec import MethodSpec
from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.semi_supervised import pcp
from fewshot.classifiers.semi_supervised.pretraining import pretrain
from fewshot.data.unlabeled import Unlabeled
from fewshot.errors import BenchmarkError
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.tuning import Full

TEMPLATES = tuple(Template(f"{{text}} {word} {{mask}}") for word in ("", "is", "was", "are", "by"))
WORDS = Verbalizer({"a": ["good"], "b": ["bad"]})
DATA = DataSetInfo("Mine", TEMPLATES, WORDS, ("a", "b"), "accuracy", "hash")
SPECS = "tests.benchmark.specs"


def build(estimator: str, seed: int = 7, grid: dict | None = None, **settings: Any) -> Any:
    return build_method(MethodSpec("M", estimator, settings, grid or {}), DATA, seed)


def test_the_short_names_are_the_majority_and_the_classifiers_of_the_package() -> None:
    built = {name: type(build(name)).__name__ for name in SHORT_NAMES}

    exported = {name for name in fewshot.__all__ if name.endswith("Classifier")}
    assert set(built.values()) == {"DummyClassifier"} | exported
    assert built["majority"] == "DummyClassifier"
    assert built["tfidf"] == "TfidfClassifier"
    assert built["fine-tune"] == "FineTuneClassifier"
    assert built["setfit"] == "SetFitClassifier"
    assert built["pet"] == "PETClassifier"
    assert built["pcp"] == "PCPClassifier"


@pytest.mark.parametrize("name", ["pet", "pcp"])
def test_a_classifier_inside_one_that_learns_from_unlabelled_texts_is_filled_in(name: str) -> None:
    built = build(name, estimator__tuning="head")

    assert built.estimator.tuning == "head"
    assert built.estimator.template is TEMPLATES[0]
    assert built.estimator.verbalizer is WORDS
    assert built.estimator.random_state == built.random_state == 7
    assert takes_unlabeled(built)
    assert not needs_labels(built)
    assert not takes_unlabeled(built.estimator)


def test_an_ensemble_gets_the_first_templates_of_the_data_set() -> None:
    inside = MethodSpec("M", "pcp", {"estimator": {"estimator": "pet"}}, {})

    assert build("pet").templates == list(TEMPLATES[:4])
    assert build_method(inside, DATA, 0).estimator.templates == list(TEMPLATES[:4])
    assert build("pet", templates=["{mask}: {text}"]).templates == ["{mask}: {text}"]


@pytest.mark.parametrize("own", ["{text} was {mask}", "{mask}: {text}"])
def test_the_template_of_the_estimator_is_the_first_pattern(own: str) -> None:
    patterns = build("pet", estimator__template=own).templates

    others = [template for template in TEMPLATES if template.text != own]
    assert patterns == [own, *others[:3]]


def test_an_ensemble_for_a_data_set_of_one_template_chooses_its_patterns_itself() -> None:
    data = replace(DATA, templates=TEMPLATES[:1])

    built = build_method(MethodSpec("M", "pet", {}, {}), data, 0)

    assert built.templates is None
    assert built.estimator.template is TEMPLATES[0]


def test_a_pipeline_is_silenced_in_a_way_that_it_accepts() -> None:
    pipeline = build(f"{SPECS}:bag_of_words")

    pipeline.fit(["good", "bad"], ["a", "b"])  # scikit-learn refuses a verbose that is no bool

    assert pipeline.verbose is False


def test_the_majority_has_the_shares_of_the_classes_as_probabilities() -> None:
    majority = build("majority").fit(["x", "y", "z"], ["a", "b", "b"])

    assert isinstance(majority, DummyClassifier)
    assert majority.predict(["x"]).tolist() == ["b"]
    assert majority.predict_proba(["x"])[0].tolist() == pytest.approx([1 / 3, 2 / 3])


def test_seed_silence_and_the_prompt_of_the_data_set_are_filled_in() -> None:
    prompt = build("prompt")

    assert prompt.random_state == 7
    assert prompt.verbose == 0
    assert prompt.template is TEMPLATES[0]
    assert prompt.verbalizer is WORDS
    assert prompt.labels == ["a", "b"]


def test_classifier_gets_the_words_of_the_data_set_as_descriptions() -> None:
    assert build("auto").descriptions == {label: WORDS[label] for label in ("a", "b")}


def test_settings_win_over_the_defaults_of_the_data_set() -> None:
    words = {"a": ["yes"], "b": ["no"]}

    prompt = build("prompt", template="{mask}: {text}", verbalizer=words)

    assert prompt.template == "{mask}: {text}"
    assert prompt.verbalizer == words


def test_settings_of_a_tuning_strategy_are_set_by_path() -> None:
    prompt = build("prompt", tuning="full", tuning__num_epochs=3)

    assert isinstance(prompt.tuning, Full)
    assert prompt.tuning.num_epochs == 3


def test_a_function_that_makes_an_estimator_can_be_named() -> None:
    assert build(f"{SPECS}:bag_of_words", alpha=0.1)[-1].alpha == 0.1
    assert build(f"{SPECS}:bag_of_words", multinomialnb__alpha=0.2)[-1].alpha == 0.2


def test_estimators_can_be_nested_and_get_the_seed_too() -> None:
    steps = [
        ["words", {"estimator": "sklearn.feature_extraction.text:TfidfVectorizer"}],
        ["model", {"estimator": "sklearn.linear_model:LogisticRegression", "settings": {"C": 3}}],
    ]

    pipeline = build("sklearn.pipeline:Pipeline", steps=steps)
    prompt = build(
        "prompt", tuning={"estimator": "fewshot.tuning:Full", "settings": {"num_epochs": 2}}
    )

    assert isinstance(pipeline, Pipeline)
    assert (pipeline[-1].C, pipeline[-1].random_state) == (3, 7)
    assert prompt.tuning.num_epochs == 2


def test_zero_shot_needs_no_labels_and_the_others_do() -> None:
    assert not needs_labels(build("prompt", tuning="none"))
    assert needs_labels(build("prompt"))
    assert needs_labels(build("tfidf"))
    assert needs_labels(object())


def test_labels_are_needed_by_what_holds_a_classifier_that_needs_them() -> None:
    # Their tags do not say so.
    assert needs_labels(build(f"{SPECS}:bag_of_words"))
    assert needs_labels(GridSearchCV(LogisticRegression(), {"C": [1]}))
    assert not needs_labels(make_pipeline(build("prompt", tuning="none")))


def test_labels_are_used_where_they_are_not_needed() -> None:
    embedding = build("embedding")  # the data set gives it the names of the classes

    assert not needs_labels(embedding)
    assert uses_labels(embedding)
    assert not uses_labels(build("names"))
    assert not uses_labels(make_pipeline(build("prompt", tuning="none")))


def test_a_loaded_model_shares_its_weights_and_has_encoded_nothing(tiny_bert, tmp_path) -> None:
    model, tokenizer = tiny_bert
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    first, second = (build("prompt", model=str(tmp_path), tuning="none") for _ in range(2))

    load_models(first)
    first.fit(["good one", "bad one"])
    load_models(second)

    assert isinstance(first, PromptClassifier)
    assert isinstance(second.model, MaskedLM)
    assert first.model.counts.tokens > 0
    assert second.model.counts.tokens == 0
    weights = [next(p.model.model.parameters()).data_ptr() for p in (first, second)]
    assert weights[0] == weights[1]


def test_loading_forgets_the_models_that_an_earlier_fit_adapted(
    tiny_bert, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapted = []
    monkeypatch.setattr(
        pcp, "pretrain", lambda *args, **kwargs: adapted.append(1) or pretrain(*args, **kwargs)
    )
    method = build("pcp", estimator__model=MaskedLM(*tiny_bert), pretraining__num_epochs=1)
    load_models(method)

    for _ in range(2):
        method.fit(["good one", "bad one"], ["a", "b"], unlabeled=Unlabeled(["one", "two"]))
    before = len(adapted)
    load_models(method)
    method.fit(["good one", "bad one"], ["a", "b"], unlabeled=Unlabeled(["one", "two"]))

    assert (before, len(adapted)) == (1, 2)


@pytest.mark.parametrize(
    ("estimator", "settings", "grid", "message"),
    [
        ("promt", {}, {}, "method 'M': no estimator 'promt'.*did you mean 'prompt'.*import path"),
        ("no_such_module:X", {}, {}, "'no_such_module' cannot be imported"),
        (
            "sklearn.linear_model:LogisticRegresion",
            {},
            {},
            "no class or function 'LogisticRegresion'.*did you mean 'LogisticRegression'",
        ),
        (f"{SPECS}:NO_SETFIT", {}, {}, "no class or function 'NO_SETFIT'"),
        (f"{SPECS}:not_an_estimator", {}, {}, "gives a NoneType, which has no fit and predict"),
        (
            "sklearn.feature_extraction.text:TfidfVectorizer",
            {},
            {},
            "a TfidfVectorizer, which has no fit and predict; name a classifier",
        ),
        ("prompt", {"tunning": "full"}, {}, "no setting 'tunning'.*did you mean 'tuning'"),
        ("prompt", {"tuning__rate": 1}, {}, "cannot be built: Invalid parameter 'rate'"),
        ("prompt", {"tuning": "ful", "tuning__C": 1}, {}, "did you mean 'full'"),
        ("sklearn.pipeline:Pipeline", {}, {}, "cannot be built: .*steps"),
        ("prompt", {}, {"tuning__rate": [1]}, "grid: {'tuning__rate': 1} cannot be set"),
        ("tfidf", {}, {"D": [1]}, "grid: {'D': 1} cannot be set: Invalid parameter 'D'"),
        ("prompt", {"tuning": "ful"}, {}, "wrong setting: .*did you mean 'full'"),
        ("prompt", {}, {"tuning": ["ful"]}, "grid: {'tuning': 'ful'} cannot be set: .*'full'"),
        (":X", {}, {}, "no estimator ':X'"),
        (".module:X", {}, {}, "no estimator '.module:X'"),
        ("sklearn.pipeline:make_pipeline", {}, {}, "is no class of an estimator; functions"),
        ("fewshot:load", {}, {}, "'fewshot:load' is no class of an estimator"),
        ("sklearn.utils:Bunch", {}, {}, "'sklearn.utils:Bunch' is no class of an estimator"),
        (f"{SPECS}:Raising", {}, {}, "cannot be built: out of order"),
    ],
)
def test_a_mistake_is_reported(estimator: str, settings: dict, grid: dict, message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        build(estimator, grid=grid, **settings)
