"""Masked language models by name, loaded quickly, quietly and with clear failures."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import torch
import transformers

from fewshot.data.cache import BoundedCache
from fewshot.data.locks import LongLock
from fewshot.errors import HubError, MissingExtraError, ModelError
from fewshot.models.embedded import EMBEDDED
from fewshot.models.fingerprint import model_fingerprint
from fewshot.models.hub import load_by_name, model_name
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.merging import load_embedded
from fewshot.models.peft import ADAPTER_CONFIG, adapter_base, load_adapters
from fewshot.models.precision import Precision
from fewshot.models.quiet import quiet_transformers
from fewshot.models.reproducible import plain_torch, warn_in_worker

FolderState: TypeAlias = tuple[tuple[str, int, int], ...]

LOADED_AT_ONCE = 2
_LOADED: BoundedCache[tuple[str, FolderState], MaskedLM] = BoundedCache(LOADED_AT_ONCE)
_LOCK = LongLock()


@plain_torch()
def load_masked_lm(model: str | Path | MaskedLM, *, precision: Precision | None = None) -> MaskedLM:
    """Return a masked language model by name; one that was just loaded is shared.

    Estimators call it for their parameter ``model``. Call it yourself to look at a model, or to
    share one between estimators that you make at different times.

    Parameters
    ----------
    model : str, Path or MaskedLM
        ``"fewshot-mini"`` or ``"fewshot-base"``, a local folder, a hub id, or a model that is
        loaded already. A folder of peft stands for the model that it names, with its adapters.
    precision : {"mixed", "auto", "float32", "bf16"}, optional
        Of the encoder, as in :class:`MaskedLM`; by default that of the model, or ``"mixed"``.
        Models that differ in it alone share their weights.

    Returns
    -------
    MaskedLM

    Raises
    ------
    ModelError
        If there is no such folder, the model there is not a masked language model, or the machine
        lacks the precision.
    HubError
        If a hub id is not in the local cache and the hub cannot be reached, or the encoder of
        ``"fewshot-base"`` was not downloaded; the message gives the line that does it.
    MissingExtraError
        If ``"fewshot-mini"`` is asked for and its encoder is not installed, or a folder of peft
        without peft.

    Notes
    -----
    ``PromptClassifier(model=load_masked_lm("fewshot-mini", precision="auto"))`` also predicts in
    bf16 where that is faster.

    See Also
    --------
    MaskedLM : wraps a model that you have loaded yourself.

    Examples
    --------
    >>> from fewshot import load_masked_lm
    >>> load_masked_lm("fewshot-mini").max_length  # doctest: +SKIP
    512
    """
    warn_in_worker()
    if isinstance(model, MaskedLM):
        return model if precision is None else model.with_precision(precision)
    if not isinstance(model, (str, Path)):
        raise ModelError(
            "model is 'fewshot-mini', a folder, a hub id or a MaskedLM, "
            f"got {type(model).__name__}; wrap a loaded model as MaskedLM(model, tokenizer)"
        )
    name = model_name(model)
    with _LOCK:  # the second of two threads gets what the first one loads
        lm = _LOADED.get((name, folder_state(Path(name))), partial(_load, name))
    return lm if precision is None else lm.with_precision(precision)


def embedded_name(model: str | Path | MaskedLM) -> str | None:
    """Return the name of an embedded model, given by name or with its weights as they were."""
    name = model.name if isinstance(model, MaskedLM) else model
    if not isinstance(name, str) or name not in EMBEDDED:
        return None
    if isinstance(model, MaskedLM):
        try:
            base = load_masked_lm(name)
        except (HubError, MissingExtraError):  # the model is of another machine
            return None
        if base is not model and model_fingerprint(base) != model_fingerprint(model):
            return None
    return name


def load_uncounted(model: str | Path | MaskedLM) -> MaskedLM:
    """Load a model whose counts begin at 0; the weights stay shared."""
    lm = load_masked_lm(model)
    return MaskedLM(lm.model, lm.tokenizer, name=lm.name, precision=lm.precision)


def folder_state(folder: Path) -> FolderState:
    """Return name, size and time of a folder's files, which change when its model is replaced."""
    if not folder.is_dir():
        return ()
    files = sorted(path for path in folder.iterdir() if path.is_file())
    states = [(path.name, path.stat()) for path in files]
    return tuple((name, state.st_size, state.st_mtime_ns) for name, state in states)


def _load(name: str) -> MaskedLM:
    if name in EMBEDDED:
        return MaskedLM(*load_embedded(EMBEDDED[name]), name=name)
    if (Path(name) / ADAPTER_CONFIG).is_file():
        return _load_with_adapters(Path(name))
    with quiet_transformers():
        model, tokenizer, missing = load_by_name(name, "masked language model", _from_pretrained)
    if missing:
        raise ModelError(
            f"{name!r} has no weights for {missing[:3]}: it was saved without its MLM head; "
            "use the masked language model that it was made from"
        )
    return MaskedLM(model, tokenizer, name=name)


def _load_with_adapters(folder: Path) -> MaskedLM:
    base_name = adapter_base(folder)
    if base_name is None:
        raise ModelError(
            f"{folder} holds adapters of peft for a model that it does not name; load both "
            "yourself: MaskedLM(PeftModel.from_pretrained(model, folder), tokenizer)"
        )
    base = load_masked_lm(base_name)
    return MaskedLM(load_adapters(base.model, folder), base.tokenizer, name=str(folder))


def _from_pretrained(name: str, *, local_files_only: bool) -> tuple[Any, Any, list[str]]:
    # Half precision gives NaN in training and is slow on a CPU; code in a folder is never run.
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        name, local_files_only=local_files_only, trust_remote_code=False
    )
    model, info = transformers.AutoModelForMaskedLM.from_pretrained(
        name,
        local_files_only=local_files_only,
        trust_remote_code=False,
        dtype=torch.float32,
        output_loading_info=True,
    )
    return model, tokenizer, sorted(info["missing_keys"])
