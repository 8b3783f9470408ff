"""The precision of an encoder's products: float32, or bf16 where the machine is faster at it."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Literal, TypeAlias, get_args
from weakref import WeakKeyDictionary

import torch
import transformers
from torch import nn
from torch.nn.functional import linear

from fewshot.data.locks import LongLock
from fewshot.errors import ModelError
from fewshot.models.model_checks import CANNOT_RUN, PROBE_TOKENS
from fewshot.models.parts import Backbone
from fewshot.models.reproducible import threads

Precision: TypeAlias = Literal["mixed", "auto", "float32", "bf16"]

_CPU_FLAGS = ("avx512_bf16", "amx_bf16")  # others compute in bf16 by way of float32, and slowly
_TOKENS, _ROUNDS = 256, 3
# What else an encoder computes is no faster in bf16, and values are cast to and fro.
_LEAST_GAIN = 1.5

_MEASURED: dict[tuple[str, int, int], bool] = {}
_RUNS: dict[type, bool] = {}
_LARGEST: WeakKeyDictionary[Backbone, tuple[int, int] | None] = WeakKeyDictionary()
_LOCK = LongLock()


def check_precision(precision: str, model: Backbone, device: torch.device) -> None:
    """Raise ModelError for an unknown precision, or one that the device or the model has not."""
    if precision not in get_args(Precision):
        raise ModelError(f"precision is one of {get_args(Precision)}, got {precision!r}")
    if precision == "bf16" and not has_bf16(device):
        needed = "a GPU that computes" if device.type == "cuda" else "AVX512-BF16 or AMX to compute"
        raise ModelError(
            f"precision='bf16' needs {needed} in bf16, which torch {torch.__version__} does not "
            "find on this machine; use precision='auto', which is bf16 only where that is faster"
        )
    if precision == "bf16" and not _runs_in_bf16(model, device):
        raise ModelError(
            f"{type(model).__name__} cannot compute in bf16: its code in transformers "
            f"{transformers.__version__} fails in autocast; use precision='auto'"
        )


def has_bf16(device: torch.device) -> bool:
    """Return whether a device has instructions for products in bf16."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    # An older torch does not tell.
    flags: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(flags.get(name, False) for name in _CPU_FLAGS)


def uses_bf16(precision: Precision, model: Backbone, device: torch.device, *, tunes: bool) -> bool:
    """Return whether a model computes in bf16, in tuning or in prediction."""
    if precision == "bf16":
        return True
    return (precision == "auto" or (precision == "mixed" and tunes)) and is_faster(model, device)


def in_bf16(device: torch.device, *, enabled: bool) -> AbstractContextManager[object]:
    """Return a context in which products are in bf16, and sums and norms in float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def is_faster(model: Backbone, device: torch.device) -> bool:
    """Return whether products in bf16 are much faster: measured once for each size of model."""
    if not has_bf16(device) or not _runs_in_bf16(model, device):
        return False
    if model not in _LARGEST:  # going through all modules takes a twentieth of a call of one text
        linears = [m for m in model.base_model.modules() if isinstance(m, nn.Linear)]
        sizes = [(linear.out_features, linear.in_features) for linear in linears]
        _LARGEST[model] = max(sizes, key=lambda size: size[0] * size[1], default=None)
    largest = _LARGEST[model]
    if device.type == "cuda" or largest is None:
        return device.type == "cuda"
    n_out, n_in = largest
    with _LOCK:
        key = str(device), n_out, n_in
        if key not in _MEASURED:
            _MEASURED[key] = _gain(n_out, n_in) >= _LEAST_GAIN
        return _MEASURED[key]


def with_bf16_products(model: Backbone) -> Backbone:
    """Return a model whose products need no cast of their weights; all else is shared."""
    memo: dict[int, Any] = {
        id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())
    }
    for module in model.base_model.modules():
        if isinstance(module, nn.Linear):
            for parameter in module.parameters(recurse=False):
                half = parameter.detach().to(torch.bfloat16)
                memo[id(parameter)] = nn.Parameter(half, requires_grad=False)
    return copy.deepcopy(model, memo)


def _runs_in_bf16(model: Backbone, device: torch.device) -> bool:
    """Return whether the code of a kind of model runs in autocast; DeBERTa's does not."""
    kind = type(model)
    if kind not in _RUNS:
        base = _unobserved(model.base_model)
        ids = torch.zeros(1, PROBE_TOKENS, dtype=torch.int64, device=device)
        try:
            with torch.inference_mode(), in_bf16(device, enabled=True):
                base(input_ids=ids)
            _RUNS[kind] = True
        except CANNOT_RUN:
            _RUNS[kind] = False
    return _RUNS[kind]


def _unobserved(base: nn.Module) -> nn.Module:
    """Return a model with the same weights whose passes no hook sees and no random number moves."""
    memo: dict[int, Any] = {id(tensor): tensor for tensor in (*base.parameters(), *base.buffers())}
    twin = copy.deepcopy(base, memo).eval()
    for module in twin.modules():
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
    return twin


def _gain(n_out: int, n_in: int) -> float:
    """Return how many times as fast the largest product of an encoder is in bf16."""
    # Processor time of this thread, which other programs hardly affect: some milliseconds in all.
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(_TOKENS, n_in, generator=generator)
    weight, bias = torch.randn(n_out, n_in, generator=generator), torch.zeros(n_out)
    halves = weight.bfloat16(), bias.bfloat16()
    runs: tuple[Callable[[], object], ...] = (
        lambda: linear(rows, weight, bias),
        lambda: linear(rows.bfloat16(), *halves).float(),
    )
    taken: tuple[list[float], list[float]] = [], []
    with threads(1), torch.inference_mode():
        for _ in range(_ROUNDS + 1):  # the first warms up
            for run, seconds in zip(runs, taken, strict=True):
                started = time.thread_time()
                run()
                seconds.append(time.thread_time() - started)
    return min(taken[0]) / max(min(taken[1]), 1e-9)
