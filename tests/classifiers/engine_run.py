"""Run an engine's recipe of the documentation in this process; a worker is killed on the way.

``python -m tests.classifiers.engine_run ENGINE`` in a folder with a model and texts.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import fewshot
from fewshot import BatchPredictor
from tests.docs.blocks import ROOT, find_blocks

PAGE = "docs/how-to/cluster.md"
MODULES = {"datasets": "datasets", "dask": "dask.distributed", "ray": "ray", "spark": "pyspark"}
_DOOMED, _KILLED = "doomed", "killed"


class MortalPredictor(BatchPredictor):
    """Kills its process at the first batch with an id that a file names; once, not again."""

    def __call__(self, batch: Any) -> Any:
        folder = Path(self.folder).parent
        found = super().__call__(batch)
        if (folder / _DOOMED).is_file() and int((folder / _DOOMED).read_text()) in list(
            batch["id"]
        ):
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
