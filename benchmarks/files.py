"""Time predictions from a file to a file against ``predict``, and measure their memory.

``python -m benchmarks.files TEXTS.jsonl`` (JSON lines with a field "text", such as AG News).
"""

from __future__ import annotations

import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from fewshot import PromptClassifier, TfidfClassifier, cli, load_task
from fewshot.classifiers.batch_predictor import BatchPredictor

_N_TIMED, _REPEATS = 300, 3
_SIZES = (20_000, 200_000)


def main() -> None:
    """Print rows per second and peaks of memory."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()[:_N_TIMED]
        _time(folder, [json.loads(line)["text"] for line in lines])
        _measure(folder)


def _time(folder: Path, texts: list[str]) -> None:
    task = load_task("ag_news")
    PromptClassifier(task.templates[0], task.verbalizer, tuning="none").fit().save(folder / "model")
    source, target = _write(folder, texts), folder / "out.csv"
    classifier: Any = BatchPredictor(folder / "model").classifier()
    command = ["predict", str(folder / "model"), str(source), str(target), "--force"]
    runs = {"predict": lambda: classifier.predict(texts), "file to file": lambda: cli.main(command)}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(_REPEATS):  # in turn; processor time, since others may use the machine
        for name, run in runs.items():
            classifier.model_.freeze()  # forgets the states of the previous run
            started = time.process_time()
            run()
            seconds[name].append(time.process_time() - started)
    for name, taken in seconds.items():
        ratio = median(seconds["predict"]) / median(taken)
        print(f"{name:14s} {len(texts) / median(taken):7.0f} rows per second {ratio:6.2f}")


def _measure(folder: Path) -> None:
    TfidfClassifier().fit(["a goal", "a vote"], ["sport", "politics"]).save(folder / "tfidf")
    for size in _SIZES:
        source = _write(folder, [f"a goal and {i} votes" for i in range(size)])
        command = [sys.executable, "-m", "fewshot", "predict", folder / "tfidf", source]
        subprocess.run([*command, folder / "out.csv", "--force"], check=True)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{size:7,} rows: peak of {peak:.0f} MB")


def _write(folder: Path, texts: list[str]) -> Path:
    path = folder / "in.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "text"), *enumerate(texts)])
    return path


if __name__ == "__main__":
    main()
