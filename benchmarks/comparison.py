"""Compare this library's speed with the encoder alone and with other libraries, in one run.

``python -m benchmarks.comparison`` (part of ``make bench``) times prediction, a call with one text,
fits, a search, and a process from its start to its first prediction with its memory, all on the
encoder of fewshot-mini and one thread. It reports processor time, which other programs hardly
affect; what is compared takes turns, and the least of the rounds counts. Writes a line of JSON per
number, from which ``benchmarks.speed_report`` makes the table and the chart.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from setfit import SetFitModel
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from transformers import pipeline

import fewshot
from benchmarks.prediction import bare_encoder, prompts_of
from benchmarks.speed_report import write_report
from fewshot import PromptClassifier, SetFitClassifier, k_shot_sample, load_masked_lm, load_task
from fewshot.models.embedded import EMBEDDED, encoder_folder
from fewshot.models.sentence_encoder import SentenceTransformer

RESULTS = Path(__file__).parent / "results" / "evidence" / "speed.jsonl"
_DATA = Path(__file__).parents[2] / "shared" / "data" / "ag_news" / "dev.jsonl"
_SHOTS = 10  # labels per class of the four: forty texts
_EXPORTS = (("onnx", "float32"), ("onnx", "int8"), ("openvino", "bf16"), ("openvino", "int8"))
_LIBRARIES = ("torch", "transformers", "sentence-transformers", "setfit", "onnxruntime", "openvino")
_FLAGS = ("avx2", "avx512_f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
_STARTS = {
    "fewshot": "import fewshot; c = fewshot.load({saved!r}); c.predict([{text!r}])",
    "fewshot, exported": "from fewshot.runtime import load; load({exported!r}).predict([{text!r}])",
    "sentence-transformers": "import sentence_transformers as s; "
    "s.SentenceTransformer({encoder!r}, local_files_only=True).encode([{text!r}])",
    "SetFit": "import setfit; setfit.SetFitModel.from_pretrained({setfit!r})([{text!r}])",
}

Predict = Callable[[list[str]], Any]
Row = dict[str, Any]


def main() -> None:
    """Write the results, and the report made of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparison", description=__doc__)
    parser.add_argument("--texts", type=Path, default=_DATA, help="JSON lines: text, label")
    parser.add_argument("--n-texts", type=int, default=300, help="texts to predict")
    parser.add_argument("--repeats", type=int, default=5, help="rounds; the least counts")
    parser.add_argument("--no-setfit", action="store_true", help="without its fit: minutes")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    rows = []
    with arguments.results.open("w", encoding="utf-8") as stream:
        for row in run(arguments.texts, arguments.n_texts, arguments.repeats, arguments.no_setfit):
            rows.append(row)
            stream.write(json.dumps(row) + "\n")
            stream.flush()
    for line in write_report(rows):
        sys.stdout.write(line + "\n")


def run(file: Path, n_texts: int, repeats: int, no_setfit: bool) -> Iterator[Row]:
    """Yield the machine, then one row for each number."""
    yield _machine()
    lines = [json.loads(line) for line in file.open(encoding="utf-8")]
    texts, labels = [line["text"] for line in lines], [line["label"] for line in lines]
    shots = k_shot_sample(labels, _SHOTS, random_state=0)
    X, y = [texts[i] for i in shots], [labels[i] for i in shots]
    held_out = [texts[i] for i in range(len(texts)) if i not in set(shots)][:n_texts]
    clf = _prompt("float32", "head").fit(X, y)
    with tempfile.TemporaryDirectory() as name:
        predictors = dict(_predictors(clf, X, y, Path(name)))
        yield from _predictions(predictors, held_out, repeats)
        yield from _differing(predictors, held_out)
        yield from _starts(clf, Path(name), held_out[0])
    yield from _fits(X, y, no_setfit)


# ---- What is compared -------------------------------------------------------------------------


def _prompt(precision: Any, tuning: str) -> PromptClassifier:
    task = load_task("ag_news")
    lm = load_masked_lm("fewshot-mini", precision=precision)
    return PromptClassifier(
        task.templates[0], task.verbalizer, model=lm, tuning=tuning, random_state=0, verbose=0
    )


def _predictors(
    clf: PromptClassifier, X: list[str], y: list[Any], folder: Path
) -> Iterator[tuple[str, Predict]]:
    lm = clf.model_
    yield "bare encoder of torch, float32", lambda texts: bare_encoder(lm, prompts_of(lm, texts))
    yield "fewshot, float32", _uncached(clf)
    auto = _prompt("auto", "head").fit(X, y)
    yield f"fewshot, auto ({_chosen(auto)})", _uncached(auto)
    for backend, precision in _EXPORTS:
        target = folder / f"{backend}-{precision}"
        try:
            exported = fewshot.export(clf, target, backend=backend, precision=precision, texts=X)
        except fewshot.errors.FewShotError as error:
            sys.stderr.write(f"{backend} {precision} left out: {error}\n")
        else:
            yield f"fewshot exported, {backend} {precision}", exported.predict_proba
    encoder = str(encoder_folder(EMBEDDED["fewshot-mini"]))
    for backend in ("torch", "onnx", "openvino"):
        try:
            body = SentenceTransformer(encoder, backend=backend, local_files_only=True)
        except Exception as error:  # noqa: BLE001  # ImportError is raised as a bare Exception
            sys.stderr.write(f"sentence-transformers, {backend} left out: {error}\n")
        else:
            yield f"sentence-transformers, {backend}", body.encode
    body = SentenceTransformer(encoder, local_files_only=True)
    head = LogisticRegression().fit(body.encode(X), y)
    setfit = SetFitModel(model_body=body, model_head=head, labels=sorted(set(y)))
    setfit.save_pretrained(str(folder / "setfit"))
    yield "SetFit", lambda texts: setfit.predict_proba(texts, as_numpy=True)
    fill = pipeline("fill-mask", lm.model, tokenizer=lm.tokenizer, device="cpu")
    words = sorted({word for words in clf.verbalizer_.label_words.values() for word in words})
    yield (
        "transformers, fill-mask pipeline",
        lambda texts: fill(
            [f"A {fill.tokenizer.mask_token} text: {t}" for t in texts], targets=words
        ),
    )


