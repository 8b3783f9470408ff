"""The command line: ``python -m fewshot``, or ``fewshot`` once it is installed."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from fewshot import __version__
from fewshot.errors import FewShotError
from fewshot.prompting.library import list_tasks, load_task

_FAILED, _INTERRUPTED = 1, 130
_DESCRIPTION = "Few-shot text classification by prompting masked language models."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        Exit status: 0, or 1 after an error, or 130 when interrupted. Wrong arguments exit with 2.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(given)
    try:
        if options.command == "tasks":
            return _list_tasks()
        if options.command == "benchmark":
            return _run_benchmark(options)
        if options.command == "report":
            return _write_report(options.results, options.output)
        return _run_demo(options, shlex.join(["python", "-m", "fewshot", *given]))
    except FewShotError as error:
        sys.stderr.write(f"fewshot: {error}\n")
        return _FAILED
    except KeyboardInterrupt:
        sys.stderr.write("\nfewshot: interrupted\n")
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fewshot", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"fewshot {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    _add_demo(commands)
    _add_benchmark(commands)
    _add_report(commands)
    commands.add_parser(
        "tasks",
        help="list the library's templates and label words",
        description="List the data sets that the library has templates and label words for.",
    )
    return parser


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    demo = commands.add_parser(
        "demo",
        help="classify BBC News from 8 labels per topic, offline",
        description="Classify BBC News articles from a few labels per topic: prompts next to "
        "TF-IDF and SetFit. Shows a table and writes an HTML report. Works offline.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    demo.add_argument("--seeds", type=_count, default=3, help="how often articles are drawn")
    demo.add_argument("--shots", type=_count, default=8, help="labelled articles per topic")
    demo.add_argument("--test-size", type=_count, default=300, help="test articles of each seed")
    demo.add_argument("--output", type=Path, default=Path("reports"), help="folder of the report")
    demo.add_argument("--quick", action="store_true", help="one seed and 100 test articles")


def _add_benchmark(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    benchmark = commands.add_parser(
        "benchmark",
        help="compare methods on data sets, as a YAML file says",
        description="Run methods x data sets x shots x seeds as a YAML file says (see "
        "docs/benchmark.md). Each cell is written as soon as it is done; the same command goes on "
        "with a run that was stopped.",
    )
    benchmark.add_argument("spec", type=Path, help="YAML file")
    benchmark.add_argument(
        "--results",
        type=Path,
        help="JSON lines file, one line a cell; by default the spec's name with .jsonl, here",
    )
    benchmark.add_argument(
        "--data-dir",
        type=Path,
        help="folder of the data sets that come with no package; by default $FEWSHOT_DATA",
    )
    benchmark.add_argument(
        "--n-jobs", type=int, default=1, help="cells at once; -1 for all cores (default: 1)"
    )
    benchmark.add_argument(
        "--report", type=Path, metavar="FOLDER", help="write the report there at the end"
    )
    benchmark.add_argument(
        "--retry-failed", action="store_true", help="run cells again that failed before"
    )
    benchmark.add_argument("--quiet", action="store_true", help="no line for each cell")


def _add_report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    report = commands.add_parser(
        "report",
        help="write the report of a benchmark's results file",
        description="Write the HTML and Markdown report of a benchmark's results file.",
    )
    report.add_argument("results", type=Path, help="JSON lines file of a benchmark")
    report.add_argument("--output", type=Path, default=Path("reports"), help="folder")


def _count(text: str) -> int:
    number = int(text)  # argparse reports the ValueError
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {number}")
    return number


def _list_tasks() -> int:
    names = list_tasks()
    width = max(map(len, names))
    with suppress(BrokenPipeError):  # of a reader such as `head`, who has seen enough
        for name in names:
            task = load_task(name)
            sizes = f"{len(task.labels):3} labels  {len(task.templates):2} templates"
            sys.stdout.write(f"{name:<{width}}  {sizes}  {task.description}\n")
            sys.stdout.flush()
    return 0


def _run_demo(options: argparse.Namespace, command: str) -> int:
    from fewshot.benchmark.demo import (  # loads torch, which --help does not need
        DemoSettings,
        run_demo,
    )

    settings = DemoSettings(
        seeds=1 if options.quick else options.seeds,
        shots=options.shots,
        test_size=min(options.test_size, 100) if options.quick else options.test_size,
        output=options.output,
        command=command,
    )
    return run_demo(settings, sys.stdout)


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
    from fewshot.benchmark import read_results, write_report

    for path in write_report(read_results(file), folder):
        sys.stdout.write(f"Report: {path.resolve()}\n")
    return 0
