"""Masked language models made of a sentence encoder and our update, merged at load."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.initialization import no_init_weights

from fewshot.data.files import sha256_of
from fewshot.errors import PersistenceError
from fewshot.models.embedded import WEIGHTS, EmbeddedModel, encoder_folder
from fewshot.models.reproducible import threads

_TIED = ("cls.predictions.decoder.", "lm_head.decoder.")  # to embeddings, and to a bias of the head

State = Mapping[str, torch.Tensor]


def load_embedded(embedded: EmbeddedModel) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return a new model, in float32 on the CPU with a tied decoder, and its tokenizer."""
    folder = encoder_folder(embedded)
    delta, scale = _read_delta(embedded)
    with threads(1):  # many small products on a busy machine take 50 times longer with four
        model = _build_model(folder)
        weights = _read_encoder(folder / WEIGHTS, model.base_model_prefix)
        _set_weights(model, merged_weights(weights, delta, scale), embedded.name)
    return model, _load_tokenizer(folder)


def embedded_fingerprint(embedded: EmbeddedModel) -> str:
    """Return a digest of the weights: SHA-256 over those of the packaged update and the encoder."""
    try:
        delta = sha256_of(embedded.delta_file)
    except OSError as error:
        raise _broken(embedded, f"cannot be read: {error}") from error
    return hashlib.sha256(f"{delta} {embedded.sha256}".encode()).hexdigest()


def merged_weights(
    weights: State, delta: State, scale: float
) -> Iterator[tuple[str, torch.Tensor]]:
    """Apply an update to a state dict, which stays as it is; yield float32 one by one."""
    # `<module>.A` [rank, in] with `<module>.B` [out, rank] change `<module>.weight` by `scale * B @
    # A`. Any other tensor replaces the parameter of its name, or is added.
    pairs = {name.rpartition(".")[0] for name in delta if name.endswith(".B")}
    for module in sorted(pairs):
        _check_pair(module, weights, delta)
    for name in delta:
        if name.endswith(".A") and name.removesuffix(".A") not in pairs:
            raise PersistenceError(f"The update has '{name}' without '{name[:-1]}B'.")
    for name, weight in weights.items():
        module, _, part = name.rpartition(".")
        if part == "weight" and module in pairs:
            # The sum's order differs between machines; from float64 it rounds to equal weights.
            update = delta[f"{module}.B"].double() @ delta[f"{module}.A"].double()  # [out, in]
            yield name, (weight.float().double() + scale * update).float()
        elif name not in delta:
            yield name, weight.float()
    yield from ((n, tensor.float()) for n, tensor in delta.items() if not n.endswith((".A", ".B")))


def _check_pair(module: str, weights: State, delta: State) -> None:
    nothing = torch.empty(0, 0)
    weight, a = weights.get(f"{module}.weight", nothing), delta.get(f"{module}.A", nothing)
    b = delta[f"{module}.B"]
    if weight.shape != (b.shape[0], a.shape[1]) or b.shape[1] != a.shape[0]:
        raise PersistenceError(f"The update of '{module}' is incomplete, or of another shape.")


def _read_delta(embedded: EmbeddedModel) -> tuple[dict[str, torch.Tensor], float]:
    """Read the update, and the scale of its low-rank products from the metadata."""
    try:
        with safe_open(embedded.delta_file, framework="pt") as stream:
            metadata = stream.metadata() or {}
            delta = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise _broken(embedded, f"cannot be read: {error}") from error
    if "scale" not in metadata:
        raise _broken(embedded, "have no 'scale' in their metadata")
    return delta, float(metadata["scale"])


def _read_encoder(file: Path, prefix: str) -> dict[str, torch.Tensor]:
    """Read the encoder under the names of a masked LM, without the sentence pooler."""
    weights = load_file(file)
    unused = ("pooler.", "embeddings.position_ids")
    return {f"{prefix}.{name}": weights[name] for name in weights if not name.startswith(unused)}


def _build_model(folder: Path) -> PreTrainedModel:
    """Make the masked LM of an encoder's configuration, its weights not yet set."""
    config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
    with torch.random.fork_rng(devices=[]), no_init_weights():
        model: PreTrainedModel = AutoModelForMaskedLM.from_config(config)
    return model


def _set_weights(
    model: PreTrainedModel, weights: Iterable[tuple[str, torch.Tensor]], name: str
) -> None:
    """Copy weights into a model as they come, so that no more than one is in memory twice."""
    own = model.state_dict()  # shares the model's numbers
    missing, unexpected = {n for n in own if not n.startswith(_TIED)}, []
    for one, tensor in weights:
        if one in own and own[one].shape == tensor.shape:
            own[one].copy_(tensor)
            missing.discard(one)
        else:
            unexpected.append(one)
    if missing or unexpected:
        raise PersistenceError(
            f"The weights of '{name}' lack {sorted(missing)} and have the unknown {unexpected}. "
            "Reinstall fewshot."
        )
    model.tie_weights()
    model.train(mode=False)


def _broken(embedded: EmbeddedModel, problem: str) -> PersistenceError:
    return PersistenceError(
        f"The weights of '{embedded.name}' in '{embedded.delta_file}' {problem}. Reinstall fewshot."
    )


def _load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(folder))
    # The file asks for cutting and padding to 128 tokens, which suits sentence vectors only.
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer
