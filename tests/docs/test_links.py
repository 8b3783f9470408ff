"""Links between the texts of the repository: README, documentation, cards and reports."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")
_MODULE = re.compile(r"`([\w/]+\.py)`")
_CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
TEXTS = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("fewshot/**/*.md"),
    *ROOT.glob("tools/*.md"),
    *ROOT.glob("benchmarks/results/*/report.md"),
]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_to_files_and_headings_are_not_dead(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert [link for link in _local_links(text) if not _leads_somewhere(path, link)] == []


@pytest.mark.parametrize(
    "readme", [*ROOT.glob("fewshot/**/README.md")], ids=lambda path: path.parent.name
)
def test_a_readme_names_the_modules_of_its_package_and_no_others(readme: Path) -> None:
    package, named = readme.parent, set(_MODULE.findall(readme.read_text(encoding="utf-8")))
    modules = {path.name for path in package.glob("*.py")} - {"__init__.py"}
    places = (package, ROOT / "fewshot")

    assert modules - named == set()
    assert [n for n in named if not any((place / n).is_file() for place in places)] == []


def test_each_package_has_a_readme() -> None:
    packages = {path.parent for path in ROOT.glob("fewshot/*/**/*.py")}

    assert [str(p) for p in packages if not (p / "README.md").is_file()] == []


def test_recipes_name_files_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:fewshot|tests|docs|tools|benchmarks|verbalizers)/[^`A-Z]*)`", text)

    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One heading\n[a](page.md#one-heading) [b](page.md#two) [c](gone.md)")

    links = _local_links(page.read_text())

    assert [link for link in links if not _leads_somewhere(page, link)] == [
        "page.md#two",
        "gone.md",
    ]


def _local_links(text: str) -> list[str]:
    links = [a or b for a, b in _LINK.findall(_CODE.sub("", text))]
    return [link for link in links if not re.match(r"\w+:", link)]


def _leads_somewhere(path: Path, link: str) -> bool:
    file, _, anchor = link.partition("#")
    target = path.parent / file if file else path
    if not target.exists():
        return False
    return not anchor or anchor in _anchors(target)


def _anchors(path: Path) -> set[str]:
    """Return the anchors of headings as GitHub and the site make them."""
    text = _CODE.sub("", path.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }
