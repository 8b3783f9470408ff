"""Sentence encoders: loading them, and embedding texts with them."""

from __future__ import annotations

import copy
import json
import re
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import torch
from huggingface_hub import snapshot_download
from sentence_transformers import SentenceTransformer
from torch import nn

from fewshot.data.cache import BoundedCache
from fewshot.errors import ModelError
from fewshot.models.changes import module_state
from fewshot.models.embedded import EMBEDDED, EmbeddedModel, encoder_folder, local_encoder
from fewshot.models.hub import NO_CODE, load_by_name, model_name, unusable
from fewshot.models.loading import LOADED_AT_ONCE, FolderState, folder_state
from fewshot.models.model_checks import check_weights
from fewshot.models.parts import check_max_length, default_batch_tokens, position_limit
from fewshot.models.quiet import quiet_transformers
from fewshot.models.reproducible import map_single_threaded, n_copies, warn_in_worker
from fewshot.models.state_cache import CACHE_BYTES
from fewshot.prompting.prompts import Rows, plan_batches
from fewshot.prompting.tokens import token_ids

_Vector: TypeAlias = npt.NDArray[np.float32]  # [hidden]
_Key: TypeAlias = tuple[bytes, bool]  # token ids, and whether the middle layer is read too

_KIND, _PACKAGE = "sentence encoder", "sentence_transformers"
# Modules that read no name of a class from a folder, but for a Dense layer's activation.
_MODULES = ("Transformer", "Pooling", "Normalize", "Dense", "Dropout", "LayerNorm")
_SETTINGS = ["modules.json", "*/config.json"]  # name what is imported
_IDENTITY = "torch.nn.modules.linear.Identity"
_ACTIVATION = re.compile(rf"torch\.nn\.modules\.activation\.\w+|{re.escape(_IDENTITY)}")
_LOADED: BoundedCache[tuple[str, FolderState], SentenceTransformer] = BoundedCache(LOADED_AT_ONCE)
_KNOWN: WeakKeyDictionary[SentenceTransformer, _Known] = WeakKeyDictionary()
_SHORTEST = 1e-12  # an embedding of zeros stays one
_PROBED = 64  # tokens
_ALIKE = 1e-4  # a difference of numbers that rounding explains, also in half precision's sums


@dataclass
class _Known:
    """What is known of an encoder as it is now, so that a search embeds no text twice."""

    state: int
    vectors: BoundedCache[_Key, _Vector]
    width: int | None = None  # of embeddings; 0 if no middle layer can be read beside them
    reader: nn.Module | None = None


