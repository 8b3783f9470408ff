"""LoRA weights in the format of peft: there and back, with equal logits."""

from __future__ import annotations

import copy
import json
import sys

import numpy as np
import pytest
import torch

import fewshot
from fewshot import MaskedLM
from fewshot.errors import MissingExtraError, ModelError, PersistenceError, TuningError
from fewshot.models.added_modules import Stacked
from fewshot.tuning import LoRA
from fewshot.tuning.lora_files import export_lora, import_lora
from tests.saving.classifiers import NEW, fit, tiny_lm

peft = pytest.importorskip("peft", reason="the extra fewshot[peft] is not installed")

from tests.peft_adapters import LORA, logits, saved, wrapped  # noqa: E402

ALL = ["query", "key", "value", "attention_output", "intermediate", "output"]


def _lora(**settings) -> LoRA:
    return LoRA(num_epochs=1, learning_rate=0.05, interpolation=1.0, **settings)


def _largest(lm: MaskedLM) -> float:
    return max(1.0, float(logits(lm.model).abs().max()))


# ---- Export -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [{}, {"rank": 3, "alpha": 5.0, "dropout": 0.1}, {"rank": 2, "targets": ALL}],
    ids=["default", "rank", "all"],
)
def test_peft_loads_what_was_exported_with_equal_logits(settings, tiny, tmp_path):
    lm = MaskedLM(*tiny, device="cpu")
    tuned = fit(lm, _lora(**settings)).model_

    export_lora(tuned, tmp_path / "adapters")

    loaded = peft.PeftModel.from_pretrained(copy.deepcopy(tiny[0]), tmp_path / "adapters").eval()
    difference = (logits(loaded) - logits(tuned.model)).abs().max()
    assert difference < 2e-6 * _largest(lm)
    assert (logits(tuned.model) - logits(lm.model)).abs().max() > 1e-4


