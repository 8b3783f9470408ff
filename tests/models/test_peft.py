"""Models that carry adapters of peft: merged into a copy, or refused."""

from __future__ import annotations

import copy
import hashlib
import json
import sys

import numpy as np
import pytest
import torch

import fewshot
from fewshot import MaskedLM, PromptClassifier
from fewshot.errors import FewShotError, MissingExtraError, ModelError
from fewshot.models.loading import load_masked_lm
from fewshot.models.peft import load_adapters, merge_adapters
from tests.saving.classifiers import NEW, fit
from tests.tiny_models import save_tiny

peft = pytest.importorskip("peft", reason="the extra fewshot[peft] is not installed")

from tests.peft_adapters import LORA, logits, moved, saved, wrapped  # noqa: E402

CONFIGS = {
    "lora": lambda: peft.LoraConfig(**LORA),
    "dora": lambda: peft.LoraConfig(**LORA, use_dora=True),
    "rslora": lambda: peft.LoraConfig(**LORA, use_rslora=True),
    "lora-bias": lambda: peft.LoraConfig(**LORA, bias="all"),
    "lora-head": lambda: peft.LoraConfig(**LORA, modules_to_save=["transform"]),
    "lora-untied": lambda: peft.LoraConfig(**LORA, modules_to_save=["cls"]),
    "ia3": lambda: peft.IA3Config(
        target_modules=["query", "output.dense"], feedforward_modules=["output.dense"]
    ),
    "norm": lambda: peft.LNTuningConfig(target_modules=["LayerNorm"]),
    "loha": lambda: peft.LoHaConfig(r=4, target_modules=["query"]),
    "lokr": lambda: peft.LoKrConfig(r=4, target_modules=["query"]),
    "vera": lambda: peft.VeraConfig(r=4, target_modules=["query", "value"]),
    "oft": lambda: peft.OFTConfig(oft_block_size=4, target_modules=["query"]),
}
PROMPTS = {
    "PROMPT_TUNING": lambda: peft.PromptTuningConfig(
        task_type="FEATURE_EXTRACTION", num_virtual_tokens=3
    ),
    "P_TUNING": lambda: peft.PromptEncoderConfig(
        task_type="FEATURE_EXTRACTION", num_virtual_tokens=3
    ),
    "PREFIX_TUNING": lambda: peft.PrefixTuningConfig(
        task_type="FEATURE_EXTRACTION", num_virtual_tokens=3
    ),
}


def _bits(model) -> str:
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("kind", CONFIGS)
def test_each_kind_of_adapter_is_merged_and_the_callers_model_stays(kind, tiny_bert):
    model, tokenizer = tiny_bert
    carrier = wrapped(model, CONFIGS[kind]())
    before = _bits(carrier), logits(carrier)

    lm = MaskedLM(carrier, tokenizer, device="cpu")

    assert type(lm.model) is type(model)
    assert not any(type(m).__module__.startswith("peft") for m in lm.model.modules())
    assert (logits(lm.model) - before[1]).abs().max() < 1e-4
    assert (logits(model) - before[1]).abs().max() > 1e-2
    assert _bits(carrier) == before[0]
    assert torch.equal(logits(carrier), before[1])


def test_lora_of_each_architecture_is_merged(tiny):
    model, tokenizer = tiny
    carrier = wrapped(model, peft.LoraConfig(r=2, target_modules="all-linear"))

    lm = MaskedLM(carrier, tokenizer, device="cpu")

    expected = logits(carrier)
    assert (logits(lm.model) - expected).abs().max() < 1e-4 * max(1.0, float(expected.abs().max()))
    assert (logits(model) - expected).abs().max() > 1e-3


def test_injected_adapters_are_merged(tiny_bert):
    model, tokenizer = tiny_bert
    with torch.random.fork_rng(devices=[]):
        carrier = copy.deepcopy(model)
        carrier.add_adapter(peft.LoraConfig(**LORA))
    moved(carrier)

    lm = MaskedLM(carrier, tokenizer, device="cpu")

    assert (logits(lm.model) - logits(carrier)).abs().max() < 1e-4
    assert list(lm.model.state_dict()) == list(model.state_dict())


def test_adapters_that_were_merged_in_place_stay_merged(tiny_bert):
    model, tokenizer = tiny_bert
    carrier = wrapped(model)
    expected = logits(carrier)
    carrier.merge_adapter()

    lm = MaskedLM(carrier, tokenizer, device="cpu")

    assert (logits(lm.model) - expected).abs().max() < 1e-4


def test_a_model_without_adapters_is_left_as_it_is(tiny_bert):
    assert merge_adapters(tiny_bert[0]) is tiny_bert[0]


