"""An extension of griffe, which reads docstrings for the site: names in them become links."""

from __future__ import annotations

import re
from typing import Any

from griffe import Docstring, Extension, Object

import fewshot.benchmark
import fewshot.knowledge
import fewshot.runtime
import fewshot.tuning

_HOME = {
    name: f"{package.__name__}.{name}"
    for package in (fewshot.runtime, fewshot.benchmark, fewshot.knowledge, fewshot.tuning, fewshot)
    for name in package.__all__
}
_SECTION = re.compile(r"(\nSee Also\n-{8}\n)(.+?)(?=\n\n|\Z)", re.DOTALL)
_ROLE = re.compile(r":(?:class|func|meth|mod|exc|attr|data):`~?([\w.]+)`")
# Names that share a description in a section of parameters.
_SHARED = re.compile(r"^(\w+(?:, \w+)+)( : .+)?\n((?: {4}.+(?:\n|\Z))+)", re.MULTILINE)
_ENTRY = re.compile(r"^([\w., ]+?)(?: : |$)", re.MULTILINE)


class SeeAlso(Extension):
    """Make links of the names in See Also and in roles of Sphinx."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Change the docstring of an object that was read."""
        if isinstance(obj.docstring, Docstring):
            obj.docstring.value = linked(obj.docstring.value)


def linked(text: str) -> str:
    """Return a docstring with links in Markdown, those of its section See Also as a list.

    Parameters that share a description get one each: their types and defaults differ.
    """
    text = _SHARED.sub(_each, text)
    text = _SECTION.sub(lambda match: match[1] + _ENTRY.sub(_link, match[2]), text)
    return _ROLE.sub(lambda match: _reference(match[1].rpartition(".")[2]), text)


def _each(shared: re.Match[str]) -> str:
    return "".join(f"{name}{shared[2] or ''}\n{shared[3]}" for name in shared[1].split(", "))


def _link(entry: re.Match[str]) -> str:
    names = [name.strip() for name in entry[1].split(",")]
    links = ", ".join(_reference(name) for name in names)
    return f"- {links}: " if entry[0].endswith(": ") else f"- {links}"


def _reference(name: str) -> str:
    return f"[`{name}`][{_HOME[name]}]" if name in _HOME else f"`{name}`"
