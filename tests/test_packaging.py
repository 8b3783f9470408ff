"""The package as people get it: import costs, and what a wheel, an sdist and a checkout hold."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from fewshot import __version__

ROOT = Path(__file__).parents[1]
IS_CHECKOUT = (ROOT / "verbalizers").is_dir() and (ROOT / "pyproject.toml").is_file()
TASKS = sorted(path.stem for path in (ROOT / "verbalizers").glob("*.yaml"))
INFO = f"fewshot-{__version__}.dist-info"
MOST_DELTA_BYTES, MOST_WHEEL_BYTES = 125 * 10**5, 23 * 10**6

pytestmark = pytest.mark.skipif(not IS_CHECKOUT, reason="needs the checkout or the sdist")


def run_python(code: str, *, path: Path, cwd: Path) -> object:
    """Run code that prints JSON, with `path` before everything else that is installed."""
    environment = {**os.environ, "PYTHONPATH": str(path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def load_every_task(path: Path, cwd: Path) -> tuple[Path, list[str]]:
    code = (
        "import json, fewshot, fewshot.prompting.library as library\n"
        "names = [library.load_task(name).name for name in library.list_tasks()]\n"
        "print(json.dumps([fewshot.__file__, names]))"
    )
    file, names = run_python(code, path=path, cwd=cwd)
    return Path(file).parents[1], names


def build(target: str, folder: Path, *, source: Path = ROOT) -> Path:
    """Build with the installed hatchling: no isolation, so no network."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", folder],
        cwd=source,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.iterdir()
    return built


def unpack(wheel: Path, folder: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, unpacked."""
    archive = build("sdist", tmp_path_factory.mktemp("sdist"))
    folder = tmp_path_factory.mktemp("unpacked-sdist")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (unpacked,) = folder.iterdir()
    return unpacked


@pytest.mark.parametrize(
    ("module", "libraries"),
    [
        ("fewshot", ["torch", "transformers", "sklearn", "datasets", "setfit"]),
        ("fewshot.classifiers.setfit", ["torch", "transformers", "datasets", "setfit"]),
        ("fewshot.classifiers.tfidf", ["torch", "transformers", "datasets", "setfit"]),
        ("fewshot.classifiers.prompt", ["sentence_transformers", "datasets", "setfit"]),
    ],
)
def test_an_import_loads_no_heavy_library(
    module: str, libraries: list[str], tmp_path: Path
) -> None:
    code = (
        f"import json, sys, {module}; print(json.dumps([*({{*sys.modules}} & {{*{libraries}}})]))"
    )

    assert run_python(code, path=ROOT, cwd=tmp_path) == []


def test_import_of_the_package_changes_nothing_global(tmp_path: Path) -> None:
    code = (
        "import json, logging, os, random, sys, warnings\n"
        "def state():\n"
        "    return [dict(os.environ), list(map(str, warnings.filters)), logging.root.handlers,\n"
        "            repr(random.getstate())]\n"
        "before = state(); import fewshot; print(json.dumps(before == state()))"
    )

    unchanged = run_python(code, path=ROOT, cwd=tmp_path)

    assert unchanged is True
    assert list(tmp_path.iterdir()) == []


def test_plain_checkout_finds_the_library(tmp_path: Path) -> None:
    home, names = load_every_task(ROOT, tmp_path)

    assert home == ROOT
    assert names == TASKS


def test_wheel_finds_the_library(wheel: Path, tmp_path: Path) -> None:
    site = unpack(wheel, tmp_path / "site")

    home, names = load_every_task(site, tmp_path)

    assert home == site
    assert names == TASKS


def test_unpacked_sdist_finds_the_library(sdist: Path, tmp_path: Path) -> None:
    home, names = load_every_task(sdist, tmp_path)

    assert home == sdist
    assert names == TASKS


def test_wheel_made_from_the_sdist_is_the_same_to_the_last_byte(
    sdist: Path, wheel: Path, tmp_path: Path
) -> None:
    # Its files have other times and lie in another place: a build does not depend on them.
    again = build("wheel", tmp_path / "dist", source=sdist)

    assert again.read_bytes() == wheel.read_bytes()


def test_the_version_is_the_same_everywhere(wheel: Path) -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    newest = re.search(r"^## ([\d.]+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)

    assert wheel.name.startswith(f"fewshot-{__version__}-")
    assert cited["version"] == __version__
    assert newest is not None
    assert newest[1] == __version__


def test_editable_install_points_at_the_checkout(tmp_path: Path) -> None:
    wheel = build("wheel:editable", tmp_path / "dist")
    site = unpack(wheel, tmp_path / "site")

    (link,) = site.glob("*.pth")

    # From there on it is the plain checkout of the test above.
    assert Path(link.read_text().strip()) == ROOT
    assert not (site / "fewshot").exists()


def test_wheel_holds_the_weights_their_card_and_the_types(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}

    for folder in ("_mini", "_base"):
        assert 10**6 < sizes[f"fewshot/models/{folder}/delta.safetensors"] <= MOST_DELTA_BYTES
        assert sizes[f"fewshot/models/{folder}/MODEL_CARD.md"] > 0
    assert wheel.stat().st_size < MOST_WHEEL_BYTES
    assert "fewshot/py.typed" in sizes
    assert {name.split("/")[0] for name in sizes} == {"fewshot", INFO}


def test_wheel_has_the_licence_and_the_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        licence = archive.read(f"{INFO}/licenses/LICENSE").decode()
        commands = archive.read(f"{INFO}/entry_points.txt").decode()

    assert "Apache License" in licence
    assert "fewshot = fewshot.cli:main" in commands


def test_extras_named_in_error_messages_exist(wheel: Path) -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "fewshot").rglob("*.py"))
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"{INFO}/METADATA").decode()

    named = set(re.findall(r"fewshot\[(\w+)\]", sources))
    declared = set(re.findall(r"^Provides-Extra: (\w+)$", metadata, flags=re.MULTILINE))

    assert "mini" in named
    assert named <= declared
