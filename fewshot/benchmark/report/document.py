"""What a report is made of, before it becomes HTML or Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Value:
    """The content of a table's cell.

    Parameters
    ----------
    text : str
    note : str
        Said after it in a lower voice, such as a deviation.
    mark : str
        A sign that the report explains.
    is_best : bool
    """

    text: str
    note: str = ""
    mark: str = ""
    is_best: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 1, 2 or 3."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of plain texts."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Text that is shown as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Terms with what they are."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table; the first column names the rows.

    Parameters
    ----------
    caption : str
    header : tuple of Value
    sections : tuple of tuple of rows
        Rows that belong together.
    kind : {"numbers", "words"}, default="numbers"
        Words are read from the left.
    """

    caption: str
    header: tuple[Value, ...]
    sections: tuple[tuple[tuple[Value, ...], ...], ...]
    kind: Literal["numbers", "words"] = "numbers"


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures side by side, for the web page alone: the tables hold their numbers.

    Parameters
    ----------
    drawings : tuple of str
        SVG elements.
    legend : tuple of (str, str)
        An SVG element and what it stands for.
    caption : str
    """

    drawings: tuple[str, ...]
    legend: tuple[tuple[str, str], ...]
    caption: str


Block: TypeAlias = Heading | Paragraph | Bullets | Code | Facts | Grid | Pictures
