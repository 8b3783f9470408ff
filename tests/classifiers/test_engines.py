"""The engines' recipes of the documentation: two workers, one killed on the way, nothing lost."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import fewshot
from tests.classifiers.engine_run import MODULES
from tests.docs.blocks import ROOT
from tests.tiny_estimators import POOL, X, Y, prompt

N_FILES, N_ROWS, DOOMED = 8, 400, 250
_ENVIRONMENT = {
    "PYTHONPATH": str(ROOT),
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "SPARK_LOCAL_IP": "127.0.0.1",
    "PYSPARK_PYTHON": sys.executable,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model and eight Parquet files of texts."""
    prompt().fit(X, Y).save(tmp_path / "model")
    frame = pd.DataFrame(
        {"id": range(N_ROWS), "text": [f"{POOL[i % len(POOL)]} {i}" for i in range(N_ROWS)]}
    )
    (tmp_path / "tickets").mkdir()
    for i in range(N_FILES):
        frame[i * 50 : i * 50 + 50].to_parquet(tmp_path / "tickets" / f"{i}.parquet", index=False)
    return tmp_path


def run(engine: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.classifiers.engine_run", engine],
        cwd=folder,
        env=os.environ | _ENVIRONMENT | {"HF_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=600,
    )


def check_rows(folder: Path) -> None:
    """Compare what the engine has written with predictions of this process."""
    written = [*folder.glob("labeled/*.parquet"), *folder.glob("labeled.parquet")]
    found = pd.concat([pd.read_parquet(path) for path in written]).sort_values("id")
    texts = found["text"].tolist()
    clf = fewshot.load(folder / "model")
    assert found["id"].tolist() == list(range(N_ROWS))
    assert texts == [f"{POOL[i % len(POOL)]} {i}" for i in range(N_ROWS)]
    assert found["label"].tolist() == clf.predict(texts).tolist()
    assert found["score"].tolist() == clf.predict_proba(texts).max(1).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("engine", MODULES)
def test_a_recipe_survives_the_loss_of_a_worker(engine: str, folder: Path) -> None:
    name = MODULES[engine]
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        pytest.skip(f"{name} is not installed")
    (folder / "doomed").write_text(str(DOOMED))

    done = run(engine, folder)

    assert (folder / "killed").is_file(), done.stderr
    if engine == "datasets":  # stops when a process is lost; what is done stays in its cache
        assert done.returncode != 0
        done = run(engine, folder)
    assert done.returncode == 0, done.stderr
    check_rows(folder)
