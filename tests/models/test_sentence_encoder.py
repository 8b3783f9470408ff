"""Sentence encoders."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Pooling

from fewshot.errors import ModelError
from fewshot.models.sentence_encoder import SentenceEncoder, unit_length
from tests.tiny_models import save_tiny
from tests.tiny_sentences import tiny_sentence_transformer

TEXTS = ["a great film", "", "bad", "one two three four five six seven", "a great film"]


@pytest.fixture(scope="module")
def transformer(tiny_bert):
    return tiny_sentence_transformer(tiny_bert)


@pytest.fixture(scope="module")
def encoder(transformer):
    return SentenceEncoder.load(transformer, None)


def embed(encoder, texts):
    return encoder.embed(encoder.tokenize(texts))


def test_embeddings_are_those_of_sentence_transformers(encoder, transformer):
    expected = transformer.encode(TEXTS, show_progress_bar=False)

    assert embed(encoder, TEXTS) == pytest.approx(expected, abs=1e-5)


def test_embedding_does_not_depend_on_the_batch(encoder):
    together = embed(encoder, TEXTS)

    assert (together == np.concatenate([embed(encoder, [text]) for text in TEXTS])).all()
    assert (together[::-1] == embed(encoder, TEXTS[::-1])).all()
    assert (together[0] == together[4]).all()


@pytest.fixture
def counted(monkeypatch):
    """The numbers of texts of each pass of an encoder."""
    sizes, forward = [], SentenceEncoder._forward

    def count(self, texts, rows, *reader):
        sizes.append(len(rows))
        return forward(self, texts, rows, *reader)

    monkeypatch.setattr(SentenceEncoder, "_forward", count)
    return sizes


def test_a_text_is_embedded_once(transformer, counted):
    encoder = SentenceEncoder.load(transformer, None)

    first = embed(encoder, TEXTS)  # two of five are alike
    again = embed(encoder, [*TEXTS[::-1], "new"])
    with_middle = encoder.unit(encoder.tokenize(TEXTS[:1]), with_middle=True)

    assert sum(counted) == 4 + 1 + 1
    assert (again[:5] == first[::-1]).all()
    assert with_middle.shape == (1, 2 * first.shape[1])


def test_an_embedding_is_read_with_the_middle_layer_whoever_asks_first(transformer, counted):
    encoder = SentenceEncoder.load(transformer, None)
    tokens = encoder.tokenize(TEXTS[:1])

    own = encoder.unit(tokens)
    both = encoder.unit(tokens, with_middle=True)

    assert sum(counted) == 1
    assert own == pytest.approx(unit_length(embed(encoder, TEXTS[:1])), abs=1e-6)
    assert both[:, : own.shape[1]] == pytest.approx(own / np.sqrt(2), abs=1e-6)


def test_embeddings_are_the_encoders_where_something_is_done_to_few_tokens(transformer):
    encoder = SentenceEncoder.load(transformer, None)
    own, last = encoder.transformer, len(transformer.tokenizer) - 1

    def doubled(_module, args, found):
        factors = 1 + (args[0]["input_ids"] == last)
        return found | {"token_embeddings": found["token_embeddings"] * factors[..., None]}

    own[0].register_forward_hook(doubled)
    text = f"a {own.tokenizer.convert_ids_to_tokens(last)}"
    found = encoder.unit(encoder.tokenize([text]))

    expected = own.encode([text], show_progress_bar=False)
    assert found == pytest.approx(unit_length(expected), abs=1e-6)


@pytest.mark.parametrize(
    "way",
    ["step", "one number", "data", "row", "buffer", "pooling", "adapter", "epsilon", "forward"],
)
def test_what_changes_the_encoder_changes_the_embeddings(transformer, way):
    encoder = SentenceEncoder.load(transformer, None)
    model = encoder.transformer[0].auto_model
    embeddings, weight = model.embeddings, model.embeddings.word_embeddings.weight
    if way == "adapter":
        peft = pytest.importorskip("peft", reason="the extra fewshot[peft] is not installed")
        settings = {"target_modules": ["query"], "init_lora_weights": False}
        model.add_adapter(peft.LoraConfig(**settings), "one")
    before = embed(encoder, TEXTS[:1])
    known = encoder.tokenize(TEXTS[:1]).ids[0]
    if way == "step":
        with torch.no_grad():
            weight.mul_(2.0)
    elif way == "one number":
        with torch.no_grad():
            weight[known[1], 5] += 10.0
    elif way == "data":
        weight.data = 2.0 * weight.data
    elif way == "row":
        embeddings.position_embeddings.weight.data[0] += 1.0 + torch.arange(before.shape[1])
    elif way == "buffer":
        embeddings.position_ids.zero_()
    elif way == "adapter":
        model.disable_adapters()
    elif way == "epsilon":
        embeddings.LayerNorm.eps = 1.0
    elif way == "forward":
        own = embeddings.LayerNorm.forward
        embeddings.LayerNorm.forward = lambda states: own(states) ** 2
    else:
        encoder.transformer[1] = Pooling(before.shape[1], "cls")

    after = embed(encoder, TEXTS[:1])
    both = encoder.unit(encoder.tokenize(TEXTS[:1]), with_middle=True)

    expected = encoder.transformer.encode(TEXTS[:1], show_progress_bar=False)
    assert after == pytest.approx(expected, abs=1e-5)
    assert after != pytest.approx(before, abs=1e-5)
    alone = pickle.loads(pickle.dumps(encoder.transformer)) if way != "forward" else None
    if alone is not None:  # nothing is remembered of it, nor of its layers
        fresh = SentenceEncoder(alone)
        assert (both == fresh.unit(fresh.tokenize(TEXTS[:1]), with_middle=True)).all()


def test_words_in_another_order_are_another_text(encoder):
    first, second = embed(encoder, ["a great film", "film great a"])

    assert first != pytest.approx(second, abs=1e-5)


def test_dropout_is_off_whatever_the_mode_of_the_encoder(transformer):
    encoder = SentenceEncoder.load(transformer, None)
    encoder.transformer.train()

    found = embed(encoder, TEXTS)

    assert found == pytest.approx(transformer.encode(TEXTS, show_progress_bar=False), abs=1e-5)


def test_weights_that_are_no_numbers_are_refused_once_they_are_there(transformer):
    encoder = SentenceEncoder.load(transformer, None)
    embed(encoder, TEXTS)
    with torch.no_grad():
        encoder.transformer[0].auto_model.embeddings.word_embeddings.weight[3, 5] = torch.nan

    with pytest.raises(ModelError, match="the sentence encoder"):
        SentenceEncoder(encoder.transformer)


def test_loaded_model_is_copied(encoder, transformer):
    assert encoder.transformer is not transformer
    assert all(
        a is not b and torch.equal(a, b)
        for a, b in zip(encoder.transformer.parameters(), transformer.parameters(), strict=True)
    )


def test_max_length_cuts_texts_and_counts_them(transformer):
    encoder = SentenceEncoder.load(transformer, 5)

    tokens = encoder.tokenize(TEXTS)

    assert tokens.lengths.tolist() == [5, 2, 3, 5, 5]
    assert tokens.n_truncated == 1
    assert encoder.max_length == 5
    assert transformer.max_seq_length == 96


def test_max_length_that_the_model_does_not_take_is_refused(transformer):
    with pytest.raises(ModelError, match="max_length is from 1 to 97 for this model, got 98"):
        SentenceEncoder.load(transformer, 98)
    with pytest.raises(ModelError, match="max_length is from 1 to 97 for this model, got 'x'"):
        SentenceEncoder.load(transformer, "x")


def test_folder_of_a_sentence_encoder_is_loaded_quietly(transformer, tmp_path, capfd):
    transformer.save(str(tmp_path / "saved"), create_model_card=False)
    capfd.readouterr()

    encoder = SentenceEncoder.load(tmp_path / "saved", None)

    assert embed(encoder, TEXTS) == pytest.approx(embed(SentenceEncoder(transformer), TEXTS))
    assert capfd.readouterr() == ("", "")


def test_folder_of_a_plain_encoder_gets_mean_pooling(tmp_path):
    encoder = SentenceEncoder.load(str(save_tiny(tmp_path / "plain")), None)

    assert embed(encoder, TEXTS).shape == (5, 32)


def test_folder_without_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match="there is no folder '/no/such/folder'"):
        SentenceEncoder.load("/no/such/folder", None)
    with pytest.raises(ModelError, match="cannot load a sentence encoder from"):
        SentenceEncoder.load(tmp_path, None)
    with pytest.raises(ModelError, match="a SentenceTransformer, got int"):
        SentenceEncoder.load(3, None)


@pytest.mark.parametrize("file", ["modules.json", "config.json"])
def test_code_in_a_folder_is_never_run(file, tmp_path, capfd):
    folder = save_tiny(tmp_path / "plain")
    (folder / "mine.py").write_text("raise SystemExit('run')")
    if file == "modules.json":
        (folder / file).write_text('[{"idx": 0, "name": "0", "path": "", "type": "mine.Model"}]')
    else:
        config = json.loads((folder / file).read_text())
        named = {"model_type": "mine", "auto_map": {"AutoConfig": "mine.C", "AutoModel": "mine.M"}}
        (folder / file).write_text(json.dumps(config | named))

    with pytest.raises(ModelError, match="code that comes with a model is never run"):
        SentenceEncoder.load(folder, None)


def test_modules_that_cannot_be_read_are_refused(tmp_path):
    folder = save_tiny(tmp_path / "plain")
    for content in ("[", "[{}]", "[3]", "3"):
        (folder / "modules.json").write_text(content)

        with pytest.raises(ModelError, match="cannot load a sentence encoder from"):
            SentenceEncoder.load(folder, None)


@pytest.fixture
def hub_cache(transformer, tmp_path, monkeypatch):
    """The hub's cache with an encoder, as its client lays it out; return the encoder's files."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    commit, model = "0" * 40, tmp_path / "models--some-lab--encoder"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(commit)
    transformer.save(str(model / "snapshots" / commit), create_model_card=False)
    return model / "snapshots" / commit


