"""Reports as one web page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

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
from fewshot.benchmark.report.page import definitions, page, table

_STYLE = """
:root { color-scheme: light; --page: #fff; --text: #1b2129; --soft: #4d5763; --line: #d4d9e0; }
body { max-width: 78rem; } p, ul, dl, figcaption { max-width: 52rem; }
h3 { font-size: 1.05rem; margin-top: 2rem; }
h1, td, th, li { overflow-wrap: break-word; }
li { margin: .25rem 0; }
table { width: auto; margin: 1rem 0; font-size: .9rem; line-height: 1.3; }
caption { text-align: left; font-weight: bold; padding-bottom: .3rem; }
caption span { display: inline-block; position: sticky; left: 0; max-width: calc(100vw - 2rem); }
th { font-weight: normal; } thead th { vertical-align: bottom; color: var(--soft); }
tbody th { position: sticky; left: 0; background: var(--page); min-width: 6rem; max-width: 16rem;
  vertical-align: top; border-right: 1px solid var(--line); }
tbody { border-bottom: 2px solid var(--soft); }
td { vertical-align: top; } .words th, .words td { text-align: left; max-width: 30rem; }
.words td:last-child { min-width: 14rem; }
td span, th span { color: var(--soft); font-size: .85em; display: block; }
nav ul { columns: 16rem; padding-left: 1rem; font-size: .9rem; } a { color: #0b57a4; }
.legend, .pictures { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; list-style: none;
  padding: 0; margin: .5rem 0; max-width: none; }
.legend li { display: flex; align-items: center; gap: .4rem; font-size: .9rem; margin: 0; }
.legend svg { flex: none; } .pictures > svg { max-width: 100%; height: auto; }
svg text { font-size: 12px; stroke: none; } svg .name { font-weight: bold; font-size: 13px; }
pre { overflow-x: auto; font-size: .8rem; border: 1px solid var(--line); padding: .6rem;
  max-height: 24rem; }
@media (max-width: 34rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .4rem; }
  tbody th { max-width: 7.5rem; } table { font-size: 1rem; } }
@media print { @page { size: A4; margin: 12mm; } :root { --text: #000; --soft: #333; }
  body { font-size: 9pt; padding: 0; } table { font-size: 7pt; } th, td { padding: 1pt 2.5pt; }
  p, ul, dl, figcaption { max-width: none; } h3, caption { break-after: avoid; }
  .pictures { flex-wrap: nowrap; } .pictures > svg { width: 48%; } tbody th { position: static; }
  nav { display: none; } pre { max-height: none; white-space: pre-wrap; font-size: 7pt; } }
"""


def to_html(blocks: Sequence[Block]) -> str:
    """Write a report as a web page without anything from outside.

    Parameters
    ----------
    blocks : sequence of Block
        The first heading is the title.

    Returns
    -------
    str
    """
    headings = [block for block in blocks if isinstance(block, Heading)]
    parts = (
        _heading(b, headings.index(b)) if isinstance(b, Heading) else _block(b) for b in blocks
    )
    first, *others = parts
    content = ["<main>", first, _contents(headings), *others, "</main>"]
    return page(headings[0].text, _STYLE, content)


def _heading(heading: Heading, place: int) -> str:
    return f'<h{heading.level} id="part-{place}">{escape(heading.text)}</h{heading.level}>'


def _contents(headings: Sequence[Heading]) -> str:
    links = "\n".join(
        f'<li><a href="#part-{place}">{escape(heading.text)}</a></li>'
        for place, heading in enumerate(headings)
        if heading.level > 1
    )
    return f'<nav aria-label="Contents"><ul>\n{links}\n</ul></nav>'


def _block(block: Block) -> str:
    if isinstance(block, Paragraph):
        return f"<p>{escape(block.text)}</p>"
    if isinstance(block, Bullets):
        items = "\n".join(f"<li>{escape(item)}</li>" for item in block.items)
        return f"<ul>\n{items}\n</ul>"
    if isinstance(block, Code):
        return f"<pre>{escape(block.text)}</pre>"
    if isinstance(block, Facts):
        return definitions(block.items)
    if isinstance(block, Grid):
        sections = [[list(map(_value, row)) for row in section] for section in block.sections]
        return table(list(map(_title, block.header)), sections, block.caption, block.kind)
    if isinstance(block, Pictures):
        return _pictures(block)
    raise TypeError(f"no HTML for {type(block).__name__}")


def _value(value: Value) -> str:
    text = f"<b>{escape(value.text)}</b>" if value.is_best else escape(value.text)
    note = f" <span>{escape(value.note)}</span>" if value.note else ""
    # The mark stays with its number.
    mark = f"\N{NO-BREAK SPACE}{escape(value.mark)}" if value.mark else ""
    return f"{text}{mark}{note}"


def _title(value: Value) -> str:
    note = f" <span>{escape(value.note)}</span>" if value.note else ""
    return f"{escape(value.text)}{note}"


def _pictures(block: Pictures) -> str:
    legend = "\n".join(f"<li>{swatch} {escape(name)}</li>" for swatch, name in block.legend)
    drawings = "\n".join(block.drawings)
    return (
        f'<figure>\n<ul class="legend">\n{legend}\n</ul>\n<div class="pictures">\n{drawings}\n'
        f"</div>\n<figcaption>{escape(block.caption)}</figcaption>\n</figure>"
    )
