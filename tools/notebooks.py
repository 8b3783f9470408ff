"""Run the notebooks and write their outputs into them: ``python -m tools.notebooks``.

They run in a copy of the folders that they read, so what they write is not left in the checkout.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def main() -> None:
    """Run the notebooks that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, default=NOTEBOOKS)
    parser.add_argument("--output", type=Path, help="folder; by default the notebooks are changed")
    args = parser.parse_args()
    for path in args.notebooks:
        nbformat.write(executed(path), (args.output or path.parent) / path.name)
        sys.stdout.write(f"{path.name}\n")


def executed(path: Path) -> Any:
    """Return a notebook with the outputs of a run from top to bottom."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "docs" / "data", Path(folder) / "docs" / "data")
        place = Path(folder) / "notebooks"
        place.mkdir()
        os.environ |= {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
        client = NotebookClient(
            notebook,
            timeout=600,
            coalesce_streams=True,  # where a line is cut in two, depends on time
            resources={"metadata": {"path": str(place)}},
        )
        client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    notebook.metadata.pop("widgets", None)
    return notebook


if __name__ == "__main__":
    main()
