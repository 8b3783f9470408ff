"""Exported classifiers beside the bare encoder: speed, agreement, accuracy, start and memory.

``python -m benchmarks.exported --data-dir DATA`` prints a Markdown table for each data set. One
thread; ratios of processor time within one run, so that other load on the machine counts less.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

import fewshot
from benchmarks.prediction import bare_encoder
from fewshot import PromptClassifier
from fewshot.benchmark import load_data_set
from fewshot.data.examples import read_examples
from fewshot.errors import MissingExtraError, ModelError
from fewshot.models.hardware import device_name
from fewshot.models.reproducible import threads
from fewshot.runtime import ExportedClassifier
from fewshot.runtime.manifest import BACKENDS, PRECISIONS

_SETS = ("ag_news", "bbc_news", "list_sst2", "masakhanews_eng")
_SHOTS, _COMPARED = 16, 200  # labels per class; texts without labels that exports compare
_START = """
import json, sys, time
started = time.perf_counter()
import fewshot.runtime
fewshot.runtime.load(sys.argv[1], n_threads=1).predict_proba(["Shares fell by a tenth."])
seconds = time.perf_counter() - started
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([seconds, int(peak.split()[1]) / 1024]))
"""


def run(name: str, data_dir: Path | None, n_texts: int, repeats: int) -> Iterator[str]:
    """Yield the lines of a table."""
    data = load_data_set(name, data_dir)
    shots = max(data.shots or (_SHOTS,))  # some sets come with their labelled texts
    part = data.split(shots, seed=(data.seeds or (0,))[0], test_size=n_texts)
    clf = PromptClassifier(data.template, data.verbalizer, tuning="head", verbose=0, random_state=0)
    clf.fit(part.train_texts, part.train_labels)
    texts, truth = part.test_texts, np.array(part.test_labels, dtype=object)
    with threads(1), tempfile.TemporaryDirectory() as folder:
        exported = _exports(clf, part.unlabeled[:_COMPARED] or None, Path(folder))
        calls: dict[str, Callable[[], object]] = {
            "torch, the encoder alone": _encoder_alone(clf, texts),
            "torch, predict_proba": lambda: _fresh(clf, texts),
        }
        calls |= {key: _predicting(one, texts) for key, one in exported.items()}
        seconds = _processor_seconds(calls, repeats)
        n_labels = len(part.train_labels)
        yield f"\n{data.title}, {len(texts)} texts, {n_labels} labels, {device_name()}\n"
        yield "| | speed | changed | accuracy | start | memory |\n|---|---|---|---|---|---|"
        proba = clf.predict_proba(texts)
        base = seconds["torch, the encoder alone"]
        for key, taken in seconds.items():
            found = exported[key].predict_proba(texts) if key in exported else proba
            changed = (found.argmax(1) != proba.argmax(1)).mean()
            accuracy = (clf.classes_[found.argmax(1)] == truth).mean()
            start = _start(Path(folder) / key) if key in exported else "| |"
            yield f"| {key} | {base / taken:.2f} | {changed:.1%} | {accuracy:.3f} {start}"


def _exports(clf: Any, texts: Any, folder: Path) -> dict[str, ExportedClassifier]:
    """Export in each precision of each backend that this machine has."""
    found = {}
    for backend in BACKENDS:
        for precision in PRECISIONS:
            key = f"{backend}, {precision}"
            with suppress(ModelError, MissingExtraError):
                fewshot.export(
                    clf,
                    folder / key,
                    backend=backend,
                    precision=precision,
                    texts=texts,
                    tolerance=0.1,
                )
                found[key] = fewshot.runtime.load(folder / key, n_threads=1)
    return found


def _encoder_alone(clf: PromptClassifier, texts: Any) -> Callable[[], object]:
    views = clf.scorer_.views(read_examples(texts, clf.template_.field_names))
    return lambda: bare_encoder(clf.model_, views[1])


def _fresh(clf: PromptClassifier, texts: Any) -> object:
    clf.model_.freeze()  # forgets the states of the previous run
    return clf.predict_proba(texts)


def _predicting(one: ExportedClassifier, texts: Any) -> Callable[[], object]:
    return lambda: one.predict_proba(texts)


def _processor_seconds(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the least processor time of calls in turn; the first of each warms up."""
    least = dict.fromkeys(calls, np.inf)
    for _ in range(repeats + 1):
        for name, call in calls.items():
            started = time.process_time()
            call()
            least[name] = min(least[name], time.process_time() - started)
    return least


def _start(folder: Path) -> str:
    """Return the seconds to a first prediction in a new process, and its memory, as cells."""
    done = subprocess.run(
        [sys.executable, "-c", _START, str(folder)], capture_output=True, text=True, check=True
    )
    seconds, megabytes = json.loads(done.stdout)
    return f"| {seconds:.2f} s | {megabytes:.0f} MB |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exported", description=__doc__)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--sets", nargs="*", default=list(_SETS))
    parser.add_argument("--n-texts", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for name in arguments.sets:
        for line in run(name, arguments.data_dir, arguments.n_texts, arguments.repeats):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
