"""Predict many texts with Dask, Ray and Spark, two workers, one killed on the way; check each row.

``python -m benchmarks.engines dask ray spark`` runs the recipes of ``docs/how-to/cluster.md`` with
a tiny model, and compares what they write with a single process.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fewshot import load
from tests.classifiers.engine_run import (
    MODULES,
    run_engine,
    texts_of,
    was_killed,
    write_folder,
    written_rows,
)

_N_FILES = 40
_SECONDS = 3600.0


def main() -> None:
    """Print rows, texts predicted otherwise than by a single process, and seconds."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "engines", nargs="+", choices=[name for name in MODULES if name != "datasets"]
    )
    parser.add_argument("--texts", type=int, default=200_000)
    given = parser.parse_args()
    n_texts = given.texts // _N_FILES * _N_FILES
    expected: npt.NDArray[np.float64] | None = None
    for engine in given.engines:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_folder(folder, n_texts, _N_FILES, doomed=n_texts // 2)
            if expected is None:
                started = time.perf_counter()
                expected = load(folder / "model").predict_proba(texts_of(n_texts))
                print(f"one process, one call: {time.perf_counter() - started:.0f} s", flush=True)
            print(f"{engine}: {_compared(engine, folder, expected)}", flush=True)


def _compared(engine: str, folder: Path, expected: npt.NDArray[np.float64]) -> str:
    """Run an engine and describe what it has written."""
    started = time.perf_counter()
    done = run_engine(engine, folder, _SECONDS)
    seconds = time.perf_counter() - started
    if done.returncode or not was_killed(folder):
        raise SystemExit(f"{engine} failed, or lost no worker:\n{done.stderr[-3000:]}")
    found, texts = written_rows(folder), texts_of(len(expected))
    if found["id"].tolist() != list(range(len(texts))) or found["text"].tolist() != texts:
        raise SystemExit(f"{engine}: rows were lost, are there twice or hold other texts")
    labels = load(folder / "model").classes_[expected.argmax(1)]
    differ = (found["label"].to_numpy() != labels) | (found["score"].to_numpy() != expected.max(1))
    return f"{len(found)} rows, each text once, {differ.sum()} that differ; {seconds:.0f} s"


if __name__ == "__main__":
    main()
