"""Provenance of a verbalizer's words: who found them, their scores, why others were dropped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from fewshot.data.labels import Label
from fewshot.errors import MissingExtraError, VerbalizerError

_SHOWN_TERMS = 20  # per class, in a notebook


@dataclass(frozen=True, slots=True)
class FoundTerm:
    """A word or phrase that a source suggests for a class."""

    label: Label
    term: str
    source: str  # such as "wordnet"; several are joined by "+"
    source_score: float | None = None  # how strongly, in the source's own terms
    similarity: float | None = None  # cosine of the embeddings of the term and the class's name
    contrast: float | None = None  # score of a cross-encoder for the two
    dropped: str = ""  # why it is not among the label words; empty if it is

    def drop(self, why: str) -> FoundTerm:
        """Return the same term, dropped for a reason."""
        return replace(self, dropped=why)


def read_terms(rows: Sequence[object]) -> list[FoundTerm]:
    """Read terms from the mappings that :func:`dataclasses.asdict` makes of them."""
    names = {entry.name for entry in fields(FoundTerm)}
    found = []
    for row in rows:
        if not isinstance(row, Mapping) or set(row) != names:
            raise VerbalizerError(f"provenance holds mappings of {sorted(names)}, got {row!r}")
        found.append(FoundTerm(**row))
    return found


def data_frame(rows: Sequence[tuple[FoundTerm, float]]) -> Any:  # pandas is optional
    """Make a ``pandas.DataFrame`` of terms and their weights."""
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingExtraError(
            'to_frame() needs pandas; install it with\n    pip install "fewshot[pandas]"'
        ) from error
    renamed = [_renamed(asdict(term), weight) for term, weight in rows]
    columns = [*_COLUMNS[:2], "weight", *_COLUMNS[2:]]
    return pd.DataFrame(renamed, columns=columns)


def html_table(rows: Iterable[tuple[FoundTerm, float]]) -> str:
    """Return a table with a row for each class; terms that were kept come before the others."""
    kept: dict[Label, list[str]] = {}
    dropped: dict[Label, list[str]] = {}
    for term, weight in rows:
        kept.setdefault(term.label, [])
        if term.dropped:
            dropped.setdefault(term.label, []).append(_cell(term, term.dropped))
        else:
            kept[term.label].append(_cell(term, f"{weight:.3g}"))
    body = "".join(
        f"<tr><th>{html.escape(str(label))}</th><td>{_join(cells)}</td>"
        f"<td>{_join(dropped.get(label, []))}</td></tr>"
        for label, cells in kept.items()
    )
    head = "<tr><th>label</th><th>words (weight)</th><th>dropped (why)</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


_COLUMNS = ("label", "word", "source", "source_score", "similarity", "contrast", "dropped")


def _renamed(values: dict[str, object], weight: float) -> dict[str, object]:
    return {"word": values.pop("term"), "weight": weight, **values}


def _cell(term: FoundTerm, note: str) -> str:
    scores = [
        f"{name} {value:.2f}"
        for name, value in (
            ("score", term.source_score),
            ("similarity", term.similarity),
            ("contrast", term.contrast),
        )
        if value is not None
    ]
    title = html.escape(", ".join([term.source, *scores]), quote=True)
    text = f"{html.escape(term.term)} <small>({html.escape(note)})</small>"
    return f'<span title="{title}">{text}</span>'


def _join(cells: Sequence[str]) -> str:
    more = len(cells) - _SHOWN_TERMS
    return ", ".join(cells[:_SHOWN_TERMS]) + f" and {more} more" * (more > 0)
