"""A hook of mkdocs: pages that are made of files outside ``docs/``, and links to them."""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import Any

import typer.main
from mkdocs.structure.files import File, Files

import fewshot.benchmark
import fewshot.knowledge
import fewshot.runtime
import fewshot.tuning
from fewshot.cli.app import app

ROOT = Path(__file__).parents[1]
# Files of the repository that are pages of the site, by their place there.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "fewshot/models/_mini/MODEL_CARD.md": "evidence/fewshot_mini.md",
    "fewshot/models/_base/MODEL_CARD.md": "evidence/fewshot_base.md",
    "SECURITY.md": "project/security.md",
    "CODE_OF_CONDUCT.md": "project/code_of_conduct.md",
} | {
    f"benchmarks/results/{path.parent.name}/report.md": f"evidence/reports/{path.parent.name}.md"
    for path in sorted((ROOT / "benchmarks" / "results").glob("*/report.md"))
}
_TITLES = {
    "classifiers": "Classifiers",
    "data_and_prompts": "Data, templates, words and models",
    "tuning": "fewshot.tuning",
    "knowledge": "fewshot.knowledge",
    "benchmark": "fewshot.benchmark",
    "runtime": "fewshot.runtime",
    "errors": "Errors and warnings",
}
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#:\s]+)(#[^)\s]*)?\)")
_EXAMPLES = re.compile(r"Examples:\n\n((?:fewshot .+(?:\n\n|\Z))+)")
_NO_DESCRIPTION = re.compile(r"\s+–\s+<div class=\"doc-md-description\">\s*</div>")
_SOURCE = re.compile(r"(<(?:img|source)[^>]*\bsrc(?:set)?=\")docs/")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made of other files, and the one of the command line."""
    for source, page in PAGES.items():
        if (ROOT / source).is_file():
            text = (ROOT / source).read_text(encoding="utf-8")
            files.append(File.generated(config, page, content=unescaped(relinked(text, source))))
    files.append(File.generated(config, "reference/cli.md", content=command_line()))
    for page, text in reference().items():
        files.append(File.generated(config, f"reference/api/{page}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links to files outside ``docs/`` to the pages that are made of them."""
    if page.file.generated_by:
        return markdown
    return relinked(markdown, f"docs/{page.file.src_uri}")


def on_page_content(html: str, **_: Any) -> str:
    """Leave out the dash before a parameter's description that is empty."""
    return _NO_DESCRIPTION.sub("", html)


def relinked(text: str, source: str) -> str:
    """Return a text of the repository with links as its page in the site needs them."""
    here = posixpath.dirname(_page(source) or source)

    def link(match: re.Match[str]) -> str:
        mark, shown, target, anchor = match[1], match[2], match[3], match[4] or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        page = _page(path)
        if page is None:  # a file of the repository that is no page
            return shown if shown.startswith("`") else f"{shown} (`{path}`)"
        return f"{mark}[{shown}]({posixpath.relpath(page, here or '.')}{anchor})"

    return _SOURCE.sub(r"\1", _LINK.sub(link, text))


def unescaped(text: str) -> str:
    """Return a text without the escapes that GitHub knows and Python's Markdown prints."""
    return text.replace("\\<", "&lt;").replace("\\~", "~")


def _page(path: str) -> str | None:
    """Return where a file of the repository is in the site."""
    if path in PAGES:
        return PAGES[path]
    if path.startswith("docs/") and not os.path.isdir(ROOT / path):
        return path.removeprefix("docs/")
    return None


def command_line() -> str:
    """Return the options of all commands in Markdown, as ``--help`` has them."""
    from typer.cli import get_docs_for_click

    command = typer.main.get_command(app)
    # As in --help: the panel of comparisons comes last.
    command.commands = dict(
        sorted(command.commands.items(), key=lambda c: c[1].rich_help_panel or "")
    )
    context = typer.Context(command, info_name="fewshot")
    text = get_docs_for_click(obj=command, ctx=context, name="fewshot")
    text = _EXAMPLES.sub(_as_code, text)
    for name, sub in command.commands.items():
        summary = (sub.help or "").split("\n\n")[0]
        text = re.sub(rf"^\* `{name}`: .+$", f"* `{name}`: {summary}", text, flags=re.MULTILINE)
    return "# Commands and options\n\n" + text.split("\n", 1)[1].lstrip()


def _as_code(examples: re.Match[str]) -> str:
    lines = examples[1].split("\n\n")
    return "\n".join(
        ["Examples:", "", "```sh", *filter(None, map(str.strip, lines)), "```", "", ""]
    )


def reference() -> dict[str, str]:
    """Return the pages of the public names of each package; mkdocstrings writes them out."""
    names = {
        "classifiers": [f"fewshot.{name}" for name in fewshot.__all__ if _classifies(name)]
        + ["fewshot.classifiers.base.TextClassifier"],
        "data_and_prompts": [
            f"fewshot.{name}" for name in fewshot.__all__ if not _classifies(name)
        ],
    }
    for package in (fewshot.tuning, fewshot.knowledge, fewshot.benchmark, fewshot.runtime):
        page = package.__name__.removeprefix("fewshot.")
        names[page] = [
            f"{package.__name__}.{name}" for name in sorted(package.__all__, key=str.lower)
        ]
    names["errors"] = ["fewshot.errors"]
    return {
        page: "\n\n".join([f"# {_TITLES[page]}", *map(_described, described)])
        for page, described in names.items()
    }


def _described(name: str) -> str:
    """Return what mkdocstrings reads of a public name; what strategies override is in the bases."""
    is_strategy = name.startswith("fewshot.tuning.") and not name.endswith("Tuning")
    return f"::: {name}" + ("\n    options: {members: false}" if is_strategy else "")


def _classifies(name: str) -> bool:
    return name.endswith("Classifier")
