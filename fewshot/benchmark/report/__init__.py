"""Reports of a benchmark as a web page and as Markdown."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from fewshot.benchmark.report.content import ClozeExample, compose
from fewshot.benchmark.report.render import to_html, to_markdown
from fewshot.benchmark.results import Results, read_results
from fewshot.data.files import disk_errors, user_path, write_whole


def write_report(results: Results | str | PathLike[str], folder: str | PathLike[str]) -> list[Path]:
    """Write the report of a benchmark as ``report.html`` and ``report.md``.

    The same results give the same files. Both hold the same tables; the web page has charts too,
    and loads nothing from elsewhere.

    Parameters
    ----------
    results : Results or path
        What :func:`run` returned, or its results file, also of an unfinished run.
    folder : path
        Created if it does not exist; older reports in it are replaced.

    Returns
    -------
    list of Path
        The web page and the Markdown file.

    Raises
    ------
    BenchmarkError
        If the file is not a results file.
    FileError
        If the folder cannot be written.

    See Also
    --------
    run : Run a benchmark.
    summarize : The numbers of the tables, as plain values.

    Examples
    --------
    >>> from fewshot.benchmark import write_report
    >>> write_report("quick.jsonl", "reports")  # doctest: +SKIP
    """
    known = results if isinstance(results, Results) else read_results(results)
    return write_files(known, user_path(folder), "report")


def write_files(
    results: Results, folder: Path, name: str, examples: Sequence[ClozeExample] = ()
) -> list[Path]:
    """Write the web page and the Markdown file of this name."""
    report = compose(results, examples)
    make_folder(folder)
    return [
        write_whole(folder / f"{name}.html", to_html(report)),
        write_whole(folder / f"{name}.md", to_markdown(report)),
    ]


def make_folder(folder: Path) -> None:
    """Create the folder of a report, and check that it can be written."""
    with disk_errors(folder, "cannot hold a report"):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
