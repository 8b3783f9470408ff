"""Reports as Markdown, with tables as GitHub has them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fewshot.benchmark.report.document import (
    Block,
    Bullets,
    Code,
    Facts,
    Grid,
    Heading,
    Paragraph,
    Pictures,
    Value,
)

# Of the signs that CommonMark gives a meaning, those that have one inside a line.
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~#])")


def to_markdown(blocks: Sequence[Block]) -> str:
    r"""Write a report as Markdown.

    Parameters
    ----------
    blocks : sequence of Block
        Pictures are left out.

    Returns
    -------
    str

    Examples
    --------
    >>> print(to_markdown([Heading(2, "Results"), Paragraph("a < b")]))
    ## Results
    <BLANKLINE>
    a \< b
    <BLANKLINE>
    """
    written = [_block(block) for block in blocks if not isinstance(block, Pictures)]
    return "\n\n".join(written) + "\n"


def _block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {_escape(block.text)}"
    if isinstance(block, Paragraph):
        return _escape(block.text)
    if isinstance(block, Bullets):
        return "\n".join(f"- {_escape(item)}" for item in block.items)
    if isinstance(block, Code):
        return _fenced(block.text)
    if isinstance(block, Facts):
        return "\n".join(f"- {_escape(name)}: {_escape(text)}" for name, text in block.items)
    if isinstance(block, Grid):
        return _table(block)
    raise TypeError(f"no Markdown for {type(block).__name__}")


def _fenced(text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _table(grid: Grid) -> str:
    align = "---:" if grid.kind == "numbers" else "---"
    rows = [
        [_title(value) for value in grid.header],
        ["---"] + [align] * (len(grid.header) - 1),
        *([_value(value) for value in row] for section in grid.sections for row in section),
    ]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return f"{_escape(grid.caption)}\n\n" + "\n".join(lines)


def _title(value: Value) -> str:
    text = _escape(value.text)
    return f"{text} ({_escape(value.note)})" if value.note else text


def _value(value: Value) -> str:
    text = _escape(value.text)
    shown = f"**{text}**" if value.is_best else text
    return " ".join(part for part in (shown, _escape(value.note), value.mark) if part)


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
