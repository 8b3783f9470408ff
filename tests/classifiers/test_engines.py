"""The engines' recipes of the documentation: two workers, one killed on the way, nothing lost."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

import fewshot
from fewshot import BatchPredictor
from tests.classifiers.engine_run import (
    MODULES,
    run_engine,
    texts_of,
    was_killed,
    write_folder,
    written_rows,
)

N_ROWS = 400


def export_in_place(folder: Path) -> None:
    """Let processes start without torch, in a tenth of the time."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    clf = fewshot.load(folder / "model")
    shutil.rmtree(folder / "model")
    fewshot.export(clf, folder / "model", precision="float32", texts=texts_of(36))


@pytest.mark.slow
@pytest.mark.parametrize("engine", MODULES)
def test_a_recipe_survives_the_loss_of_a_worker(engine: str, tmp_path: Path) -> None:
    name = MODULES[engine]
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        pytest.skip(f"{name} is not installed")
    write_folder(tmp_path, N_ROWS, n_files=8, doomed=250)
    if engine != "datasets":  # forks its workers, which is what torch may not survive
        export_in_place(tmp_path)

    done = run_engine(engine, tmp_path, 600)

    assert was_killed(tmp_path), done.stderr
    if engine == "datasets":  # stops when a process is lost; what is done stays in its cache
        assert done.returncode != 0
        done = run_engine(engine, tmp_path, 600)
    assert done.returncode == 0, done.stderr
    found, clf = written_rows(tmp_path), BatchPredictor(tmp_path / "model").classifier()
    assert found["id"].tolist() == list(range(N_ROWS))
    assert found["text"].tolist() == texts_of(N_ROWS)
    assert found["label"].tolist() == clf.predict(texts_of(N_ROWS)).tolist()
    assert found["score"].tolist() == clf.predict_proba(texts_of(N_ROWS)).max(1).tolist()