def test_it_is_tuned_on_and_saved_like_any_model(tiny_bert, tmp_path):
    model, tokenizer = tiny_bert
    lm = MaskedLM(wrapped(model), tokenizer, device="cpu", name="merged")
    bare = fit(MaskedLM(model, tokenizer, device="cpu"), "none")

    clf = fit(lm, "lora")
    clf.save(tmp_path / "whole")
    clf.save(tmp_path / "delta", backbone=lm)

    assert not np.allclose(fit(lm, "none").predict_proba(NEW), bare.predict_proba(NEW), atol=1e-3)
    expected = clf.predict_proba(NEW)
    assert np.array_equal(fewshot.load(tmp_path / "whole").predict_proba(NEW), expected)
    assert np.array_equal(fewshot.load(tmp_path / "delta", model=lm).predict_proba(NEW), expected)


# ---- What cannot be merged --------------------------------------------------------------------


@pytest.mark.parametrize("kind", PROMPTS)
@pytest.mark.filterwarnings("ignore")
def test_prompts_of_peft_are_refused(kind, tiny_bert, tmp_path):
    model, tokenizer = tiny_bert
    carrier = wrapped(model, PROMPTS[kind]())
    carrier.save_pretrained(tmp_path / "prompt")
    message = f"{kind} of peft, whose virtual tokens cannot .* tuning='prompt' or 'prefix'"

    with pytest.raises(ModelError, match=message):
        MaskedLM(carrier, tokenizer, device="cpu")
    with pytest.raises(ModelError, match=message):
        load_adapters(model, tmp_path / "prompt")


def test_adapters_on_embeddings_that_are_the_decoder_too_are_refused(tiny_bert):
    config = peft.LoraConfig(r=2, target_modules=["word_embeddings"])

    with pytest.raises(ModelError, match="cannot be merged: the logits would be others"):
        MaskedLM(wrapped(tiny_bert[0], config), tiny_bert[1], device="cpu")


def test_adapters_that_are_switched_off_are_refused(tiny_bert):
    carrier = wrapped(tiny_bert[0])
    carrier.base_model.disable_adapter_layers()

    with pytest.raises(ModelError, match="switched off"):
        MaskedLM(carrier, tiny_bert[1], device="cpu")


# ---- Folders ----------------------------------------------------------------------------------


def test_a_folder_of_peft_is_a_model_with_its_adapters(tmp_path):
    base = load_masked_lm(save_tiny(tmp_path / "base"))
    folder = saved(tmp_path / "adapters", base.model)
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(tmp_path / "base")

    clf = PromptClassifier(
        "{text} {mask}", {"a": "good", "b": "bad"}, model=folder, tuning="none", verbose=0
    ).fit(NEW)

    assert (logits(clf.model_.model) - logits(wrapped(base.model))).abs().max() < 1e-4
    assert clf.model_.name == str(folder)


def test_a_folder_that_names_no_model_is_refused(tiny_bert, tmp_path):
    folder = saved(tmp_path / "adapters", tiny_bert[0])
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"base_model_name_or_path": None}))

    with pytest.raises(ModelError, match="does not name"):
        load_masked_lm(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "adapter_config.json").unlink(), r"has no adapter_config\.json"),
        (lambda folder: (folder / "adapter_model.safetensors").unlink(), "has no adapter_model"),
        (lambda folder: (folder / "adapter_config.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "adapter_config.json").write_text("{}"), "cannot be read"),
        (lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"x"), "cannot load"),
    ],
)
def test_damaged_folders_are_refused(damage, message, tiny_bert, tmp_path):
    folder = saved(tmp_path / "adapters", tiny_bert[0])
    damage(folder)

    with pytest.raises(ModelError, match=message):
        load_adapters(tiny_bert[0], folder)


def test_adapters_of_another_architecture_are_refused_and_not_only_warned_of(
    tiny_bert, tiny_roberta, tmp_path
):
    folder = saved(tmp_path / "adapters", tiny_bert[0])

    with pytest.raises(ModelError, match=r"for another model than RobertaForMaskedLM: \['base_mod"):
        load_adapters(tiny_roberta[0], folder)


def test_without_peft_the_error_has_the_line_that_installs_it(tiny_bert, tmp_path, monkeypatch):
    folder = saved(tmp_path / "adapters", tiny_bert[0])
    monkeypatch.setitem(sys.modules, "peft", None)

    with pytest.raises(MissingExtraError, match=r'pip install "fewshot\[peft\]"') as caught:
        load_masked_lm(folder)

    assert isinstance(caught.value, (FewShotError, ImportError))


def test_tuned_embeddings_in_a_folder_are_taken_over_and_no_hub_is_asked(tmp_path, monkeypatch):
    base = load_masked_lm(save_tiny(tmp_path / "base"))
    carrier = wrapped(base.model)
    with torch.no_grad():
        carrier.get_base_model().get_input_embeddings().weight.add_(0.01)
    carrier.save_pretrained(tmp_path / "adapters", save_embedding_layers=True)

    def refuse(*_args, **_keywords):
        raise AssertionError("the hub was asked")

    monkeypatch.setattr("peft.utils.save_and_load.check_file_exists_on_hf_hub", refuse)

    lm = load_masked_lm(tmp_path / "adapters")

    assert (logits(lm.model) - logits(carrier)).abs().max() < 1e-4
