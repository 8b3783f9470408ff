"""Pages that list what the library knows by name list all of it."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import get_args

import pytest
from typer.main import get_command

import fewshot
from fewshot.benchmark.methods import SHORT_NAMES
from fewshot.benchmark.metrics import METRICS
from fewshot.cli.app import app
from fewshot.runtime.manifest import BACKENDS, PRECISIONS
from fewshot.scoring.calibration import Calibration
from fewshot.tuning import STRATEGIES

DOCS = Path(__file__).parents[2] / "docs"
ESTIMATORS = [name for name in fewshot.__all__ if name.endswith("Classifier")]


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("concepts/calibration.md", set(get_args(Calibration)) - {"auto"}),
        ("evidence/tuning.md", STRATEGIES),
        ("how-to/export.md", [*BACKENDS, *PRECISIONS, *ESTIMATORS]),
        ("how-to/several_labels.md", ESTIMATORS),
        ("reference/benchmark.md", [*SHORT_NAMES, *METRICS]),
        ("reference/command_line.md", get_command(app).commands),
    ],
)
def test_a_page_lists_all_names(page: str, names: Collection[str]) -> None:
    code = " ".join(re.findall(r"`[^`\n]+`", (DOCS / page).read_text(encoding="utf-8")))

    assert [n for n in names if not re.search(rf"(?<![\w-]){n}(?![\w-])", code)] == []
