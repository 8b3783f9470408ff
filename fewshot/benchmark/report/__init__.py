"""Reports of a benchmark as a web page and as Markdown."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from fewshot.benchmark.report.content import compose
from fewshot.benchmark.report.html import to_html
from fewshot.benchmark.report.markdown import to_markdown
from fewshot.benchmark.report.page import make_folder
from fewshot.benchmark.results import Results, read_results
from fewshot.benchmark.summary import summarize
from fewshot.data.files import write_whole


def write_report(results: Results | str | PathLike[str], folder: str | PathLike[str]) -> list[Path]:
    """Write what a benchmark has found as ``report.html`` and ``report.md``.

    The same results give the same files. Both hold the same tables; charts are on the web page.

    Parameters
    ----------
    results : Results or path
        What :func:`fewshot.benchmark.run` returned, or its results file; a run that is not done
        yet will do.
    folder : path
        Is made if it is not there; older reports in it are replaced.

    Returns
    -------
    list of Path
        The web page, and the Markdown.

    Raises
    ------
    BenchmarkError
        If the file is no results file.
    InputError
        If the folder cannot be written.
    """
    known = results if isinstance(results, Results) else read_results(Path(results))
    blocks = compose(known, summarize(known))
    place = Path(folder)
    make_folder(place)
    return [
        write_whole(place / "report.html", to_html(blocks)),
        write_whole(place / "report.md", to_markdown(blocks)),
    ]
