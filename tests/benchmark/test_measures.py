"""Costs of cells: tokens counted by hand, and parameters that fit may change."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fewshot.benchmark.measures import TokenCount, trainable_parameters
from fewshot.classifiers.fine_tune import FineTuneClassifier
from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.semi_supervised.pcp import PCPClassifier
from fewshot.classifiers.semi_supervised.pretraining import Pretraining
from fewshot.classifiers.tfidf import TfidfClassifier
from fewshot.data.unlabeled import Unlabeled
from fewshot.models.masked_lm import MaskedLM
from fewshot.tuning import BitFit, Full, LoRA, SoftPrompt

TEXTS = ["ball ball one", "vote", "ball two", "vote for three"]
LABELS = ["sport", "politics", "sport", "politics"]
WORDS = {"politics": ["vote"], "sport": ["sport"]}


def prompt(tiny: Any, tuning: Any) -> PromptClassifier:
    return PromptClassifier(
        "{mask} {text}",
        WORDS,
        model=MaskedLM(*tiny),
        tuning=tuning,
        calibration="domain",
        random_state=0,
        verbose=0,
    )


def count(estimator: Any) -> int | None:
    tokens = TokenCount(estimator)
    fitted = estimator.fit(TEXTS[:2], LABELS[:2])
    fitted.predict(TEXTS[2:])
    tokens.add(fitted, TEXTS)
    return tokens.total


def lengths(tiny: Any, texts: list[str], template: str = "<mask> {}") -> int:
    return sum(len(tiny[1](template.format(text))["input_ids"]) for text in texts)


def test_a_prompt_with_a_frozen_encoder_reads_each_text_once(tiny_roberta) -> None:
    assert count(prompt(tiny_roberta, "head")) == lengths(tiny_roberta, TEXTS)


def test_training_reads_the_texts_in_each_epoch_and_once_before_and_after(tiny_roberta) -> None:
    # To calibrate, in three epochs, and for the head on the tuned states.
    train, test = lengths(tiny_roberta, TEXTS[:2]), lengths(tiny_roberta, TEXTS[2:])

    assert count(prompt(tiny_roberta, Full(num_epochs=3))) == 5 * train + test


def test_clones_that_share_a_model_are_counted_once(tiny_roberta) -> None:
    shared = prompt(tiny_roberta, "head")
    tokens = TokenCount(shared)

    for _ in range(2):
        tokens.add(shared.fit(TEXTS, LABELS), TEXTS)

    assert tokens.total == lengths(tiny_roberta, TEXTS), "the second fit finds the states known"


def test_methods_without_an_encoder_read_no_tokens_and_of_others_nobody_knows() -> None:
    assert count(TfidfClassifier()) == 0
    assert count(DummyClassifier()) == 0

    tokens = TokenCount(GaussianNB())
    tokens.add(GaussianNB(), TEXTS)
    assert tokens.total is None


def test_parameters_of_prompts_are_those_that_their_tuning_changes(tiny_roberta) -> None:
    model = tiny_roberta[0]
    hidden = model.config.hidden_size
    biases = sum(p.numel() for name, p in model.named_parameters() if name.endswith("bias"))

    found = {
        name: trainable_parameters(prompt(tiny_roberta, tuning).fit(TEXTS, LABELS))
        for name, tuning in {"none": "none", "head": "head", "bias": BitFit(num_epochs=1)}.items()
    }

    head = 2 * 2 * hidden  # on mean states, and on states at the mask
    assert found == {"none": 0, "head": head, "bias": biases + head}


def test_parameters_of_added_modules_are_counted_and_those_of_the_shared_model_not(
    tiny_roberta,
) -> None:
    config = tiny_roberta[0].config
    hidden, head = config.hidden_size, 2 * 2 * config.hidden_size

    found = {
        name: trainable_parameters(prompt(tiny_roberta, tuning).fit(TEXTS, LABELS))
        for name, tuning in {
            "lora": LoRA(rank=2, num_epochs=1),
            "soft": SoftPrompt(length=3, num_epochs=1),
        }.items()
    }

    # A and B, of query and value, in each layer.
    assert found == {
        "lora": 2 * 2 * 2 * hidden * config.num_hidden_layers + head,
        "soft": 3 * hidden + head,
    }


def test_parameters_of_pretraining_are_all_that_differs_in_the_end(tiny_roberta) -> None:
    pretraining = Pretraining(num_epochs=1)
    base = prompt(tiny_roberta, "head").set_params(calibration="none")
    settings = {"pretraining": pretraining, "random_state": 0, "verbose": 0}
    counts = {}
    for tuning in ("head", Full(num_epochs=1)):
        clf = PCPClassifier(base.set_params(tuning=tuning), **settings)
        clf.fit(TEXTS, LABELS, unlabeled=Unlabeled(["vote ball", "ball one two"]))
        counts[type(clf.estimator_.tuning).__name__] = trainable_parameters(clf)

    whole = sum(parameter.numel() for parameter in tiny_roberta[0].parameters())
    head = 2 * tiny_roberta[0].config.hidden_size
    assert head < counts["str"] < whole, "the tables of embeddings are frozen"
    assert counts["str"] <= counts["Full"] <= whole + head


def test_fine_tuning_changes_the_encoder_and_a_layer(tiny_roberta) -> None:
    tuned = FineTuneClassifier(MaskedLM(*tiny_roberta), num_epochs=1, random_state=0, verbose=0)

    n_parameters = trainable_parameters(tuned.fit(TEXTS, LABELS))

    hidden = tiny_roberta[0].config.hidden_size
    whole = sum(parameter.numel() for parameter in tiny_roberta[0].parameters())
    assert 2 * hidden + 2 < n_parameters <= whole + 2 * hidden + 2


def test_parameters_of_linear_models_are_coefficients_and_intercepts() -> None:
    X = [[0.0, 1.0, 2.0], [1.0, 0.0, 0.0]]
    model = make_pipeline(StandardScaler(), LogisticRegression())

    assert trainable_parameters(model.fit(X, ["a", "b"])) == 4
    assert trainable_parameters(DummyClassifier().fit(X, ["a", "b"])) == 0
    assert trainable_parameters(GaussianNB().fit(X, ["a", "b"])) is None


@pytest.mark.parametrize("words", [1, 2])
def test_parameters_of_tfidf_are_a_row_for_each_word_and_an_intercept(words: int) -> None:
    texts = [" ".join(["a", "b"][:words]), "c"]
    model = TfidfClassifier(ngram_range=(1, 1)).fit(texts, ["x", "y"])

    assert trainable_parameters(model) == 2 * (words + 1) + 2
