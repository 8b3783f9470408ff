"""Accuracy and cost of every tuning strategy: ``python -m benchmarks.tuning``.

AG News: 16 labels a class from ``dev.jsonl``, tested on ``test.jsonl``. SST-2: 16 a class from the
union of LiST's labelled splits of 30 (150 distinct sentences; the pool of unlabelled texts stays
out), tested on ``test.tsv``. The same texts for every strategy, nothing chosen on test texts. Each
run has a process of its own, and its result is a line of a file, so that a stopped run goes on
where it was. ``--step-time`` times training steps in turn instead.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median

import torch

from fewshot import PromptClassifier, k_shot_sample, load_task
from fewshot.comparison import Spread
from fewshot.errors import FewShotError, FewShotWarning
from fewshot.library import Task
from fewshot.loading import load_masked_lm
from fewshot.masked_lm import MaskedLM
from fewshot.tuning import (
    STRATEGIES,
    DePT,
    Full,
    GradientTuning,
    SoftPrompt,
    TemplateConsistency,
    Training,
    Tuning,
)

_SHARED = Path(__file__).parents[2] / "shared" / "data"
_HEADER = ("Strategy", "Accuracy", "SD", "Worst", "Tuned %", "Fit s", "Predict s", "Peak MB")
_TIMED_EPOCHS = 4  # the first one warms up


@dataclass(frozen=True)
class Data:
    """Labelled texts to draw from, and texts to test on."""

    texts: list[str]
    labels: list[str | int]
    test_texts: list[str]
    test_labels: list[str | int]


@dataclass(frozen=True)
class Result:
    """What one strategy did with one sample."""

    data: str
    strategy: str
    seed: int
    shots: int
    n_test: int
    accuracy: float = 0.0
    tuned_share: float = 0.0
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0
    peak_megabytes: float = 0.0
    error: str = ""

    @property
    def key(self) -> tuple[str, str, int, int, int]:
        """What tells runs apart."""
        return self.data, self.strategy, self.seed, self.shots, self.n_test


def ag_news() -> Data:
    """Read the split that PCP used."""
    parts = [
        [json.loads(line) for line in (_SHARED / "ag_news" / name).open(encoding="utf-8")]
        for name in ("dev.jsonl", "test.jsonl")
    ]
    (texts, labels), (test_texts, test_labels) = (
        ([row["text"] for row in rows], [row["label"] for row in rows]) for rows in parts
    )
    return Data(texts, labels, test_texts, test_labels)


def sst2() -> Data:
    """Join LiST's labelled splits of 30, since none of them holds 16 a class."""
    folder = _SHARED / "list" / "SST-2"
    rows = [
        line.rsplit("\t", 1)
        for seed in range(1, 6)
        for line in (folder / f"30-{seed}" / "train.tsv").read_text(encoding="utf-8").splitlines()
    ]
    pool = {text.strip(): int(label) for text, label in rows}
    lines = (folder / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]
    test = [line.rsplit("\t", 1) for line in lines]
    return Data(
        list(pool),
        list(pool.values()),
        [text.strip() for text, _ in test],
        [int(label) for _, label in test],
    )


_SETS: dict[str, Callable[[], Data]] = {"ag_news": ag_news, "sst2": sst2}


def methods(task: Task) -> dict[str, Tuning]:
    """Return the strategies by name, and full tuning with each training switch."""
    others = TemplateConsistency([t.text for t in task.templates[1:4]])
    switches = {
        "full + label smoothing": Training(label_smoothing=0.1),
        "full + FGM": Training(adversarial="fgm"),
        "full + SMART": Training(adversarial="smart"),
        "full + R-drop": Training(r_drop=1.0),
        "full + wordings": Training(consistency=others),
    }
    return {name: strategy() for name, strategy in STRATEGIES.items()} | {
        name: Full(training=training) for name, training in switches.items()
    }


def main() -> None:
    """Run what is asked for and print a table for each data set."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tuning", description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=list(_SETS), default=list(_SETS))
    parser.add_argument("--strategies", nargs="+", help="by default all")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--shots", type=int, default=16, help="labels a class")
    parser.add_argument("--test-size", type=int, help="the first so many test texts")
    parser.add_argument("--results", type=Path, default=Path("tuning.jsonl"))
    parser.add_argument("--step-time", action="store_true", help="time training steps instead")
    parser.add_argument("--repeats", type=int, default=5, help="of --step-time")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", FewShotWarning)
    torch.set_num_threads(1)
    known = list(methods(load_task("sst2")))
    chosen = known if arguments.strategies is None else arguments.strategies
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        sys.exit(f"unknown strategies {unknown}; known are {known}")
    if arguments.step_time:
        for line in _step_times(chosen, arguments.repeats):
            sys.stdout.write(line + "\n")
        return
    for name in arguments.sets:
        results = list(_results(name, chosen, arguments))
        title = f"\n{name}: {arguments.shots} labels a class, {arguments.seeds} samples\n"
        sys.stdout.write(title + _table(results) + "\n")


# ---- Accuracy ---------------------------------------------------------------------------------


def _results(
    name: str, strategies: Sequence[str], arguments: argparse.Namespace
) -> Iterator[Result]:
    """Yield the results that are asked for, from the file or from a run."""
    data, task = _SETS[name](), load_task(name)
    n_test = len(data.test_texts)
    if arguments.test_size is not None:
        n_test = min(n_test, arguments.test_size)
    known = {result.key: result for result in _read(arguments.results)}
    load_masked_lm("fewshot-mini")  # once, for all processes
    for seed in range(arguments.seeds):
        for strategy in strategies:
            wanted = Result(name, strategy, seed, arguments.shots, n_test)
            if wanted.key not in known:
                result = _in_own_process(wanted, data, task)
                with arguments.results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(result)) + "\n")
                outcome = result.error if result.error else f"{result.accuracy:.3f}"
                sys.stderr.write(f"{name}  seed {seed}  {strategy:<24} {outcome}\n")
                known[wanted.key] = result
            yield known[wanted.key]


def _read(file: Path) -> list[Result]:
    if not file.is_file():
        return []
    return [Result(**json.loads(line)) for line in file.open(encoding="utf-8")]


def _in_own_process(wanted: Result, data: Data, task: Task) -> Result:
    """Run in a fork: it shares the loaded model, and its peak memory is its own."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, wanted, data, task))
    process.start()
    sender.close()
    try:
        result: Result = receiver.recv()
    except EOFError:
        process.join()
        result = Result(*wanted.key, error=f"the process ended with code {process.exitcode}")
    process.join()
    return result


