"""Run a benchmark: check everything, then run the cells in parallel."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError

from fewshot.benchmark.cell import CellTask, failed_cell, run_cell
from fewshot.benchmark.data_sets.data_set import DataSet, Split, check_metric
from fewshot.benchmark.data_sets.loading import load_data_set
from fewshot.benchmark.methods import (
    build_method,
    check_imports,
    load_models,
    needs_labels,
    takes_unlabeled,
)
from fewshot.benchmark.progress import Progress
from fewshot.benchmark.results import Cell, CellKey, Results
from fewshot.benchmark.results_file import ResultsFile, open_results
from fewshot.benchmark.spec import DataSetSpec, MethodSpec, Spec
from fewshot.benchmark.spec_reader import load_spec
from fewshot.errors import BenchmarkError, FewShotError
from fewshot.models.reproducible import thread_share

_CALIBRATION_TEXTS = 200  # for a prompt at 0 shots
_SPLITS_KEPT = 64


def run(
    spec: str | Path | Mapping[str, Any] | Spec,
    *,
    data_dir: str | Path | None = None,
    results: str | Path | None = None,
    n_jobs: int | None = None,
    retry_failed: bool = False,
    allow_imports: bool = False,
    verbose: int = 1,
) -> Results:
    """Run a benchmark, or resume an interrupted one.

    All methods see the same splits. A cell depends only on its own part of the spec and its seed:
    the scores are the same for any number of jobs and after any interruption.

    Parameters
    ----------
    spec : str, Path, mapping or Spec
        A YAML file, or its content; see :func:`load_spec`.
    data_dir : str or Path, optional
        The folder of the data sets that come with no package; by default the environment variable
        ``FEWSHOT_DATA``.
    results : str or Path, optional
        A JSON lines file that gets each cell as soon as it is done. An existing file is resumed:
        cells already in it are not run again. By default cells are kept in memory only.
    n_jobs : int, optional
        Number of parallel cells, as in joblib: by default 1 or that of ``joblib.parallel_config``;
        -1 for all cores.
    retry_failed : bool, default=False
        Whether cells that failed in an earlier run are run again.
    allow_imports : bool, default=False
        Whether the spec may name code outside scikit-learn and this package, which is run. Allow it
        only for specs that you trust as you would a script.
    verbose : {0, 1}, default=1
        1 writes a line per cell to the standard error.

    Returns
    -------
    Results
        All cells of the spec that have run. Failed cells hold their error.

    Raises
    ------
    FewShotError
        Before any cell runs: if something in the spec is unknown or cannot be built, data or
        models are missing, a class has too few examples, or the results file cannot be written or
        belongs to another spec or version.

    See Also
    --------
    load_spec : The keys of a spec.
    read_results : Read a results file.
    write_report : Write tables and charts of the results.

    Examples
    --------
    >>> from fewshot.benchmark import run
    >>> results = run(
    ...     {"methods": ["majority"], "data_sets": ["bbc_news"], "shots": [8], "seeds": [0]},
    ...     n_jobs=2,
    ... )  # doctest: +SKIP
    """
    spec = load_spec(spec)
    if not allow_imports:
        check_imports(spec)
    workers = _count_workers(n_jobs)
    data_sets = _load_data_sets(spec, data_dir)
    estimators = _build_methods(spec, data_sets)
    with open_results(results, spec) as file:
        _check_same_data(file, data_sets)
        keys = _list_cells(spec, estimators)
        kept = {key for key, cell in file.cells.items() if cell.is_done or not retry_failed}
        left = [key for key in keys if key not in kept]
        _check_models(spec, next(iter(data_sets.values())), {key.method for key in left})
        progress = Progress(sys.stderr if verbose else None, left, file.cells.values(), workers)
        progress.announce(f"{spec.name}: {len(keys)} cells, {len(keys) - len(left)} done before")
        for cell in _run_all(list(_tasks(spec, data_sets, estimators, left, workers)), n_jobs):
            file.append(cell)
            progress.report(cell)
        return Results(file.header, tuple(file.cells.values()))


def _count_workers(n_jobs: int | None) -> int:
    is_number = isinstance(n_jobs, int) and not isinstance(n_jobs, bool) and n_jobs != 0
    if n_jobs is not None and not is_number:
        raise BenchmarkError(
            f"n_jobs is the number of parallel cells, -1 for all cores, got {n_jobs!r}"
        )
    return int(joblib.effective_n_jobs(n_jobs))


def _load_data_sets(spec: Spec, data_dir: str | Path | None) -> dict[str, DataSet]:
    """Load all data sets, and check that each split can be drawn."""
    loaded = {}
    for entry in spec.data_sets:
        own = {"template": entry.template, "verbalizer": entry.verbalizer}
        source = {"name": entry.name, **entry.source}
        source |= {key: value for key, value in own.items() if value is not None}
        data = load_data_set(source, data_dir)
        data.check(entry.shots, entry.seeds, entry.test_size)
        check_metric(entry.name, entry.metric or data.metric, data.test.has_several)
        loaded[entry.name] = data
        for method in spec.methods:
            _check_halves(method, entry, data)
    return loaded


def _check_halves(method: MethodSpec, entry: DataSetSpec, data: DataSet) -> None:
    """Raise if there are too few labels to learn from one half and validate on the other."""
    least = 2 if data.shots_kind == "per class" else 2 * len(data.labels)
    few = [shots for shots in entry.shots if 0 < shots < least]
    if method.grid and few:
        raise BenchmarkError(
            f"method {method.name!r} has a grid, and {few[0]} shots {data.shots_kind} of "
            f"{data.name!r} are too few labels to choose by: use {least} or more, or settings "
            "instead of a grid"
        )


def _build_methods(spec: Spec, data_sets: Mapping[str, DataSet]) -> dict[str, Any]:
    """Build each method for each data set, and return an estimator of each."""
    built = {}
    for method in spec.methods:
        for data in data_sets.values():
            built[method.name] = build_method(method, data.info, 0)
    return built


def _list_cells(spec: Spec, estimators: Mapping[str, Any]) -> list[CellKey]:
    # Without labels nothing can be chosen from a grid.
    labeled_only = {m.name for m in spec.methods if m.grid or needs_labels(estimators[m.name])}
    keys = list(spec.cells(frozenset(labeled_only)))
    if not keys:
        raise BenchmarkError(
            "the spec has no cell to run: every method is left out, or needs labels and all shots "
            "are 0; add a method such as {name: Zero-shot, estimator: prompt, settings: {tuning: "
            "none}}, or shots"
        )
    return keys


def _check_same_data(file: ResultsFile, data_sets: Mapping[str, DataSet]) -> None:
    for cell in file.cells.values():
        if cell.data_hash != data_sets[cell.data_set].data_hash:
            raise BenchmarkError(
                f"the texts of {cell.data_set!r} differ from those of the results file; use the "
                "same data, or name another results file"
            )


def _check_models(spec: Spec, data: DataSet, names: set[str]) -> None:
    """Load the models of the methods, so that a missing one does not stop a run half-way."""
    for method in spec.methods:
        if method.name in names:
            try:
                load_models(build_method(method, data.info, 0))
            except FewShotError as error:
                raise BenchmarkError(f"method {method.name!r}: {error}") from error


def _tasks(
    spec: Spec,
    data_sets: Mapping[str, DataSet],
    estimators: Mapping[str, Any],
    keys: Sequence[CellKey],
    n_workers: int,
) -> Iterator[CellTask]:
    entries = {entry.name: entry for entry in spec.data_sets}
    n_threads = thread_share(n_workers)

    @lru_cache(maxsize=_SPLITS_KEPT)
    def split(name: str, shots: int, seed: int) -> Split:
        return data_sets[name].split(shots, seed, entries[name].test_size)

    for key in keys:
        drawn, entry = split(key.data_set, key.shots, key.seed), entries[key.data_set]
        if takes_unlabeled(estimators[key.method]):
            own = entry.unlabeled_texts
            n_unlabeled = spec.unlabeled_texts if own is None else own
        else:
            n_unlabeled = 0 if key.shots else _CALIBRATION_TEXTS
        info = data_sets[key.data_set].info
        yield CellTask(
            key=key,
            method=spec.method(key.method),
            split=replace(drawn, unlabeled=drawn.unlabeled[:n_unlabeled]),
            data=info if entry.metric is None else replace(info, metric=entry.metric),
            validation_splits=spec.validation_splits,
            n_threads=n_threads,
        )


def _run_all(tasks: list[CellTask], n_jobs: int | None) -> Iterator[Cell]:
    """Run cells in parallel; if a worker dies, run those in work alone, to find the cause."""
    waiting = {task.key: task for task in tasks}
    while waiting:
        try:
            for cell in _run_some(list(waiting.values()), n_jobs):
                del waiting[cell.key]
                yield cell
        except TerminatedWorkerError:
            in_work = list(waiting.values())[: 2 * joblib.effective_n_jobs(n_jobs)]
            for task in in_work:
                del waiting[task.key]
                yield _run_alone(task)


def _run_some(tasks: Sequence[CellTask], n_jobs: int | None) -> Iterator[Cell]:
    parallel = joblib.Parallel(
        n_jobs=n_jobs, return_as="generator_unordered", pre_dispatch="2*n_jobs", batch_size=1
    )
    cells: Iterator[Cell] = parallel(joblib.delayed(run_cell)(task) for task in tasks)
    return cells


def _run_alone(task: CellTask) -> Cell:
    try:
        return next(iter(_run_some([task], 2)))  # a worker of its own: with 1 it would be this one
    except TerminatedWorkerError as error:
        return failed_cell(task, f"TerminatedWorkerError: {str(error).splitlines()[0]}")
