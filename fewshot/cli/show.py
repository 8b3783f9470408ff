"""Options that commands share, and what they show: tables, notes, JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer
from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from fewshot.data.table_files import PIPE
from fewshot.errors import InputError

if TYPE_CHECKING:
    from fewshot.saving.signed import SignedFolder

_TEXT = (
    "Column of the texts, guessed by default. For pairs, repeat it in the order of the template's "
    "fields, or write FIELD=COLUMN."
)

Text: TypeAlias = Annotated[list[str] | None, typer.Option("--text", metavar="COLUMN", help=_TEXT)]
LabelColumn: TypeAlias = Annotated[
    str | None, typer.Option("--label", metavar="COLUMN", help="Column of the labels.")
]
LabelSeparator: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--label-separator",
        metavar="TEXT",
        help="Parts the labels of a text that has several, such as ';'. A text may have none.",
    ),
]
TaskName: TypeAlias = Annotated[
    str | None,
    typer.Option("--task", help="Template and words: a name of 'fewshot tasks', or a YAML file."),
]
TemplateText: TypeAlias = Annotated[
    str | None, typer.Option("--template", help="Such as '{text} It was {mask}.'")
]
ModelName: TypeAlias = Annotated[
    str, typer.Option("--model", help="Masked language model: a name, a hub id or a folder.")
]
Force: TypeAlias = Annotated[
    bool, typer.Option("--force", help="Replace output that is there already.")
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Show the result as JSON.")]
FileFormat: TypeAlias = Annotated[
    str | None,
    typer.Option("--format", help="Of a pipe (-): csv, tsv or jsonl. Files have suffixes."),
]


def parted(line: str) -> list[str]:
    """Return what commas part."""
    return [part.strip() for part in line.split(",") if part.strip()]


def examples(*lines: str) -> str:
    """Return the end of a help page."""
    return "\n\n".join(["Examples:", *lines])


def check_unused(given: Mapping[str, object], reason: str) -> None:
    """Refuse options that are given and have no effect."""
    names = [name for name, value in given.items() if value]
    if names:
        raise InputError(f"{', '.join(names)}: without effect, since {reason}")


def check_new(path: Path, *, force: bool, folder: SignedFolder | None = None) -> None:
    """Refuse a file, or such a folder, that is there or cannot be there, before any work."""
    if path == PIPE:
        return
    if path.exists() and not force:
        raise InputError(f"{path} is there already; give another name, or --force to replace it")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {str(path.parent)!r}; make it first")
    if folder is not None:
        folder.replaceable(path)
    elif path.is_dir():
        raise InputError(f"{path} is a folder, which no file replaces; give another name")


def note(text: str) -> None:
    """Show a line beside the result, on standard error."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@contextmanager
def progress_of(total: int | None) -> Iterator[Callable[[int, int], None]]:
    """Show lines read of all lines, rows done, their rate and the time left; on a terminal."""
    started = time.perf_counter()
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.fields[rows]:,} rows, {task.fields[rate]:,.0f} per second"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total, rows=0, rate=0.0)

        def advance(line: int, rows: int) -> None:
            rate = rows / (time.perf_counter() - started)
            bar.update(task, completed=line, rows=rows, rate=rate)

        yield advance


def show_json(content: Mapping[str, Any]) -> None:
    """Show a result to a program."""
    typer.echo(json.dumps(content, ensure_ascii=False, default=str))


def show_table(
    header: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Sequence[int] = ()
) -> None:
    """Show a result to a person; the columns `numbers` are aligned on the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, name in enumerate(header):
        table.add_column(name, justify="right" if position in numbers else "left")
    for row in rows:
        table.add_row(*(f"{v:.3f}" if isinstance(v, float) else str(v) for v in row))
    Console(markup=False, highlight=False).print(table)
