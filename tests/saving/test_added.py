"""Modules beside a model are saved by class, settings and tensors, and built again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone

import fewshot
from fewshot.errors import PersistenceError
from fewshot.models.added_modules import AddedModules, Stacked
from fewshot.saving.added import decode_added, encode_added
from fewshot.saving.classes import CLASS_CODECS
from fewshot.saving.codec import Reader, Writer
from fewshot.saving.values import VALUE_CODECS
from fewshot.tuning import EPT, STRATEGIES, Adapter, LoRA, Prefix, SoftPrompt
from tests.saving.classifiers import NEW, WITH_MODULES, fit, strategy, tiny_lm

CODECS = (*VALUE_CODECS, *CLASS_CODECS)
# Settings that build modules of other kinds or shapes than the defaults.
VARIANTS = {
    "adapter-houlsby": Adapter(placement="houlsby", activation="linear", also_tuned="head"),
    "adapter-invertible": Adapter(embeddings="invertible", also_tuned="norms"),
    "adapter-parallel": Adapter(4, placement="parallel", scaling=4.0),
    "ept-plain": EPT(length=3, n_spaces=1),
    "lora-all": LoRA(
        2,
        alpha=3.0,
        dropout=0.1,
        targets=["query", "key", "value", "attention_output", "intermediate", "output"],
    ),
    "prefix-short": Prefix(3, init="random"),
    "prompt-short": SoftPrompt(length=2),
}


def _as_saved(added: AddedModules, lm) -> AddedModules:
    writer = Writer(Path("unused"), CODECS)
    tree = json.loads(json.dumps(encode_added(added, writer, "added")))
    tensors = {name: tensor.clone() for name, tensor in writer.tensors.items()}
    return decode_added(tree, lm.model, Reader(CODECS, [], {}, tensors, {}))


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_classifier_of_each_strategy_predicts_the_same_bits_after_loading(name, tmp_path):
    clf = fit(tiny_lm(), name)

    clf.save(tmp_path / "saved")

    loaded = fewshot.load(tmp_path / "saved")
    assert np.array_equal(loaded.predict_proba(NEW), clf.predict_proba(NEW))
    assert loaded.parameter_report_ == clf.parameter_report_
    assert type(loaded.model_.added) is type(clf.model_.added)


@pytest.mark.parametrize("name", VARIANTS)
def test_settings_of_strategies_are_kept_with_their_modules(name, tmp_path):
    clf = fit(tiny_lm(), clone(VARIANTS[name]).set_params(num_epochs=1))

    clf.save(tmp_path / "saved")

    loaded = fewshot.load(tmp_path / "saved")
    assert np.array_equal(loaded.predict_proba(NEW), clf.predict_proba(NEW))
    assert loaded.model_.added.settings == clf.model_.added.settings


@pytest.mark.parametrize("name", ["full", "lora", "prompt", "dept", "perfect"])
def test_virtual_tokens_of_a_template_are_kept(name, tmp_path):
    template = "{text} {mask}" if name == "perfect" else "{text} {soft:It was} {mask}."
    clf = fit(tiny_lm("roberta"), name, template)

    clf.save(tmp_path / "saved")

    loaded = fewshot.load(tmp_path / "saved")
    assert np.array_equal(loaded.predict_proba(NEW), clf.predict_proba(NEW))
    assert loaded.template_ == clf.template_


def test_a_model_that_was_tuned_twice_keeps_both_layers(tmp_path):
    first = fit(tiny_lm(), "adapter")
    clf = fit(first.model_, "lora")

    clf.save(tmp_path / "saved")

    loaded = fewshot.load(tmp_path / "saved")
    assert isinstance(loaded.model_.added, Stacked)
    assert np.array_equal(loaded.predict_proba(NEW), clf.predict_proba(NEW))
    assert type(loaded.model.added) is type(first.model_.added)


def test_a_loaded_classifier_can_be_tuned_on(tmp_path):
    fit(tiny_lm(), "lora").save(tmp_path / "saved")
    loaded = fewshot.load(tmp_path / "saved")

    again = fit(loaded.model_, "lora")

    assert isinstance(again.model_.added, Stacked)
    assert not np.array_equal(again.predict_proba(NEW), loaded.predict_proba(NEW))


@pytest.mark.parametrize("name", WITH_MODULES)
def test_loaded_modules_are_frozen_and_leave_the_random_state_as_it_was(name):
    lm = tiny_lm()
    added = fit(lm, strategy(name)).model_.added
    before = torch.random.get_rng_state()

    found = _as_saved(added, lm)

    assert torch.equal(torch.random.get_rng_state(), before)
    assert found.settings == added.settings
    expected = added.state_dict()
    assert found.state_dict().keys() == expected.keys()
    assert all(torch.equal(t, expected[n]) for n, t in found.state_dict().items())


def test_double_precision_loses_no_bit(tmp_path):
    model, tokenizer = tiny_lm().model, tiny_lm().tokenizer
    clf = fit(fewshot.MaskedLM(model.double(), tokenizer, device="cpu"), "lora")

    clf.save(tmp_path / "saved")

    loaded = fewshot.load(tmp_path / "saved")
    assert loaded.model_.added.up[0].dtype == torch.float64
    assert torch.equal(loaded.model_.added.up[0], clf.model_.added.up[0])


def test_modules_of_other_packages_are_refused():
    class Mine(AddedModules):
        settings = None

    with pytest.raises(PersistenceError, match=r"clf\.added is a .*Mine.*none of the modules"):
        encode_added(Mine(), Writer(Path("unused"), CODECS), "clf.added")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class": "Linear"}, "unknown modules 'Linear'"),
        ({"settings": {"dict": {"size": 3}}}, "does not take the saved settings .*'size'"),
        ({"settings": {"dict": {"length": None}}}, "has a NoneType as 'length'"),
        ({"settings": {"dict": {"length": 3}}}, "other tensors than were saved"),
        ({"tensors": {}}, "other tensors than were saved"),
    ],
)
def test_what_does_not_fit_is_refused_at_loading(change, message):
    lm = tiny_lm()
    writer = Writer(Path("unused"), CODECS)
    added = fit(lm, SoftPrompt(length=2, num_epochs=1)).model_.added
    tree = encode_added(added, writer, "added") | change

    with pytest.raises(PersistenceError, match=message):
        decode_added(tree, lm.model, Reader(CODECS, [], {}, writer.tensors, {}))
