"""``fewshot.export``: a fitted classifier as a folder that predicts without torch."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

from fewshot.classifiers.base import in_plain_torch
from fewshot.classifiers.batch_predictor import fields_of
from fewshot.classifiers.exporting.candidates import Candidates, Original
from fewshot.classifiers.exporting.graphs import graph_of
from fewshot.classifiers.exporting.quantization import import_onnx
from fewshot.classifiers.exporting.tokenizers import write_tokenizer
from fewshot.data.examples import Examples, read_examples
from fewshot.data.files import read_bytes
from fewshot.data.settings import check_settings, one_of, proportion
from fewshot.runtime.classifier import ExportedClassifier, load
from fewshot.runtime.manifest import (
    BACKENDS,
    FOLDER,
    GRAPH,
    PRECISIONS,
    TOKENIZER,
    Backend,
    Precision,
)
from fewshot.runtime.sessions import check_precision
from fewshot.runtime.tokenizer import PlainTokenizer
from fewshot.saving.folders import written_aside
from fewshot.scoring.calibration import generic_texts

_LIBRARIES = {"onnx": ("onnxruntime",), "openvino": ("openvino",)}


@in_plain_torch
def export(
    classifier: Any,
    folder: str | Path,
    *,
    backend: Backend = "onnx",
    precision: Precision | Literal["auto"] = "auto",
    texts: Any = None,
    tolerance: float = 0.02,
) -> ExportedClassifier:
    """Write a fitted classifier to a folder that predicts without torch, and faster.

    The folder holds one graph from token ids to calibrated probabilities, the tokenizer and the
    template. :func:`fewshot.runtime.load` opens it with numpy, tokenizers and ONNX Runtime (or
    OpenVINO) alone; ``fewshot predict`` and :class:`~fewshot.BatchPredictor` take it like a saved
    classifier. The predictions of both are compared before the folder appears.

    Parameters
    ----------
    classifier : estimator
        A fitted classifier with an encoder: ``PromptClassifier``, ``EmbeddingClassifier``,
        ``SetFitClassifier``, ``FineTuneClassifier``, or one that has learned such a classifier, as
        ``PETClassifier`` does.
    folder : str or Path
        A new folder, or one that holds an exported classifier, which is replaced. It appears whole
        or not at all.
    backend : {"onnx", "openvino"}, default="onnx"
        What runs the graph: ONNX Runtime (``pip install "fewshot[onnx]"``) or OpenVINO
        (``pip install "fewshot[openvino]"``).
    precision : {"auto", "float32", "bf16", "int8"}, default="auto"
        Of the products in the encoder. ``"auto"`` takes the fastest on this machine that keeps to
        `tolerance`. ``"bf16"`` needs OpenVINO and a processor that has it. In ``"int8"``, layers
        that lose too much stay in float32.
    texts : sequence of str, of tuple or of mapping; DataFrame; optional
        Some hundred texts of yours, to compare predictions and speed on; they need no labels. By
        default 64 sentences of many kinds, which say less.
    tolerance : float, default=0.02
        The largest share of `texts` whose class may change.

    Returns
    -------
    ExportedClassifier
        What :func:`fewshot.runtime.load` returns for the folder. Its ``manifest_`` has the
        comparison.

    Raises
    ------
    ModelError
        If the classifier has no graph, the machine lacks the precision, or more predictions change
        than `tolerance` allows; nothing is written then.
    InputError
        If a setting or a text cannot be used.
    MissingExtraError
        If a package is not installed; the message gives the line that installs it.
    NotFittedError
        Before ``fit``.
    PersistenceError
        If the folder holds something else, or cannot be written.

    See Also
    --------
    fewshot.runtime.load : Opens the folder.
    PromptClassifier.save : Keeps the whole estimator, for :func:`fewshot.load`.

    Examples
    --------
    >>> import fewshot
    >>> fewshot.export(clf, "news-onnx", texts=unlabelled_texts)  # doctest: +SKIP
    ExportedClassifier(PromptClassifier, onnx, int8)
    """
    limits = {
        "backend": one_of(backend, BACKENDS),
        "precision": one_of(precision, ("auto", *PRECISIONS)),
        "tolerance": proportion(tolerance),
    }
    check_settings(
        SimpleNamespace(backend=backend, precision=precision, tolerance=tolerance), limits
    )
    import_onnx()
    check_precision(backend, "float32" if precision == "auto" else precision)
    target = FOLDER.replaceable(folder)
    graph = graph_of(classifier)
    fields = fields_of(classifier)
    examples = _examples(texts, fields)
    original = Original.of(classifier, examples)
    thresholds = classifier.thresholds_
    with tempfile.TemporaryDirectory() as scratch, written_aside(target) as aside:
        settings = write_tokenizer(graph.tokenizer, aside)
        content = {
            "class": type(classifier).__name__,
            "classes": classifier.classes_.tolist(),
            "labels": classifier.task_kind_.form,
            "thresholds": None if thresholds is None else thresholds.tolist(),
            "fields": list(fields),
            "input": graph.input,
            "max_length": graph.max_length,
            "tokenizer": settings,
            "backend": backend,
        }
        tokenizer = PlainTokenizer(read_bytes(aside / TOKENIZER), settings)
        candidates = Candidates(
            graph, content, tokenizer, original, float(tolerance), Path(scratch)
        )
        chosen = candidates.best(precision)
        shutil.copyfile(chosen.file, aside / GRAPH)
        FOLDER.sign(aside, content | chosen.content, _LIBRARIES[backend])
    return load(target)


def _examples(texts: Any, fields: tuple[str, ...]) -> Examples:
    if texts is None:
        return Examples(dict.fromkeys(fields, generic_texts()))
    return read_examples(texts, fields)
