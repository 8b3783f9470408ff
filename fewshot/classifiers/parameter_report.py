"""The cost of tuning: parameters, bytes, memory and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt
from torch import Tensor

from fewshot.models.loading import load_masked_lm
from fewshot.models.masked_lm import MaskedLM
from fewshot.scoring.prototypes import LabelEmbeddings
from fewshot.tuning.task import TuningResult

_UNITS = ("B", "KiB", "MiB", "GiB")


@dataclass(frozen=True, repr=False)
class ParameterReport:
    """The parameters that tuning has changed, and what it took."""

    n_tuned: int  # of the model, changed or added
    n_head: int  # coefficients beside the model: of the regression, of label embeddings
    n_total: int  # of the tuned model with what was added; a tied parameter counts once
    tuned_bytes: int  # of what this task keeps besides the shared model: the first two
    saved_bytes: int  # that a copy of the whole model would take beyond that
    # The rise of the memory of the process, or of the GPU; only within a measurement.
    peak_memory_bytes: int | None = None
    step_seconds: float | None = None  # of an optimizer step, on average

    @property
    def tuned_share(self) -> float:
        """Share of the model's parameters that tuning has changed or added."""
        return self.n_tuned / self.n_total

    def __repr__(self) -> str:
        lines = [
            f"tuned {self.n_tuned:,} of {self.n_total:,} parameters ({self.tuned_share:.2%}) "
            f"and {self.n_head:,} beside the model",
            f"keeps {_readable(self.tuned_bytes)} for this task, {_readable(self.saved_bytes)} "
            "less than a copy of the model",
        ]
        if self.peak_memory_bytes is not None:
            lines.append(f"took {_readable(self.peak_memory_bytes)} of memory at the peak")
        if self.step_seconds is not None:
            lines.append(f"took {1000 * self.step_seconds:.0f} ms per step")
        return "\n".join(lines)


def report_parameters(
    result: TuningResult, before: MaskedLM, peak_memory_bytes: int | None
) -> ParameterReport:
    """Compare a tuned model with the one that it was tuned from."""
    lm, history = result.scorer.lm, result.history
    parameters = [parameter for _, parameter in lm.named_parameters()]
    tuned = unshared(lm, before)
    beside = _beside(result)
    tuned_bytes = _n_bytes(tuned) + sum(array.nbytes for array in beside)
    n_steps = sum(row["steps"] for row in history)
    seconds = sum(row["seconds"] for row in history)
    return ParameterReport(
        n_tuned=_size(tuned),
        n_head=sum(array.size for array in beside),
        n_total=_size(parameters),
        tuned_bytes=tuned_bytes,
        saved_bytes=max(0, _n_bytes(parameters) - tuned_bytes),
        peak_memory_bytes=peak_memory_bytes,
        step_seconds=seconds / n_steps if n_steps else None,
    )


def unshared(tuned: MaskedLM, base: str | Path | MaskedLM) -> list[Tensor]:
    """Return the parameters that a tuned model does not share with the one it was copied from."""
    shared = {parameter.data_ptr() for _, parameter in load_masked_lm(base).named_parameters()}
    return [p for _, p in tuned.named_parameters() if p.data_ptr() not in shared]


def _beside(result: TuningResult) -> list[npt.NDArray[Any]]:
    """Return what was learned beside the model."""
    heads = [] if result.head is None else [result.head, result.head.mask]
    arrays = [head.coef for head in heads if head is not None]
    words = result.scorer.words
    is_learned = isinstance(words, LabelEmbeddings) or words.is_tuned
    vectors = words.vectors if is_learned else None
    if vectors is not None:
        arrays.append(vectors.numpy(force=True))
    return arrays


def _size(tensors: Sequence[Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _n_bytes(tensors: Sequence[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _readable(n_bytes: int) -> str:
    """Write a number of bytes in the largest unit of which there is at least one."""
    value = float(n_bytes)
    for unit in _UNITS:
        if value < 1024 or unit == _UNITS[-1]:
            break
        value /= 1024
    return f"{value:.3g} {unit}" if unit != "B" else f"{n_bytes} B"