def test_an_encoder_in_the_hub_cache_is_loaded_by_its_id(hub_cache, encoder):
    found = SentenceEncoder.load("some-lab/encoder", None)

    assert embed(found, TEXTS) == pytest.approx(embed(encoder, TEXTS))


@pytest.mark.parametrize("file", ["modules.json", "1_Dense/config.json"])
def test_code_in_the_hub_cache_is_never_run(file, hub_cache):
    modules = [{"idx": 0, "name": "0", "path": "", "type": "subprocess.Popen"}]
    if file != "modules.json":
        modules[0] |= {"type": "sentence_transformers.models.Dense", "path": "1_Dense"}
        (hub_cache / "1_Dense").mkdir()
        (hub_cache / file).write_text('{"activation_function": "subprocess.Popen"}')
    (hub_cache / "modules.json").write_text(json.dumps(modules))

    with pytest.raises(ModelError, match=r"names \['subprocess.Popen'\], which is not run; code"):
        SentenceEncoder.load("some-lab/encoder", None)


def test_a_model_type_with_code_in_the_hub_cache_is_refused(hub_cache):
    config = json.loads((hub_cache / "config.json").read_text())
    named = {"model_type": "mine", "auto_map": {"AutoConfig": "mine.C", "AutoModel": "mine.M"}}
    (hub_cache / "config.json").write_text(json.dumps(config | named))

    with pytest.raises(ModelError, match=r"(?s)'some-lab/encoder'.*never run"):
        SentenceEncoder.load("some-lab/encoder", None)


def test_encoder_without_a_transformers_tokenizer_is_refused():
    with pytest.raises(ModelError, match="has no tokenizer of transformers"):
        SentenceEncoder(SentenceTransformer(modules=[torch.nn.Identity()]))
