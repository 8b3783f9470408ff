"""Codecs of masked language models: their configuration, state dict and tokenizer.

``fewshot-mini`` is a reference to the installed weights, with the tensors that tuning changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from transformers.initialization import no_init_weights

from fewshot.errors import MissingExtraError, PersistenceError
from fewshot.loading import load_masked_lm
from fewshot.masked_lm import MaskedLM
from fewshot.mini import MINI_NAME, fingerprint
from fewshot.quiet import quiet_transformers
from fewshot.saving.codec import Codec, Json, Reader, Writer
from fewshot.saving.tensors import add_tensor

__all__ = ["MODEL_CODECS"]

# Others need hardware or packages that the reader may lack; transformers then chooses.
_PORTABLE_ATTENTION = ("eager", "sdpa")


def _encode_tokenizer(
    value: transformers.PreTrainedTokenizerBase, writer: Writer, _where: str
) -> Json:
    folder = writer.new_folder("tokenizers")
    value.save_pretrained(folder)
    return folder.relative_to(writer.folder).as_posix()


def _decode_tokenizer(content: Any, reader: Reader) -> transformers.PreTrainedTokenizerBase:
    folder = reader.subfolder(content)
    with quiet_transformers():
        tokenizer: transformers.PreTrainedTokenizerBase = (
            transformers.AutoTokenizer.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False
            )
        )
    return tokenizer


def _encode_model(value: transformers.PreTrainedModel, writer: Writer, where: str) -> Json:
    state = value.state_dict(keep_vars=True)
    _check_described(value, state, where)
    folder = writer.new_folder("models")
    value.config.save_pretrained(folder)
    return {
        "folder": folder.relative_to(writer.folder).as_posix(),
        "attention": value.config._attn_implementation,
        "tensors": {
            name: add_tensor(tensor, writer, f"{where}.{name}") for name, tensor in state.items()
        },
    }


def _check_described(
    model: transformers.PreTrainedModel, state: dict[str, Tensor], where: str
) -> None:
    """Check, without weights, that the configuration makes such a model again."""
    with quiet_transformers(), torch.device("meta"):
        twin = transformers.AutoModelForMaskedLM.from_config(model.config, trust_remote_code=False)
    is_same = type(twin) is type(model) and _shapes(twin.state_dict()) == _shapes(state)
    if not is_same:
        raise PersistenceError(
            f"{where} holds a {type(model).__name__} that its configuration does not describe, so "
            "it could not be loaded again; use a model as AutoModelForMaskedLM loads it"
        )


def _shapes(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}


def _decode_model(content: Any, reader: Reader) -> transformers.PreTrainedModel:
    folder = reader.subfolder(content["folder"])
    attention = content["attention"] if content["attention"] in _PORTABLE_ATTENTION else None
    with quiet_transformers(), torch.random.fork_rng(devices=[]), no_init_weights():
        config = transformers.AutoConfig.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
        model: transformers.PreTrainedModel = transformers.AutoModelForMaskedLM.from_config(
            config, attn_implementation=attention, trust_remote_code=False
        )
    _set_tensors(model, content["tensors"], reader)
    model.eval()
    return model


def _set_tensors(model: nn.Module, names: dict[str, str], reader: Reader) -> None:
    """Put saved tensors in place of the model's; those that were one tensor are one again."""
    if set(names) != set(model.state_dict()):
        differing = sorted(set(names) ^ set(model.state_dict()))
        raise PersistenceError(
            f"the installed transformers has other weights in {type(model).__name__}: "
            f"{differing[:3]}; load the folder with the versions that its config.json names"
        )
    parameters = dict(model.named_parameters(remove_duplicate=False))
    made: dict[str, nn.Parameter] = {}
    for name, stored in names.items():
        owner_name, _, attribute = name.rpartition(".")
        owner = model.get_submodule(owner_name)
        tensor = reader.tensors[stored]
        if name in parameters:
            setattr(owner, attribute, made.setdefault(stored, _frozen(tensor)))
        else:
            setattr(owner, attribute, tensor)


def _frozen(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor, requires_grad=False)


def _encode_masked_lm(value: MaskedLM, writer: Writer, where: str) -> Json:
    if value.added is not None:
        raise PersistenceError(
            f"{where} has {type(value.added).__name__} beside the model, which cannot be saved"
        )
    base = _mini_base(value)
    if base is None:
        return {
            "name": value.name,
            "model": writer.encode(value.model, where),
            "tokenizer": writer.encode(value.tokenizer, where),
        }
    # All names of tied ones, as MaskedLM.copy asks for; each is stored once.
    known = dict(base.model.named_parameters(remove_duplicate=False))
    changed: dict[str, Json] = {
        name: add_tensor(parameter, writer, f"{where}.{name}")
        for name, parameter in value.model.named_parameters(remove_duplicate=False)
        if not _has_same_bits(parameter, known[name])
    }
    return {"mini": fingerprint(), "changed": changed}


def _mini_base(lm: MaskedLM) -> MaskedLM | None:
    """Return the installed ``fewshot-mini`` if the model is that, or was tuned from it."""
    if lm.name != MINI_NAME:
        return None
    try:
        base = load_masked_lm(MINI_NAME)
    except MissingExtraError:
        return None
    is_mini = (
        _parameter_kinds(lm.model) == _parameter_kinds(base.model)
        and lm.model.config.to_dict() == base.model.config.to_dict()
        and lm.tokenizer.get_vocab() == base.tokenizer.get_vocab()
    )
    return base if is_mini else None


def _parameter_kinds(model: nn.Module) -> dict[str, tuple[torch.Size, torch.dtype]]:
    parameters = model.named_parameters(remove_duplicate=False)
    return {name: (parameter.shape, parameter.dtype) for name, parameter in parameters}


def _has_same_bits(one: Tensor, other: Tensor) -> bool:
    """Compare bits: as numbers, 0 and -0 are equal and NaN is not."""
    if one.data_ptr() == other.data_ptr() and one.device == other.device:
        return True
    left, right = (tensor.detach().cpu().contiguous().view(torch.uint8) for tensor in (one, other))
    return torch.equal(left, right)


def _decode_masked_lm(content: Any, reader: Reader) -> MaskedLM:
    if "mini" not in content:
        model, tokenizer = reader.decode(content["model"]), reader.decode(content["tokenizer"])
        return MaskedLM(model, tokenizer, name=content["name"])
    if content["mini"] != fingerprint():
        raise PersistenceError(
            f"the estimator was saved with other weights of {MINI_NAME!r} than are installed "
            f"(fingerprints {content['mini'][:12]} and {fingerprint()[:12]}); install the version "
            "of fewshot that its config.json names, or fit it again"
        )
    base = load_masked_lm(MINI_NAME)
    changed = content["changed"]
    if not changed:
        return base
    tuned = base.copy(changed.__contains__)
    with torch.no_grad():
        for name, parameter in tuned.tuned_parameters().items():
            parameter.copy_(reader.tensors[changed[name]])
    tuned.freeze()
    return tuned


MODEL_CODECS: Sequence[Codec] = (
    Codec(
        "masked_lm",
        lambda value: type(value) is MaskedLM,
        _encode_masked_lm,
        _decode_masked_lm,
        is_shared=True,
    ),
    Codec(
        "tokenizer",
        lambda value: isinstance(value, transformers.PreTrainedTokenizerBase),
        _encode_tokenizer,
        _decode_tokenizer,
        is_shared=True,
    ),
    Codec(
        "model",
        lambda value: isinstance(value, transformers.PreTrainedModel),
        _encode_model,
        _decode_model,
        is_shared=True,
    ),
)