def _send(sender: multiprocessing.connection.Connection, *given: object) -> None:
    sender.send(_measure(*given))  # type: ignore[arg-type]


def _measure(wanted: Result, data: Data, task: Task) -> Result:
    shared = load_masked_lm("fewshot-mini")
    strategy = methods(task)[wanted.strategy]
    rows = k_shot_sample(data.labels, wanted.shots, random_state=wanted.seed)
    clf = PromptClassifier(
        task.templates[0] if strategy.default_template is None else None,
        task.verbalizer,
        model=MaskedLM(shared.model, shared.tokenizer),  # with no states known yet
        tuning=strategy,
        random_state=wanted.seed,
        verbose=0,
    )
    started = time.perf_counter()
    try:
        clf.fit([data.texts[i] for i in rows], [data.labels[i] for i in rows])
    except FewShotError as error:
        return Result(*wanted.key, error=f"{type(error).__name__}: {error}")
    learned = time.perf_counter()
    predicted = clf.predict(data.test_texts[: wanted.n_test]).tolist()
    done = time.perf_counter()
    truth = data.test_labels[: wanted.n_test]
    report = clf.parameter_report_
    peak = report.peak_memory_bytes
    return Result(
        *wanted.key,
        accuracy=fmean(p == t for p, t in zip(predicted, truth, strict=True)),
        tuned_share=report.tuned_share,
        fit_seconds=learned - started,
        predict_seconds=done - learned,
        peak_megabytes=math.nan if peak is None else peak / 2**20,
    )


def _table(results: Sequence[Result]) -> str:
    rows = [_HEADER]
    failures = []
    for strategy in dict.fromkeys(result.strategy for result in results):
        of_strategy = [result for result in results if result.strategy == strategy]
        good = [result for result in of_strategy if not result.error]
        failures += [f"{r.strategy}, seed {r.seed}: {r.error}" for r in of_strategy if r.error]
        if good:
            rows.append((strategy, *_cells(good)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADER))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], *failures])


def _cells(results: Sequence[Result]) -> tuple[str, ...]:
    accuracy = Spread.of([result.accuracy for result in results])
    return (
        f"{accuracy.mean:.3f}",
        "" if accuracy.deviation is None else f"{accuracy.deviation:.3f}",
        f"{min(result.accuracy for result in results):.3f}",
        f"{100 * fmean(result.tuned_share for result in results):.3f}",
        f"{fmean(result.fit_seconds for result in results):.1f}",
        f"{fmean(result.predict_seconds for result in results):.1f}",
        f"{fmean(result.peak_megabytes for result in results):.0f}",
    )


# ---- Time of a step ---------------------------------------------------------------------------


def _step_times(strategies: Sequence[str], repeats: int) -> Iterator[str]:
    """Time steps on the same batches, the strategies in turn, and divide by full tuning's."""
    timed: dict[str, GradientTuning] = {"full": Full()}
    for name, strategy in methods(load_task("ag_news")).items():
        if name in strategies and isinstance(strategy, GradientTuning):
            timed[name] = strategy
    if "dept" in timed:  # what it spares shows against a prompt of as many parameters
        clf = _fit_for_time(DePT(), n_epochs=1)
        width = clf.model_.model.get_input_embeddings().embedding_dim
        length = round(clf.parameter_report_.n_tuned / width)
        timed[f"prompt of {length} (as dept)"] = SoftPrompt(length=length)
    milliseconds: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(repeats):
        for name, strategy in timed.items():
            epochs = _fit_for_time(strategy, _TIMED_EPOCHS).history_[1:]
            milliseconds[name] += [1e3 * row["seconds"] / row["steps"] for row in epochs]
    full = median(milliseconds["full"])
    yield f"A step of 8 AG News texts, one thread, median of {repeats} x {_TIMED_EPOCHS - 1} epochs"
    for name, taken in milliseconds.items():
        yield f"{name:<24} {median(taken):7.1f} ms   {median(taken) / full:5.2f} of full tuning"


def _fit_for_time(strategy: GradientTuning, n_epochs: int) -> PromptClassifier:
    data, task = ag_news(), load_task("ag_news")
    rows = k_shot_sample(data.labels, 4, random_state=0)
    strategy.set_params(batch_size=8, num_epochs=n_epochs)
    clf = PromptClassifier(
        task.templates[0] if strategy.default_template is None else None,
        task.verbalizer,
        tuning=strategy,
        random_state=0,
        verbose=0,
    )
    return clf.fit([data.texts[i] for i in rows], [data.labels[i] for i in rows])


if __name__ == "__main__":
    main()