@dataclass(frozen=True)
class TokenizedTexts:
    """Texts as token ids."""

    ids: list[npt.NDArray[np.int32]]
    n_truncated: int  # texts that were cut

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Number of tokens of each text."""
        return np.array([len(row) for row in self.ids], dtype=np.int64)


class SentenceEncoder:
    """A ``SentenceTransformer`` whose embeddings do not depend on the rest of the batch."""

    def __init__(self, transformer: SentenceTransformer, max_length: int | None = None) -> None:
        if not callable(getattr(transformer, "tokenizer", None)):
            raise ModelError(
                "the sentence encoder has no tokenizer of transformers; use one that is made of a "
                "transformer model and pooling, such as 'fewshot-mini'"
            )
        _known(transformer)  # checks the weights
        limit = transformer.max_seq_length if max_length is None else max_length
        longest = _longest(transformer)
        if max_length is not None:
            check_max_length(max_length, longest)
        self.transformer = transformer
        self.max_length = longest if limit is None else int(limit)  # the most tokens of a text

    @classmethod
    def load(
        cls, model: str | Path | SentenceTransformer, max_length: int | None
    ) -> SentenceEncoder:
        """Load an encoder, or copy one that is loaded, so that the caller may change it."""
        warn_in_worker()
        found = _load(model)
        encoder = cls(copy.deepcopy(found) if found is model else found, max_length)
        encoder.transformer.max_seq_length = encoder.max_length
        return encoder

    @classmethod
    def frozen(
        cls, model: str | Path | SentenceTransformer, max_length: int | None
    ) -> SentenceEncoder:
        """Load an encoder that is not changed; its weights are shared, also by name."""
        warn_in_worker()
        if isinstance(model, (str, Path)):
            name = model_name(model)
            key = name, folder_state(Path(name))
            return cls(_LOADED.get(key, partial(_load, model)), max_length)
        found = _load(model)
        return cls(copy.deepcopy(found, _shared(found)), max_length)

    def tokenize(self, texts: list[str]) -> TokenizedTexts:
        """Tokenise texts, cut to ``max_length``."""
        return TokenizedTexts(*token_ids(self.transformer.tokenizer, texts, None, self.max_length))

    def can_read_middle(self) -> bool:
        """Return whether a middle layer can be read: the model, run alone, must embed the same."""
        return self._width() > 0

    def _width(self) -> int:
        known = _known(self.transformer)
        if known.width is None:
            known.width = self._measured_width()
        return known.width

    def _measured_width(self) -> int:
        # Tokens from all over the vocabulary, since something may be done to a few only.
        n_tokens = min(_PROBED, self.max_length)
        ids = torch.linspace(0, len(self.transformer.tokenizer) - 1, n_tokens).long()[None]
        ids = ids.to(self.transformer.device)
        self.transformer.eval()
        with torch.inference_mode():
            known = embed_ids(self.transformer, ids).float()
            try:
                both = embed_ids(self.transformer, ids, reader_of(self.transformer)).float()
            except torch.cuda.OutOfMemoryError:
                raise
            except (AttributeError, KeyError, RuntimeError, TypeError, ValueError):
                return 0
        width = known.shape[1]
        own = nn.functional.normalize(known, dim=-1)
        return width if torch.allclose(both[:, :width], own, atol=_ALIKE) else 0

    def embed(self, texts: TokenizedTexts) -> npt.NDArray[np.float64]:
        """Embed texts, [n, hidden]; on a CPU rows do not depend on one another to the last bit."""
        return self._embed(texts, with_middle=False)

    def unit(self, texts: TokenizedTexts, *, with_middle: bool = False) -> npt.NDArray[np.float64]:
        """Embed texts as vectors of length 1, [n, width]."""
        # With the middle layer: the embedding and the mean state there, each as a vector of length
        # 1, side by side and divided by the square root of 2.
        # Both are read in one pass: whoever needs each of them pays for one.
        width = self._width()
        found = self._embed(texts, with_middle=width > 0)
        return unit_length(found if with_middle or not width else found[:, :width])

    def _embed(self, texts: TokenizedTexts, *, with_middle: bool) -> npt.NDArray[np.float64]:
        keys = [(ids.tobytes(), with_middle) for ids in texts.ids]
        place = {key: i for i, key in enumerate(keys)}

        def embed(new: list[_Key]) -> list[_Vector]:
            chosen = TokenizedTexts([texts.ids[place[key]] for key in new], 0)
            return self._embed_new(chosen, with_middle=with_middle)

        found = _known(self.transformer).vectors.fill(keys, embed)
        return np.stack(found).astype(np.float64)

    def _embed_new(self, texts: TokenizedTexts, *, with_middle: bool) -> list[_Vector]:
        self.transformer.eval()
        device = self.transformer.device
        batches = plan_batches(texts.lengths, default_batch_tokens(device), "none")
        reader = reader_of(self.transformer) if with_middle else None

        def run(rows: Rows) -> tuple[Rows, torch.Tensor]:
            return rows, self._forward(texts, rows, reader).cpu()

        is_cpu = device.type == "cpu"
        found: dict[int, _Vector] = {}
        for rows, part in map_single_threaded(run, batches) if is_cpu else map(run, batches):
            # Copies: a view would keep its batch alive.
            found.update(zip(rows.tolist(), map(np.copy, part.numpy()), strict=True))
        return [found[row] for row in range(len(texts.ids))]

    def tokens_per_second(self, texts: TokenizedTexts) -> float:
        """Measure how fast the encoder runs on a few of these texts."""
        batch_tokens = default_batch_tokens(torch.device("cpu"))
        rows = next(plan_batches(texts.lengths, batch_tokens, "none"))
        self.transformer.eval()
        self._forward(texts, rows)  # warms up
        started = time.perf_counter()
        self._forward(texts, rows)
        return float(texts.lengths[rows].sum()) / (time.perf_counter() - started)

    def _forward(
        self, texts: TokenizedTexts, rows: Rows, reader: nn.Module | None = None
    ) -> torch.Tensor:
        """Embed texts of one length, in products that are never tiny, [n, hidden]."""
        ids = np.stack([texts.ids[i] for i in rows])  # [n, length]
        # A Dense layer after pooling multiplies a row for each text, not for each token.
        has_dense = any(True for part in list(self.transformer)[1:] for _ in part.parameters())
        copies = n_copies(len(ids) if has_dense else ids.size)
        inputs = torch.from_numpy(np.tile(ids, (copies, 1)).astype(np.int64))
        inputs = inputs.to(self.transformer.device)
        with torch.inference_mode():
            found = embed_ids(self.transformer, inputs, reader)
        return found[: len(rows)].float()


def _known(transformer: SentenceTransformer) -> _Known:
    """Return what is known of an encoder, whose weights are checked if they are new."""
    state = module_state(transformer)
    found = _KNOWN.get(transformer)
    if found is None or found.state != state:
        check_weights(transformer, "the sentence encoder")
        vectors: BoundedCache[_Key, _Vector] = BoundedCache(CACHE_BYTES, lambda row: row.nbytes)
        found = _KNOWN[transformer] = _Known(state, vectors)
    return found


def embed_ids(
    transformer: SentenceTransformer, ids: torch.Tensor, reader: nn.Module | None = None
) -> torch.Tensor:
    """Embed texts of one length, [n, hidden], or with the middle layer's beside, of length 1."""
    features: dict[str, Any] = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if reader is None:
        found: torch.Tensor = transformer(features)["sentence_embedding"]
        return found
    layers = reader(**features, output_hidden_states=True, return_dict=True)
    features["token_embeddings"] = layers.last_hidden_state
    for module in list(transformer)[1:]:
        features = module(features)
    middle = layers.hidden_states[len(layers.hidden_states) // 2]  # the first ones are embeddings
    both = features["sentence_embedding"], middle.mean(1)
    return torch.cat([nn.functional.normalize(part.float(), dim=-1) for part in both], dim=-1)


def reader_of(transformer: SentenceTransformer) -> nn.Module:
    """Return a model of modules of its own that share all numbers, whose layers may be read."""
    # To read layers transformers puts hooks on a model for good, with which it cannot be pickled.
    known = _known(transformer)
    if known.reader is None:
        model: Any = transformer[0].auto_model
        known.reader = copy.deepcopy(model, _shared(model)).eval()
    return known.reader


def _shared(model: nn.Module) -> dict[int, Any]:
    """Return what a deep copy is to share: all numbers, by id."""
    return {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}


def unit_length(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return vectors [n, hidden] divided by their lengths."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: npt.NDArray[np.float64] = vectors / np.maximum(lengths, _SHORTEST)
    return unit


def _load(model: str | Path | SentenceTransformer) -> SentenceTransformer:
    if isinstance(model, SentenceTransformer):
        return model
    if not isinstance(model, (str, Path)):
        raise ModelError(
            "model is 'fewshot-mini', a folder, a hub id or a SentenceTransformer, "
            f"got {type(model).__name__}"
        )
    name = model_name(model)
    if name in EMBEDDED:
        return from_name(str(encoder_folder(EMBEDDED[name])), local_files_only=True)
    return load_by_name(name, _KIND, _load_checked)


def _load_checked(name: str, *, local_files_only: bool) -> SentenceTransformer:
    """Load an encoder whose settings, which are read first, name no code of others."""
    folder = Path(name)
    if not folder.is_dir():
        folder = Path(
            snapshot_download(name, allow_patterns=_SETTINGS, local_files_only=local_files_only)
        )
    try:
        foreign = foreign_names(folder)
    except ValueError as error:
        raise unusable(name, _KIND, error) from error
    if foreign:
        raise ModelError(f"{name!r} names {foreign}, which is not run; {NO_CODE}")
    if local_files_only:
        return from_name(str(folder), local_files_only=True)
    return from_name(name, local_files_only=False, revision=folder.name)  # which was checked


def embedded_origin(transformer: SentenceTransformer) -> EmbeddedModel | None:
    """Return the embedded model whose encoder this is, to the last bit, apart from its length."""
    config = getattr(getattr(transformer[0], "auto_model", None), "config", None)
    path = getattr(config, "_name_or_path", None)
    model = next((one for one in EMBEDDED.values() if str(local_encoder(one)) == path), None)
    if model is None:
        return None
    own = from_name(str(path), local_files_only=True)
    own.max_seq_length = transformer.max_seq_length
    expected, state = own.state_dict(), transformer.state_dict()
    is_alike = repr(own) == repr(transformer) and expected.keys() == state.keys()
    is_same = is_alike and all(torch.equal(t, state[name].to(t)) for name, t in expected.items())
    return model if is_same else None


def foreign_names(folder: Path) -> list[str]:
    """Return the classes and functions that a folder would have imported, but for known ones."""
    # Whatever the installed version imports: others, such as Router, name classes of their own.
    file = folder / "modules.json"
    if not file.is_file():
        return []
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
        names = [row["type"] for row in rows if not _is_known(row["type"])]
        return names + [name for row in rows for name in _foreign_functions(folder, row["path"])]
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{file.name} is not a list of modules: {error!r}") from error


def _is_known(name: str) -> bool:
    package, _, own = name.partition(".")
    return package == _PACKAGE and own.rpartition(".")[2] in _MODULES


def _foreign_functions(folder: Path, path: str) -> list[str]:
    """Return the functions in a module's settings that are none of torch's activations."""
    if Path(path).is_absolute() or ".." in Path(path).parts:
        return [path]
    file = folder / path / "config.json"
    settings = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    name = str(settings.get("activation_function", _IDENTITY))
    return [] if _ACTIVATION.fullmatch(name) else [name]


def from_name(
    name: str, *, local_files_only: bool, revision: str | None = None
) -> SentenceTransformer:
    """Load an encoder without noise, and without effect on the random state."""
    with quiet_transformers(), torch.random.fork_rng():
        return SentenceTransformer(
            name, local_files_only=local_files_only, revision=revision, trust_remote_code=False
        )


def _longest(transformer: SentenceTransformer) -> int:
    model = getattr(transformer[0], "auto_model", None)
    limit = None if model is None else position_limit(model)
    return int(transformer.tokenizer.model_max_length if limit is None else limit)
