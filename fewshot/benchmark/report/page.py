"""Web pages that need nothing from outside: their frame, their tables, and how they are written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from fewshot.errors import InputError

# Wide tables scroll in their box, so that the page itself never does. Colours are variables.
_STYLE = """
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1rem;
  background: var(--page); color: var(--text); }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { font-size: 1.2rem; margin-top: 2rem; }
.soft, figcaption, dt { color: var(--soft); }
figure { margin: 1rem 0; } svg { display: block; }
svg text { fill: var(--text); font-size: 14px; paint-order: stroke; stroke: var(--page);
  stroke-width: 4px; } svg .tick { fill: var(--soft); font-size: 12px; }
svg .grid { stroke: var(--line); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 34rem) { th, td { padding: .3rem .25rem; font-size: .8rem; } }
@media print { body { max-width: none; font-size: 11pt; } .scroll { overflow: visible; }
  h2, h2 + p { break-after: avoid; } figure, svg, tr { break-inside: avoid; }
  figure, mark { print-color-adjust: exact; } }
"""


def page(title: str, style: str, content: Iterable[str]) -> str:
    """Put a page together.

    Parameters
    ----------
    title : str
        Plain text.
    style : str
        What is special about this page; sets the colours ``--page``, ``--text``, ``--soft`` and
        ``--line``.
    content : iterable of str
        HTML.

    Returns
    -------
    str
    """
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>\n<style>{_STYLE}{style}</style>\n</head>\n<body>",
            *content,
            "</body>\n</html>\n",
        ]
    )


def table(
    header: Sequence[str],
    sections: Sequence[Sequence[Sequence[str]]],
    caption: str = "",
    kind: str = "numbers",
) -> str:
    """Write a table that scrolls in its box.

    Parameters
    ----------
    header : sequence of str
        HTML.
    sections : sequence of sequence of rows
        HTML; the rows of a section belong together. The first column names the rows.
    caption : str, default=""
        Plain text.
    kind : str, default="numbers"
        A class for the style.

    Returns
    -------
    str
    """
    head = "".join(f'<th scope="col">{cell}</th>' for cell in header)
    bodies = [
        "<tbody>\n" + "\n".join(f"<tr>{_row(row)}</tr>" for row in section) + "\n</tbody>"
        for section in sections
    ]
    told = f"<caption><span>{escape(caption)}</span></caption>\n" if caption else ""
    return "\n".join(
        [
            f'<div class="scroll" tabindex="0">\n<table class="{kind}">',
            f"{told}<thead><tr>{head}</tr></thead>",
            *bodies,
            "</table>\n</div>",
        ]
    )


def definitions(facts: Iterable[tuple[str, str]]) -> str:
    """Write terms with what they are.

    Parameters
    ----------
    facts : iterable of (str, str)
        Plain text.

    Returns
    -------
    str
    """
    rows = "\n".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts)
    return f"<dl>\n{rows}\n</dl>"


def make_folder(folder: Path) -> None:
    """Make the folder of a report, and try whether it can be written.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    InputError
        If it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"reports cannot be written to {str(folder)!r}: {error}; choose another --output"
        ) from error


def _row(row: Sequence[str]) -> str:
    first, *others = row
    cells = "".join(f"<td>{cell}</td>" for cell in others)
    return f'<th scope="row">{first}</th>{cells}'
