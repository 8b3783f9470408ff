"""Reports as a web page and as Markdown, laid out by Jinja2 templates."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from fewshot.benchmark.report.content import Report

_PAGE, _MARKDOWN = "report.html.jinja", "report.md.jinja"
# The characters that have a meaning inside a line of CommonMark.
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~#])")


def to_html(report: Report) -> str:
    """Write a report as a web page that loads nothing from elsewhere."""
    return _environment().get_template(_PAGE).render(report=report)


def to_markdown(report: Report) -> str:
    """Write a report as Markdown with GitHub's tables, without charts."""
    return _environment().get_template(_MARKDOWN).render(report=report)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=lambda name: name == _PAGE,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"md": _escape, "fenced": _fence}
    return environment


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _fence(text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"
