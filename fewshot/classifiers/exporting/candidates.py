"""Graphs of one classifier in several precisions, compared with it and with one another."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from fewshot.classifiers.exporting.graphs import Graph
from fewshot.classifiers.exporting.quantization import linear_layers, quantize
from fewshot.data.examples import Examples
from fewshot.data.task_kind import decide
from fewshot.errors import ModelError
from fewshot.runtime.classifier import ExportedClassifier
from fewshot.runtime.manifest import Backend, Check, Content, Precision
from fewshot.runtime.sessions import check_precision, open_graph
from fewshot.runtime.tokenizer import PlainTokenizer

Array: TypeAlias = npt.NDArray[np.float64]

_OPSET = 17
# What torch raises at operators and Python code that it cannot put into a graph.
_CANNOT_TRACE = (RuntimeError, ValueError, TypeError, AttributeError, NotImplementedError)
_RUNS = 3  # of which the fastest counts
_TEXTS_A_LAYER = 64
_FLOAT_SHARES = (0.0, 0.25, 0.5, 0.75)  # of the layers, that an int8 graph leaves alone


@dataclass(frozen=True)
class Original:
    """What the classifier that is exported says of some texts."""

    examples: Examples
    proba: Array  # [n, n_classes]
    thresholds: Array | None  # [n_classes], of several labels

    @classmethod
    def of(cls, classifier: Any, examples: Examples) -> Original:
        """Predict texts."""
        return cls(examples, classifier.predict_proba(examples), classifier.thresholds_)

    def head(self, n: int) -> Original:
        """Return the first texts alone."""
        kept = range(min(n, len(self.examples)))
        return replace(self, examples=self.examples.take(kept), proba=self.proba[: len(kept)])

    def n_changed(self, proba: Array) -> int:
        """Count the texts whose class, or one of whose labels, is another by these."""
        is_other = decide(proba, self.thresholds) != decide(self.proba, self.thresholds)
        return int(np.count_nonzero(is_other.any(1)))


@dataclass(frozen=True)
class Candidate:
    """A graph in one precision."""

    file: Path
    precision: Precision
    check: Check
    float_layers: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def content(self) -> Content:
        """What the manifest says of it."""
        names = ("precision", "check", "float_layers", "seconds")
        return {name: getattr(self, name) for name in names}

    @property
    def is_close(self) -> bool:
        """Whether it predicts as the original does."""
        return self.check["changed"] <= self.check["tolerance"] * self.check["n_texts"]


@dataclass(frozen=True)
class Candidates:
    """Makes graphs of a classifier and chooses among them."""

    graph: Graph
    content: Content  # of a manifest, but what a candidate adds
    tokenizer: PlainTokenizer
    original: Original
    tolerance: float
    folder: Path  # for the graphs

    def best(self, precision: Precision | Literal["auto"]) -> Candidate:
        """Return the graph in a precision, or the fastest that predicts as the original."""
        exact = self._exact()
        if precision == "auto":
            tried = [self._candidate(name, exact) for name in self._possible(exact)]
            return self._fastest([found for found in tried if found.is_close])
        found = self._candidate(precision, exact)
        if not found.is_close:
            changed, n_texts = found.check["changed"], found.check["n_texts"]
            raise ModelError(
                f"precision={precision!r} changes the class of {changed} of {n_texts} texts, more "
                f"than tolerance={self.tolerance:g} allows; use precision='auto', pass more texts "
                "of yours, or raise tolerance"
            )
        return found

    def _possible(self, exact: Candidate) -> list[Precision]:
        names: list[Precision] = ["float32", "bf16", "int8"]
        possible = []
        for name in names:
            with suppress(ModelError):
                check_precision(self._backend, name)
                if name == "int8":
                    linear_layers(exact.file)
                possible.append(name)
        return possible

    def _exact(self) -> Candidate:
        """Return the graph in float32; refuse one that computes something else."""
        file = self.folder / "float32.onnx"
        trace(self.graph, file)
        try:
            found = self._checked(file, "float32")
        except Exception as error:  # of whichever kind the runtime has for what it cannot run
            raise ModelError(
                f"{self._backend} cannot run the graph of this {self.content['class']} "
                f"({str(error)[:300]}); use the other backend, or clf.save(folder) and fewshot.load"
            ) from error
        if found.check["largest"] > self.graph.error:
            raise ModelError(
                f"the graph of this {self.content['class']} differs from it by "
                f"{found.check['largest']:.3f} in a probability, so a part of its model cannot be "
                "exported; use clf.save(folder) and fewshot.load, and please report the model"
            )
        return found

    def _candidate(self, precision: Precision, exact: Candidate) -> Candidate:
        if precision == "float32":
            return exact
        if precision == "bf16":
            return self._checked(exact.file, precision)
        layers = linear_layers(exact.file)
        found = self._int8(exact, layers, [])
        if found.is_close:
            return found
        errors = {layer: self._error_of(exact, layer) for layer in layers}
        by_error = sorted(layers, key=errors.__getitem__, reverse=True)
        for share in _FLOAT_SHARES:
            n_float = round(share * len(layers))
            found = self._int8(exact, by_error[n_float:], sorted(by_error[:n_float]))
            if found.is_close:
                return found
        return found

    def _int8(self, exact: Candidate, layers: Sequence[str], float_layers: list[str]) -> Candidate:
        file = self.folder / "int8.onnx"
        quantize(exact.file, file, layers, self._backend)
        return replace(self._checked(file, "int8"), float_layers=float_layers)

    def _error_of(self, exact: Candidate, layer: str) -> float:
        """Return how much the probabilities of a few texts change if one layer is int8."""
        file, few = self.folder / "one.onnx", self.original.head(_TEXTS_A_LAYER)
        quantize(exact.file, file, [layer], self._backend)
        return float(np.abs(self._open(file, "int8").predict_proba(few.examples) - few.proba).sum())

    def _fastest(self, found: Sequence[Candidate]) -> Candidate:
        """Return the fastest graph on this machine, on one thread."""
        opened = {c.precision: self._open(c.file, c.precision) for c in found}
        seconds = dict.fromkeys(opened, np.inf)
        for _ in range(_RUNS + 1):  # the first run of each warms up
            for name, classifier in opened.items():
                started = time.process_time()
                classifier.predict_proba(self.original.examples)
                seconds[name] = min(seconds[name], time.process_time() - started)
        best = min(found, key=lambda candidate: seconds[candidate.precision])
        return replace(best, seconds={name: round(value, 4) for name, value in seconds.items()})

    def _checked(self, file: Path, precision: Precision) -> Candidate:
        proba = self._open(file, precision).predict_proba(self.original.examples)
        check: Check = {
            "n_texts": len(proba),
            "changed": self.original.n_changed(proba),
            "largest": float(np.abs(proba - self.original.proba).max()),
            "tolerance": self.tolerance,
        }
        return Candidate(file, precision, check)

    def _open(self, file: Path, precision: Precision) -> ExportedClassifier:
        run = open_graph(file, self._backend, precision, 1)
        content = self.content | {"precision": precision}
        return ExportedClassifier(content, self.tokenizer, run, 1)

    @property
    def _backend(self) -> Backend:
        backend: Backend = self.content["backend"]
        return backend


def trace(graph: Graph, file: Path) -> None:
    """Write the graph of a module in float32."""
    names = list(graph.inputs)
    axes = {name: {0: "n", 1: "length"} for name in names[:1]} | {
        name: {0: "n"} for name in names[1:]
    }
    outputs = ("scores", "probabilities")
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of the tracer, whose result is checked on texts
        try:
            torch.onnx.export(
                graph.module.eval(),
                tuple(graph.inputs.values()),
                str(file),
                input_names=names,
                output_names=list(outputs),
                dynamic_axes=axes | {name: {0: "n"} for name in outputs},
                opset_version=_OPSET,
                dynamo=False,
            )
        except _CANNOT_TRACE as error:
            raise ModelError(
                f"the model cannot be exported: {str(error)[:300]}; use clf.save(folder) and "
                "fewshot.load"
            ) from error