def _uncached(clf: PromptClassifier) -> Predict:
    def predict(texts: list[str]) -> Any:
        clf.model_.freeze()  # forgets the states of the previous round
        return clf.predict_proba(texts)

    return predict


def _chosen(clf: PromptClassifier) -> str:
    return "bf16" if clf.model_.uses_bf16(tunes=False) else "float32"


# ---- What is measured -------------------------------------------------------------------------


def _predictions(predictors: dict[str, Predict], texts: list[str], repeats: int) -> Iterator[Row]:
    short = {name: (lambda call=call: call(texts[:1])) for name, call in predictors.items()}
    long = {name: (lambda call=call: call(texts)) for name, call in predictors.items()}
    least = _least(long, repeats)
    base = least["bare encoder of torch, float32"]
    for name, seconds in least.items():
        yield {
            "measure": "prediction",
            "name": name,
            "seconds": seconds,
            "n_texts": len(texts),
            "speed": base / seconds,
        }
    for name, seconds in _least(short, 10 * repeats, middle=True).items():
        yield {"measure": "one text", "name": name, "seconds": seconds}


def _differing(predictors: dict[str, Predict], texts: list[str]) -> Iterator[Row]:
    """Count decisions that differ from those in float32, and the largest change."""
    own = {name: call for name, call in predictors.items() if name.startswith("fewshot")}
    proba = {name: np.asarray(call(texts)) for name, call in own.items()}
    exact = proba["fewshot, float32"]
    for name, found in proba.items():
        yield {
            "measure": "decisions that differ",
            "name": name,
            "count": int((found.argmax(1) != exact.argmax(1)).sum()),
            "n_texts": len(texts),
            "largest_change": float(np.abs(found - exact).max()),
        }


def _starts(clf: PromptClassifier, folder: Path, text: str) -> Iterator[Row]:
    """Run processes of their own: from the start to the first prediction, and their memory."""
    clf.save(folder / "saved")
    names = {
        "text": text,
        "saved": str(folder / "saved"),
        "exported": str(folder / "onnx-float32"),
        "setfit": str(folder / "setfit"),
        "encoder": str(encoder_folder(EMBEDDED["fewshot-mini"])),
    }
    for name, code in _STARTS.items():
        runs = [_process(code.format(**names)) for _ in range(2)]
        seconds, kilobytes = (min(values) for values in zip(*runs, strict=True))
        yield {"measure": "start", "name": name, "seconds": seconds, "megabytes": kilobytes / 1024}


def _process(code: str) -> tuple[float, int]:
    """Return the processor seconds of a process and its largest memory in kilobytes."""
    # Not ru_maxrss: a process starts with that of the one which it was forked from.
    report = "import time; memory = open('/proc/self/status').read().split('VmHWM:')[1].split()[0]"
    report += "; print(time.process_time(), memory)"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"{code}; {report}"],
        check=True,
        capture_output=True,
        text=True,
    )
    seconds, kilobytes = done.stdout.split()[-2:]
    return float(seconds), int(kilobytes)


def _fits(X: list[str], y: list[Any], no_setfit: bool) -> Iterator[Row]:
    fits: dict[str, Callable[[], object]] = {
        "fewshot, head": lambda: _fresh(_prompt("mixed", "head")).fit(X, y),
        "fewshot, full, float32": lambda: _fresh(_prompt("float32", "full")).fit(X, y),
        "fewshot, full (mixed)": lambda: _fresh(_prompt("mixed", "full")).fit(X, y),
    }
    if not no_setfit:
        fits["SetFit"] = lambda: SetFitClassifier(random_state=0, verbose=0).fit(X, y)
    for name, seconds in _least(fits, 1).items():
        yield {"measure": "fit", "name": name, "seconds": seconds, "n_texts": len(X)}
    grid = {"tuning__C": [0.1, 1.0, 10.0], "calibration": ["none", "domain"]}
    search = GridSearchCV(_fresh(_prompt("mixed", "head")), grid, cv=4)
    for name, seconds in _least({"fewshot, head": lambda: search.fit(X, y)}, 1).items():
        yield {"measure": "search", "name": name, "seconds": seconds, "n_fits": 6 * 4 + 1}


def _fresh(clf: PromptClassifier) -> PromptClassifier:
    clf.model.freeze()
    return clf


def _least(
    runs: dict[str, Callable[[], object]], repeats: int, *, middle: bool = False
) -> dict[str, float]:
    """Return the least (or median) processor seconds of runs that take turns."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, call in runs.items():
            started = time.process_time()
            call()
            taken[name].append(time.process_time() - started)
    choose = np.median if middle else min
    return {name: float(choose(seconds)) for name, seconds in taken.items()}


def _machine() -> Row:
    flags = torch.cpu.get_capabilities()
    return {
        "measure": "machine",
        "processor": str(flags.get("cpu_name", platform.processor())),
        "features": [flag for flag in _FLAGS if flags.get(flag)],
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


if __name__ == "__main__":
    main()
