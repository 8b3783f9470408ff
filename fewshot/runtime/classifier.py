"""ExportedClassifier: predicts from an exported graph, with numpy and tokenizers beside it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fewshot.data.class_scores import check_finite, score_in_parts, warn_collapse
from fewshot.data.examples import Examples, read_examples
from fewshot.data.files import content_sha256, read_bytes, user_path
from fewshot.data.settings import is_whole
from fewshot.data.task_kind import TaskKind, decide
from fewshot.errors import InputError
from fewshot.prompting.prompts import (
    Prompts,
    Rows,
    build_prompts,
    plan_batches,
    text_prompts,
    tokenize_slots,
)
from fewshot.prompting.template import Template
from fewshot.runtime.manifest import FOLDER, GRAPH, TOKENIZER, Content
from fewshot.runtime.sessions import Run, open_graph
from fewshot.runtime.tokenizer import PlainTokenizer
from fewshot.saving.folders import check_files, settled

_BATCH_TOKENS = 1024  # as on a CPU with torch


def load(folder: str | Path, *, n_threads: int | None = None) -> ExportedClassifier:
    """Open an exported classifier, offline and without torch.

    It needs numpy, tokenizers, and onnxruntime or openvino, whichever it was exported for. The
    folder is checked first: each file has the size and SHA-256 that it was written with.

    Parameters
    ----------
    folder : str or Path
        Written by :func:`fewshot.export`.
    n_threads : int, optional
        Threads that predict, each a batch of its own; by default all cores, or
        ``$OMP_NUM_THREADS``.

    Returns
    -------
    ExportedClassifier

    Raises
    ------
    PersistenceError
        If the folder is missing, altered, of a newer version or no exported classifier, or if the
        runtime cannot run its graph.
    MissingExtraError
        If the runtime is not installed; the message gives the line that installs it.
    ModelError
        If the machine lacks the precision.

    See Also
    --------
    fewshot.export : writes such a folder.

    Examples
    --------
    >>> import fewshot.runtime
    >>> clf = fewshot.runtime.load("news-onnx")  # doctest: +SKIP
    >>> clf.predict(["Shares fell."])  # doctest: +SKIP
    array(['business'], dtype=object)
    """
    path = user_path(folder).resolve()
    threads = _default_threads() if n_threads is None else n_threads
    if not is_whole(threads, 1):
        raise InputError(f"n_threads is a whole number, at least 1, got {n_threads!r}")
    return settled(path, lambda found: _open(found, threads))


def exported_fingerprint(folder: Path) -> str:
    """Return a digest of an exported classifier, which differs if any of its files does."""
    return content_sha256(FOLDER.read(folder))


class ExportedClassifier:
    """A classifier that :func:`fewshot.export` wrote: predicts like the original, without torch.

    It is made by :func:`load`, and may be used from several threads. The scores of a text do not
    depend on the other texts of a call.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, in the order of the columns of ``predict_proba``.
    thresholds_ : ndarray of shape (n_classes,) or None
        The probabilities from which a text has a label, if it may have several.
    fields_ : list of str
        The fields of the texts.
    max_length_ : int
        The most tokens of a text with its template.
    manifest_ : dict
        What ``manifest.json`` holds: the precision, and how far predictions are from those of the
        classifier that was exported.

    See Also
    --------
    PromptClassifier : describes the methods.

    Examples
    --------
    >>> import fewshot.runtime
    >>> clf = fewshot.runtime.load("news-onnx")  # doctest: +SKIP
    >>> clf.predict_proba(["Shares fell."]).round(2).tolist()  # doctest: +SKIP
    [[0.93, 0.04, 0.03]]
    """

    def __init__(
        self, manifest: Content, tokenizer: PlainTokenizer, run: Run, n_threads: int
    ) -> None:
        classes, thresholds = manifest["classes"], manifest["thresholds"]
        self.classes_ = np.array(classes, dtype=object if isinstance(classes[0], str) else None)
        self.thresholds_ = None if thresholds is None else np.array(thresholds)
        self.fields_: list[str] = manifest["fields"]
        self.max_length_: int = manifest["max_length"]
        self.manifest_ = manifest
        self._tokenizer, self._run, self._n_threads = tokenizer, run, n_threads

    def predict(self, X: Any) -> Any:
        """Predict the class of each text, or its labels.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame
            Texts, or several fields per example.

        Returns
        -------
        ndarray of shape (n,)
            Of several labels the form that the ``fit`` of the original was given.

        Raises
        ------
        InputError
            If `X` is a bare string, or texts are missing or not strings.
        """
        scores = self._decision_scores(X)
        if self.thresholds_ is not None:
            kind = TaskKind(self.manifest_["labels"])
            found = decide(self._probabilities(scores), self.thresholds_)
            return kind.restored(found, self.classes_.tolist())
        best = scores.argmax(1)
        warn_collapse(best, self.classes_)
        labels: npt.NDArray[Any] = self.classes_[best]
        return labels

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Predict probabilities of the classes.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame

        Returns
        -------
        ndarray of shape (n, n_classes)
            Columns are in the order of ``classes_``. Rows sum to 1, but where texts have several
            labels.
        """
        return self._probabilities(self._decision_scores(X))

    def __repr__(self) -> str:
        kind, backend, precision = (self.manifest_[n] for n in ("class", "backend", "precision"))
        return f"ExportedClassifier({kind}, {backend}, {precision})"

    def _decision_scores(self, X: Any) -> npt.NDArray[np.float64]:
        """Return unnormalized log-probabilities, or log-odds of several labels, [n, n_classes]."""
        examples = read_examples(X, self.fields_)
        advice = "read shorter texts, or export a classifier with a larger max_length"
        scores = score_in_parts(examples, self._scores, self.max_length_, advice)
        check_finite(scores, "the class scores")
        return scores

    def _scores(self, examples: Examples) -> tuple[npt.NDArray[np.float64], int]:
        prompts = self._prompts(examples)
        batches = plan_batches(prompts.lengths, _BATCH_TOKENS, "none")
        scores = np.empty((len(prompts), len(self.classes_)))

        def run(rows: Rows) -> None:
            scores[rows] = self._run(self._inputs(prompts.take(rows)))

        _each(run, batches, self._n_threads)
        return scores, prompts.n_truncated

    def _prompts(self, examples: Examples) -> Prompts:
        tokenizer, given = self._tokenizer, self.manifest_["input"]
        if given["kind"] == "prompt":
            slots = tokenize_slots(tokenizer, [self._template], examples)
            return build_prompts(
                tokenizer,
                self._template,
                slots,
                max_length=self.max_length_,
                n_masks=given["n_masks"],
            )
        texts = read_examples(examples, given["fields"])
        if not given["is_pair"]:
            texts = Examples({"text": texts.joined()})
        return text_prompts(tokenizer, texts, self.max_length_)

    def _inputs(self, prompts: Prompts) -> dict[str, npt.NDArray[np.int64]]:
        inputs = {"input_ids": np.stack(prompts.ids).astype(np.int64)}
        if self.manifest_["input"]["kind"] == "prompt":
            inputs["mask_positions"] = prompts.mask_positions.astype(np.int64)
        if prompts.soft_positions is not None:
            inputs["soft_positions"] = prompts.soft_positions.astype(np.int64)
        return inputs

    def _probabilities(self, scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the probabilities of decision scores, [n, n_classes]."""
        if self.thresholds_ is not None:
            return np.exp(-np.logaddexp(0.0, -scores))  # without overflow
        shares = np.exp(scores - scores.max(1, keepdims=True))
        return np.asarray(shares / shares.sum(1, keepdims=True))

    @cached_property
    def _template(self) -> Template:
        given = self.manifest_["input"]
        return Template(given["template"], tuple(self.fields_), given["shorten"])


def _open(folder: Path, n_threads: int) -> ExportedClassifier:
    manifest = FOLDER.read(folder)
    check_files(folder, manifest["files"], FOLDER.again)
    tokenizer = PlainTokenizer(read_bytes(folder / TOKENIZER), manifest["tokenizer"])
    run = open_graph(folder / GRAPH, manifest["backend"], manifest["precision"], n_threads)
    return ExportedClassifier(manifest, tokenizer, run, n_threads)


def _each(function: Any, items: Iterable[Rows], n_threads: int) -> None:
    """Apply a function to items, on several threads."""
    if n_threads == 1:
        for item in items:
            function(item)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        for _ in pool.map(function, items):
            pass


def _default_threads() -> int:
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
