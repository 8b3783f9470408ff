"""Run an engine's recipe of the documentation in a process; a worker is killed on the way.

``python -m tests.classifiers.engine_run ENGINE`` in a folder with a model and texts.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fewshot
from fewshot import BatchPredictor
from tests.docs.blocks import ROOT, find_blocks

if TYPE_CHECKING:
    import pandas as pd

PAGE = "docs/how-to/cluster.md"
MODULES = {"datasets": "datasets", "dask": "dask.distributed", "ray": "ray", "spark": "pyspark"}
_DOOMED, _KILLED = "doomed", "killed"
_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "SPARK_LOCAL_IP": "127.0.0.1",
    "PYSPARK_PYTHON": sys.executable,
}


def texts_of(n_rows: int) -> list[str]:
    """Return short texts, no two alike."""
    from tests.tiny_estimators import POOL  # workers import this module, and need no torch

    return [f"{POOL[i % len(POOL)]} {i}" for i in range(n_rows)]


def write_folder(folder: Path, n_rows: int, n_files: int, doomed: int) -> None:
    """Write a tiny model, texts in Parquet files, and the id at which a worker is killed."""
    import pandas as pd

    from tests.tiny_estimators import X, Y, prompt

    prompt().fit(X, Y).save(folder / "model")
    frame = pd.DataFrame({"id": range(n_rows), "text": texts_of(n_rows)})
    (folder / "tickets").mkdir()
    size = n_rows // n_files
    for i in range(n_files):
        part = frame[i * size : (i + 1) * size]
        part.to_parquet(folder / "tickets" / f"{i}.parquet", index=False)
    (folder / _DOOMED).write_text(str(doomed))


def run_engine(engine: str, folder: Path, seconds: float) -> subprocess.CompletedProcess[str]:
    """Run a recipe in a process of its own."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    added = {"PYTHONPATH": os.pathsep.join(paths), "HF_HOME": str(folder / "cache")}
    return subprocess.run(
        [sys.executable, "-m", "tests.classifiers.engine_run", engine],
        cwd=folder,
        env=os.environ | _ENVIRONMENT | added,
        capture_output=True,
        text=True,
        timeout=seconds,
    )


def was_killed(folder: Path) -> bool:
    """Return whether a worker was."""
    return (folder / _KILLED).is_file()


def written_rows(folder: Path) -> pd.DataFrame:
    """Return what the engine has written, by id."""
    import pandas as pd

    written = [*folder.glob("labeled/*.parquet"), *folder.glob("labeled.parquet")]
    return pd.concat([pd.read_parquet(path) for path in written]).sort_values("id")


class MortalPredictor(BatchPredictor):
    """Kills its process at the first batch with an id that a file names; once, not again."""

    def __call__(self, batch: Any) -> Any:
        folder = Path(self.folder).parent
        found = super().__call__(batch)
        if int((folder / _DOOMED).read_text()) in list(batch["id"]):
            try:
                os.close(os.open(folder / _KILLED, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return found
            os.kill(os.getpid(), signal.SIGKILL)
        return found


def main(engine: str) -> None:
    """Run the block that imports the engine."""
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    package = MODULES[engine].partition(".")[0]
    [block] = [b for b in find_blocks(text) if b.not_run and package in b.code]
    # Workers find the class by its name, not in this `__main__`.
    from tests.classifiers import engine_run

    fewshot.BatchPredictor = engine_run.MortalPredictor
    exec(compile(block.code, f"{PAGE}:{block.line}", "exec"), {"__name__": "__main__"})  # noqa: S102


if __name__ == "__main__":
    main(sys.argv[1])
