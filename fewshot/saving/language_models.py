"""Codec of masked language models: whole, or as what differs from a backbone that is left out."""

# Embedded models are always left out: a folder refers to the weights that are installed.

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict

import torch
from torch import Tensor, nn

from fewshot.data.forms import Node
from fewshot.errors import (
    FewShotError,
    FewShotWarning,
    HubError,
    MissingExtraError,
    PersistenceError,
    warn_user,
)
from fewshot.models.embedded import EMBEDDED
from fewshot.models.fingerprint import model_fingerprint
from fewshot.models.loading import load_masked_lm
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.merging import embedded_fingerprint
from fewshot.models.model_checks import check_weights
from fewshot.models.precision import has_bf16
from fewshot.saving.added import SavedModules, decode_added, encode_added
from fewshot.saving.codec import Codec, Json, Reader, Writer
from fewshot.saving.tensors import add_tensor

# Settings that differ between loads of one model.
_PASSING_SETTINGS = frozenset({"_name_or_path", "dtype", "torch_dtype", "transformers_version"})

_Reference = TypedDict(
    "_Reference", {"name": str | None, "class": str, "n_parameters": int, "fingerprint": str}
)


class _Computed(TypedDict, total=False):
    precision: Literal["float32", "bf16"]  # of predictions; left out for "mixed"


class _Whole(_Computed):
    name: str | None
    model: Node
    tokenizer: Node
    added: SavedModules | None


class _OnEmbedded(_Computed):
    name: str
    embedded: str
    changed: dict[str, str]
    added: SavedModules | None


class _OnMini(TypedDict):  # before there was another embedded model
    mini: str
    changed: dict[str, str]
    added: SavedModules | None


class _OnBackbone(_Computed):
    backbone: _Reference
    changed: dict[str, str]
    added: SavedModules | None


