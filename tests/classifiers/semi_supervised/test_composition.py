"""Classifiers made of classifiers: the innermost one, and a model that all of them get."""

from __future__ import annotations

import pytest

from fewshot import (
    FineTuneClassifier,
    LiSTClassifier,
    PCPClassifier,
    PETClassifier,
    PromptClassifier,
)
from fewshot.classifiers.semi_supervised.base import innermost, with_model
from fewshot.errors import InputError
from fewshot.models.masked_lm import MaskedLM
from tests.tiny_models import tiny_bert, tiny_roberta


def model(make=tiny_bert) -> MaskedLM:
    return MaskedLM(*make(), device="cpu")


def test_the_innermost_classifier_is_found_and_cloned():
    base = PromptClassifier("{text} {mask}")

    found = innermost(PCPClassifier(PETClassifier(base)), "Method")

    assert found.template == "{text} {mask}"
    assert found is not base


def test_without_a_classifier_the_innermost_is_the_default():
    assert innermost(LiSTClassifier(), "Method").get_params() == PromptClassifier().get_params()


@pytest.mark.parametrize("act", [innermost, lambda other, owner: with_model(other, "lm", owner)])
def test_other_estimators_are_refused(act):
    with pytest.raises(InputError, match="estimator of Method is a PromptClassifier, got FineTune"):
        act(PETClassifier(FineTuneClassifier()), "Method")


@pytest.mark.parametrize("final", [FineTuneClassifier, PromptClassifier])
def test_the_final_classifier_of_pet_goes_on_from_the_adapted_model(final):
    base = PromptClassifier(model=model())
    pet = PETClassifier(base, final_estimator=final(model=base.model))

    twin = with_model(pet, "adapted", "Method")

    assert twin.final_estimator.model == "adapted"
    assert pet.final_estimator.model is base.model


def test_a_final_classifier_with_a_model_of_its_own_keeps_that():
    own = model(tiny_roberta)
    pet = PETClassifier(PromptClassifier(model=model()), final_estimator=FineTuneClassifier(own))

    twin = with_model(pet, "adapted", "Method")

    assert twin.estimator.model == "adapted"
    assert twin.final_estimator.model is own


def test_the_predictor_of_a_second_adaptation_has_the_adapted_model():
    nested = PCPClassifier(PETClassifier(), predictor=PromptClassifier())

    twin = with_model(nested, "adapted", "Method")

    assert twin.predictor.model == "adapted"
    assert twin.estimator.estimator.model == "adapted"