def test_the_files_are_small_and_as_peft_writes_them(tmp_path):
    lm = tiny_lm(name="org/tiny")

    export_lora(fit(lm, _lora(rank=4, alpha=12)).model_, tmp_path / "ours")
    saved(tmp_path / "theirs", lm.model)

    assert sorted(p.name for p in (tmp_path / "ours").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    ours, theirs = (
        json.loads((tmp_path / name / "adapter_config.json").read_text())
        for name in ("ours", "theirs")
    )
    differing = {name for name in theirs if ours[name] != theirs[name]}
    assert differing == {"base_model_name_or_path", "target_modules"}
    assert ours["base_model_name_or_path"] == "org/tiny"
    assert ours["target_modules"] == sorted(
        f"bert.encoder.layer.{layer}.attention.self.{part}"
        for layer in range(2)
        for part in ("query", "value")
    )
    sizes = [
        (tmp_path / n / "adapter_model.safetensors").stat().st_size for n in ("ours", "theirs")
    ]
    assert sizes[0] == sizes[1]


def test_adapters_are_replaced_and_nothing_else_is(tmp_path):
    tuned = fit(tiny_lm(), _lora()).model_
    export_lora(tuned, tmp_path / "adapters")
    export_lora(tuned, tmp_path / "adapters")
    (tmp_path / "adapters" / "notes.txt").write_text("mine")

    with pytest.raises(PersistenceError, match=r"\['notes.txt'\], which would be lost"):
        export_lora(tuned, tmp_path / "adapters")
    with pytest.raises(PersistenceError, match=r"notes.txt holds \['notes.txt'\]"):
        export_lora(tuned, tmp_path / "adapters" / "notes.txt")

    assert (tmp_path / "adapters" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["none", "bitfit", "adapter", "twice"])
def test_only_a_model_with_lora_alone_is_exported(name, tmp_path):
    tuned = fit(fit(tiny_lm(), "adapter").model_ if name == "twice" else tiny_lm(), "lora").model_
    if name != "twice":
        tuned = fit(tiny_lm(), name).model_

    with pytest.raises(TuningError, match="export_lora takes a model tuned with LoRA"):
        export_lora(tuned, tmp_path / "adapters")

    assert list(tmp_path.iterdir()) == []


# ---- Import -----------------------------------------------------------------------------------


def test_what_was_exported_is_imported_bit_by_bit(tiny, tmp_path):
    lm = MaskedLM(*tiny, device="cpu")
    tuned = fit(lm, _lora(rank=2)).model_
    export_lora(tuned, tmp_path / "adapters")

    found = import_lora(lm, tmp_path / "adapters")

    assert torch.equal(logits(found.model), logits(tuned.model))
    assert found.added.settings["rank"] == 2


@pytest.mark.parametrize("settings", [{}, {"use_rslora": True}, {"target_modules": "all-linear"}])
def test_lora_of_peft_scores_as_in_peft(settings, tmp_path):
    lm = tiny_lm()
    config = peft.LoraConfig(**LORA | settings)
    folder = saved(tmp_path / "adapters", lm.model, config)

    found = import_lora(lm, folder)

    assert (logits(found.model) - logits(wrapped(lm.model, config))).abs().max() < 1e-4
    assert (logits(found.model) - logits(lm.model)).abs().max() > 1e-2


def test_the_model_shares_its_tensors_and_stays_as_it_was(tmp_path):
    lm = tiny_lm()
    folder = saved(tmp_path / "adapters", lm.model)
    expected, state = logits(lm.model), torch.random.get_rng_state()

    found = import_lora(lm, folder)

    assert torch.equal(logits(lm.model), expected)
    assert torch.equal(torch.random.get_rng_state(), state)
    for own, other in zip(lm.model.parameters(), found.model.parameters(), strict=True):
        assert own.data_ptr() == other.data_ptr()


def test_imported_weights_are_used_tuned_on_and_saved_without_the_backbone(tmp_path):
    lm = tiny_lm()
    found = import_lora(lm, saved(tmp_path / "adapters", lm.model))

    clf = fit(found, "lora")
    clf.save(tmp_path / "delta", backbone=lm)

    assert isinstance(clf.model_.added, Stacked)
    loaded = fewshot.load(tmp_path / "delta", model=lm)
    assert np.array_equal(loaded.predict_proba(NEW), clf.predict_proba(NEW))
    assert not np.allclose(
        fit(found, "none").predict_proba(NEW), fit(lm, "none").predict_proba(NEW), atol=1e-3
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"use_dora": True},
        {"bias": "all"},
        {"lora_bias": True},
        {"modules_to_save": ["transform"]},
        {"rank_pattern": {"query": 2}},
        {"alpha_pattern": {"query": 3}},
        {"target_modules": ["word_embeddings"]},
    ],
    ids=lambda settings: next(iter(settings)),
)
@pytest.mark.filterwarnings("ignore")
def test_more_than_plain_lora_is_refused_with_the_way_to_use_it(settings, tmp_path):
    lm = tiny_lm()
    config = peft.LoraConfig(**LORA | settings)
    folder = saved(tmp_path / "adapters", lm.model, config)

    with pytest.raises(ModelError, match=r"use them merged: MaskedLM\(PeftModel\.from_pretrained"):
        import_lora(lm, folder)


def test_other_kinds_are_refused_with_the_way_to_use_them(tmp_path):
    lm = tiny_lm()
    folder = saved(tmp_path / "adapters", lm.model, peft.LoHaConfig(r=2, target_modules=["query"]))

    with pytest.raises(ModelError, match="more than plain LoRA"):
        import_lora(lm, folder)


def test_lora_of_another_size_is_refused(tmp_path):
    folder = saved(tmp_path / "adapters", tiny_lm("roberta").model)

    with pytest.raises(ModelError, match="for another model than BertForMaskedLM"):
        import_lora(tiny_lm(), folder)


@pytest.mark.parametrize("step", ["export", "import"])
def test_without_peft_the_error_has_the_line_that_installs_it(step, tmp_path, monkeypatch):
    tuned = fit(tiny_lm(), "lora").model_
    monkeypatch.setitem(sys.modules, "peft", None)

    with pytest.raises(MissingExtraError, match=r'pip install "fewshot\[peft\]"'):
        (export_lora if step == "export" else import_lora)(tuned, tmp_path)