class GivenBackbone:
    """The backbone that a folder is to refer to, or that it is loaded onto; or none."""

    def __init__(self, model: str | Path | MaskedLM | None) -> None:
        self._lm = None if model is None else load_masked_lm(model)
        self._is_used = False
        if self._lm is not None and self._lm.added is not None:
            raise PersistenceError(
                f"{self._lm} has {type(self._lm.added).__name__} beside it; give the model that "
                "it was tuned from"
            )

    @property
    def codec(self) -> Codec:
        """The codec of models that are written or read with this backbone."""
        return Codec(
            "masked_lm",
            _Whole | _OnEmbedded | _OnMini | _OnBackbone,
            lambda value: type(value) is MaskedLM,
            self._encode,
            self._decode,
            is_shared=True,
        )

    def check_used(self, problem: str) -> None:
        """Refuse a backbone with which no model was written or read."""
        if self._lm is not None and not self._is_used:
            raise PersistenceError(f"{problem}, got {_describe(self._lm)}")

    def _encode(self, value: MaskedLM, writer: Writer, path: str) -> Json:
        return self._encode_weights(value, writer, path) | _saved_precision(value)

    def _encode_weights(self, value: MaskedLM, writer: Writer, path: str) -> dict[str, Json]:
        added = encode_added(value.added, writer, f"{path}.added")
        embedded, given = _embedded_base(value), self._lm
        if given is not None and _is_alike(value, given) and not _is_nearer(embedded, given, value):
            self._is_used = True
            return {
                "backbone": _reference(given),
                "changed": _changed(value, given, writer, path),
                "added": added,
            }
        if embedded is not None:
            self._is_used |= given is not None and _is_same(given, embedded)
            return {
                "name": value.name,
                "embedded": embedded_fingerprint(EMBEDDED[str(value.name)]),
                "changed": _changed(value, embedded, writer, path),
                "added": added,
            }
        return {
            "name": value.name,
            "model": writer.encode(value.model, path),
            "tokenizer": writer.encode(value.tokenizer, path),
            "added": added,
        }

    def _decode(self, content: Any, reader: Reader) -> MaskedLM:
        lm = self._decode_weights(content, reader)
        # A model that the caller gives has a precision of its own.
        return lm if self._lm is not None else _in_precision(lm, content.get("precision"))

    def _decode_weights(self, content: Any, reader: Reader) -> MaskedLM:
        changed = content.get("changed", {})
        if "mini" in content:
            base = self._embedded("fewshot-mini", content["mini"])
        elif "embedded" in content:
            base = self._embedded(content["name"], content["embedded"])
        elif "backbone" in content:
            base = self._backbone(content["backbone"])
        else:
            model, tokenizer = reader.decode(content["model"]), reader.decode(content["tokenizer"])
            base = MaskedLM(model, tokenizer, name=content["name"])
            n_rows = model.get_input_embeddings().weight.shape[0]
            if max(tokenizer.get_vocab().values(), default=0) >= n_rows:
                raise PersistenceError(
                    f"the saved tokenizer has more tokens than the {n_rows} that the saved model "
                    "knows; the folder was altered"
                )
        added = decode_added(content.get("added"), base.model, reader)
        if not changed and added is None:
            return base
        tuned = base.copy(changed.__contains__, added)
        with torch.no_grad():
            for name, parameter in tuned.model.named_parameters():
                if name in changed:
                    saved = reader.tensors[changed[name]]
                    parameter.copy_(saved.reshape(parameter.shape))  # else it would be broadcast
        for part in (tuned.model, *filter(None, [tuned.added])):
            check_weights(part, "the saved model")
        tuned.freeze()
        return tuned

    def _embedded(self, name: str, expected: str) -> MaskedLM:
        installed = embedded_fingerprint(EMBEDDED[name])
        if expected != installed:
            raise PersistenceError(
                f"the estimator was saved with other weights of {name!r} than are installed "
                f"(fingerprints {expected[:12]} and {installed[:12]}); install the "
                "version of fewshot that its config.json names, or fit it again"
            )
        base = load_masked_lm(name)
        if self._lm is None:
            return base
        self._is_used = True
        if not _is_same(self._lm, base):
            raise PersistenceError(
                f"the estimator was tuned from {name!r}, got {_describe(self._lm)}; leave "
                "model out, or give that one"
            )
        return self._lm

    def _backbone(self, reference: Mapping[str, Any]) -> MaskedLM:
        base = _load(reference) if self._lm is None else self._lm
        self._is_used = True
        own = _reference(base)
        if own["fingerprint"] == reference["fingerprint"]:
            return base
        expected = f"{reference['class']} of {reference['n_parameters']:,} parameters"
        raise PersistenceError(
            f"the estimator was tuned from {reference['name'] or 'a model'}, a {expected} with the "
            f"fingerprint {reference['fingerprint'][:12]}, got {_describe(base)} with the "
            f"fingerprint {own['fingerprint'][:12]}; give the same weights as model="
        )


def _saved_precision(lm: MaskedLM) -> dict[str, Json]:
    """Return what a model predicts in, so that it predicts the same bits after loading."""
    if lm.precision == "mixed":
        return {}
    return {"precision": "bf16" if lm.uses_bf16(tunes=False) else "float32"}


def _in_precision(lm: MaskedLM, precision: Literal["float32", "bf16"] | None) -> MaskedLM:
    """Return a model in the precision that it was saved with, or in float32 with a warning."""
    if precision == "bf16" and not has_bf16(lm.device):
        warn_user(
            "the estimator was saved on a machine that computes in bf16, which this one does not; "
            "it predicts in float32, and probabilities differ by up to some hundredths",
            FewShotWarning,
        )
        return lm
    return lm if precision is None else lm.with_precision(precision)


