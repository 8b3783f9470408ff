"""Sentence encoders: loading them, and embedding texts."""

from __future__ import annotations

import copy
import json
import time
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer

from fewshot.errors import HubError, ModelError
from fewshot.models.loading import hub_answers
from fewshot.models.mini import MINI_NAME, load_sentence_encoder_path
from fewshot.models.quiet import quiet_transformers
from fewshot.models.reproducible import map_single_threaded, n_copies
from fewshot.prompting.bare_texts import token_ids
from fewshot.prompting.prompts import Rows, plan_batches

_BATCH_TOKENS = {"cpu": 1024, "cuda": 16384}
_NO_CODE = (
    "code that comes with a model is never run; if you trust it, load it with "
    "SentenceTransformer(..., trust_remote_code=True) yourself and pass that"
)


@dataclass(frozen=True)
class TokenizedTexts:
    """Texts as token ids.

    Parameters
    ----------
    ids : list of ndarray of int32
    n_truncated : int
        Texts that were cut.
    """

    ids: list[npt.NDArray[np.int32]]
    n_truncated: int

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Number of tokens of each text."""
        return np.array([len(row) for row in self.ids], dtype=np.int64)


class SentenceEncoder:
    """A ``SentenceTransformer`` whose embeddings do not depend on what else is in the batch.

    Parameters
    ----------
    transformer : SentenceTransformer
    """

    def __init__(self, transformer: SentenceTransformer) -> None:
        if not callable(getattr(transformer, "tokenizer", None)):
            raise ModelError(
                "the sentence encoder has no tokenizer of transformers; use one that is made of a "
                "transformer model and pooling, such as 'fewshot-mini'"
            )
        self.transformer = transformer

    @classmethod
    def load(
        cls, model: str | Path | SentenceTransformer, max_length: int | None
    ) -> SentenceEncoder:
        """Load an encoder, or copy one that is loaded; the caller may change it.

        Parameters
        ----------
        model : str, Path or SentenceTransformer
            ``"fewshot-mini"``, a folder, a hub id, or a loaded model.
        max_length : int, optional
            The most tokens of a text; by default what the encoder takes.

        Raises
        ------
        ModelError
            If there is no such folder, no encoder in it, or it takes fewer tokens.
        HubError
            If a hub id is not in the local cache and the hub cannot be reached.
        """
        encoder = cls(_load(model))
        if max_length is not None:
            longest = _longest(encoder.transformer)
            is_whole = isinstance(max_length, Integral)  # users are not held to annotations
            if not is_whole or not 1 <= max_length <= longest:
                raise ModelError(
                    f"max_length is from 1 to {longest} for this model, got {max_length!r}"
                )
            encoder.transformer.max_seq_length = max_length
        return encoder

    @property
    def max_length(self) -> int:
        """The most tokens of a text."""
        limit = self.transformer.max_seq_length
        return _longest(self.transformer) if limit is None else int(limit)

    def tokenize(self, texts: list[str]) -> TokenizedTexts:
        """Tokenise texts, cut to ``max_length``."""
        return TokenizedTexts(*token_ids(self.transformer.tokenizer, texts, None, self.max_length))

    def embed(self, texts: TokenizedTexts) -> npt.NDArray[np.float64]:
        """Embed texts; on a CPU, a row does not depend on the others to the last bit.

        Parameters
        ----------
        texts : TokenizedTexts

        Returns
        -------
        ndarray of shape (n, hidden)
        """
        self.transformer.eval()
        kind = self.transformer.device.type
        size = _BATCH_TOKENS.get(kind, _BATCH_TOKENS["cuda"])
        batches = plan_batches(texts.lengths, size, "none")

        def run(rows: Rows) -> tuple[Rows, torch.Tensor]:
            return rows, self._forward(texts, rows).cpu()

        parts = list(map_single_threaded(run, batches) if kind == "cpu" else map(run, batches))
        embeddings = np.empty((len(texts.ids), parts[0][1].shape[1]))
        for rows, found in parts:
            embeddings[rows] = found.numpy()
        return embeddings

    def tokens_per_second(self, texts: TokenizedTexts) -> float:
        """Measure how fast the encoder runs on a few of these texts."""
        rows = next(plan_batches(texts.lengths, _BATCH_TOKENS["cpu"], "none"))
        self.transformer.eval()
        self._forward(texts, rows)  # warms up
        started = time.perf_counter()
        self._forward(texts, rows)
        return float(texts.lengths[rows].sum()) / (time.perf_counter() - started)

    def _forward(self, texts: TokenizedTexts, rows: Rows) -> torch.Tensor:
        """Embed texts of one length, in products that are never tiny, [n, hidden]."""
        ids = np.stack([texts.ids[i] for i in rows])  # [n, length]
        copies = n_copies(ids.size)
        inputs = torch.from_numpy(np.tile(ids, (copies, 1)).astype(np.int64))
        inputs = inputs.to(self.transformer.device)
        with torch.inference_mode():
            features = {"input_ids": inputs, "attention_mask": torch.ones_like(inputs)}
            found: torch.Tensor = self.transformer(features)["sentence_embedding"]
        return found[: len(rows)].float()


def _load(model: str | Path | SentenceTransformer) -> SentenceTransformer:
    if isinstance(model, SentenceTransformer):
        return copy.deepcopy(model)
    if not isinstance(model, (str, Path)):
        raise ModelError(
            "model is 'fewshot-mini', a folder, a hub id or a SentenceTransformer, "
            f"got {type(model).__name__}"
        )
    name = str(model)
    if name == MINI_NAME:
        return _from_name(str(load_sentence_encoder_path()), local_files_only=True)
    is_path = name.startswith((".", "/", "~")) or name.count("/") > 1
    if not Path(name).is_dir() and is_path:
        raise ModelError(f"there is no folder {name!r}; give a folder, a hub id or {MINI_NAME!r}")
    _refuse_code(Path(name))
    try:
        return _from_name(name, local_files_only=True)
    except OSError as error:
        if not Path(name).is_dir():
            return _from_hub(name)
        raise _unusable(name, error) from error
    except ValueError as error:
        raise _unusable(name, error) from error


def _refuse_code(folder: Path) -> None:
    """Raise ModelError if a folder names code; before 6.0 sentence-transformers would run it."""
    file = folder / "modules.json"
    if not file.is_file():
        return
    try:
        names = [row["type"] for row in json.loads(file.read_text(encoding="utf-8"))]
        foreign = [name for name in names if not name.startswith("sentence_transformers.")]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _unusable(str(folder), error) from error
    if foreign:
        raise ModelError(f"{str(folder)!r} names the classes {foreign}; {_NO_CODE}")


def _unusable(name: str, error: Exception) -> ModelError:
    advice = f"; {_NO_CODE}" if "trust_remote_code" in str(error) else ""
    return ModelError(f"cannot load a sentence encoder from {name!r}: {error}{advice}")


def _from_hub(name: str) -> SentenceTransformer:
    advice = f"go online, give a local folder, or use model={MINI_NAME!r}, which works offline"
    if not hub_answers():
        raise HubError(
            f"{name!r} is not in the local cache and the hub cannot be reached; {advice}"
        )
    try:
        return _from_name(name, local_files_only=False)
    except OSError as error:
        raise HubError(f"cannot load {name!r} from the hub: {error}; {advice}") from error
    except ValueError as error:
        raise _unusable(name, error) from error


def _from_name(name: str, *, local_files_only: bool) -> SentenceTransformer:
    with quiet_transformers(), torch.random.fork_rng():
        return SentenceTransformer(name, local_files_only=local_files_only, trust_remote_code=False)


def _longest(transformer: SentenceTransformer) -> int:
    """Return the most tokens that positions allow; RoBERTa's start after the padding index."""
    model = getattr(transformer[0], "auto_model", None)
    positions = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    if positions is None or positions <= 0:
        return int(transformer.tokenizer.model_max_length)
    embeddings = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    offset = getattr(embeddings, "padding_idx", None)
    return int(positions if offset is None else positions - offset - 1)