def _load(reference: Mapping[str, Any]) -> MaskedLM:
    """Load the backbone by the name that it had."""
    name = reference["name"]
    advice = "give it to fewshot.load(folder, model=...)"
    if name is None:
        raise PersistenceError(
            f"the estimator was saved without its backbone, a {reference['class']} of "
            f"{reference['n_parameters']:,} parameters that has no name; {advice}"
        )
    try:
        return load_masked_lm(name)
    except FewShotError as error:
        raise PersistenceError(
            f"the estimator was saved without its backbone {name!r}, which cannot be loaded "
            f"({error}); {advice}"
        ) from error


def _reference(lm: MaskedLM) -> dict[str, Any]:
    return {
        "name": lm.name,
        "class": type(lm.model).__name__,
        "n_parameters": _n_parameters(lm),
        "fingerprint": model_fingerprint(lm),
    }


def _describe(lm: MaskedLM) -> str:
    return f"{lm}, a {type(lm.model).__name__} of {_n_parameters(lm):,} parameters"


def _n_parameters(lm: MaskedLM) -> int:
    return sum(parameter.numel() for parameter in lm.model.parameters())


def _embedded_base(lm: MaskedLM) -> MaskedLM | None:
    """Return the installed embedded model if the model is that, or was tuned from it."""
    if lm.name not in EMBEDDED:
        return None
    try:
        base = load_masked_lm(str(lm.name))
    except (HubError, MissingExtraError):
        return None
    return base if _is_alike(lm, base) else None


def _is_same(one: MaskedLM, other: MaskedLM) -> bool:
    return one is other or model_fingerprint(one) == model_fingerprint(other)


def _is_alike(lm: MaskedLM, base: MaskedLM) -> bool:
    """Return whether all but the weights is the same, as for a model tuned from another."""
    return (
        type(lm.model) is type(base.model)
        and _parameter_kinds(lm.model) == _parameter_kinds(base.model)
        and _settings(lm) == _settings(base)
        and lm.tokenizer.get_vocab() == base.tokenizer.get_vocab()
    )


def _settings(lm: MaskedLM) -> dict[str, Any]:
    settings: dict[str, Any] = lm.model.config.to_dict()
    return {name: value for name, value in settings.items() if name not in _PASSING_SETTINGS}


def _parameter_kinds(model: nn.Module) -> dict[str, tuple[torch.Size, torch.dtype]]:
    parameters = model.named_parameters(remove_duplicate=False)
    return {name: (parameter.shape, parameter.dtype) for name, parameter in parameters}


def _is_nearer(embedded: MaskedLM | None, given: MaskedLM, lm: MaskedLM) -> bool:
    """Return whether a model shares more with the installed one than with the given backbone."""
    # A model that was adapted from the installed one keeps its name, and others are tuned from it.
    if embedded is None:
        return False
    return _is_same(given, embedded) or len(_differing(lm, embedded)) < len(_differing(lm, given))


def _changed(lm: MaskedLM, base: MaskedLM, writer: Writer, path: str) -> dict[str, Json]:
    """Write the tensors that differ."""
    return {
        name: add_tensor(parameter, writer, f"{path}.{name}")
        for name, parameter in _differing(lm, base).items()
    }


def _differing(lm: MaskedLM, base: MaskedLM) -> dict[str, nn.Parameter]:
    """Return the tensors that differ; all names of tied ones, as :meth:`MaskedLM.copy` asks for."""
    known = dict(base.model.named_parameters(remove_duplicate=False))
    return {
        name: parameter
        for name, parameter in lm.model.named_parameters(remove_duplicate=False)
        if not _has_same_bits(parameter, known[name])
    }


def _has_same_bits(one: Tensor, other: Tensor) -> bool:
    """Compare bits: as numbers, 0 and -0 are equal and NaN is not."""
    if one.data_ptr() == other.data_ptr() and one.device == other.device:
        return True
    left, right = (tensor.detach().cpu().contiguous().view(torch.uint8) for tensor in (one, other))
    return torch.equal(left, right)
