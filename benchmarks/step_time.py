"""Time a training step of each tuning strategy: ``python -m benchmarks.step_time``.

Reports CPU seconds on one thread, which other programs hardly affect, as a ratio to a step of full
tuning in the same run: strategies take turns, and the median of the rounds counts. The cost of a
step is the difference between a longer and a shorter fit on the same BBC News articles, so that
calibration and the regression after training cancel out. ``--memory`` instead measures the rise of
memory in a fit, with one process per strategy.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
import warnings
from collections.abc import Iterator
from statistics import median

import torch

from fewshot import PromptClassifier, k_shot_sample, load_task
from fewshot.benchmark import load_bbc_news
from fewshot.errors import FewShotWarning
from fewshot.models.hardware import measured_memory
from fewshot.tuning import (
    STRATEGIES,
    DePT,
    Full,
    GradientTuning,
    SoftPrompt,
    TemplateConsistency,
    Training,
)

_SHOTS, _SHORT, _LONG = 4, 1, 4  # labels per class; epochs
_EMBEDDING_SIZE = 384  # of fewshot-mini


def main() -> None:
    """Print the cost of a step per strategy and training switch."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.step_time", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="rounds; the median counts")
    parser.add_argument("--memory", action="store_true", help="peak memory instead of time")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", FewShotWarning)
    torch.set_num_threads(1)
    lines = _memory_lines() if arguments.memory else _lines(_strategies(), arguments.repeats)
    for line in lines:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _strategies() -> dict[str, GradientTuning]:
    others = TemplateConsistency([t.text for t in load_task("bbc_news").templates[1:4]])
    switches = {
        "full + FGM": Training(adversarial="fgm"),
        "full + SMART": Training(adversarial="smart"),
        "full + R-drop": Training(r_drop=1.0),
        "full + wordings": Training(consistency=others),
    }
    by_name = {"full": Full()} | {name: strategy() for name, strategy in STRATEGIES.items()}
    timed = {name: s for name, s in by_name.items() if isinstance(s, GradientTuning)}
    # A prompt with as many parameters shows what DePT saves.
    n_tuned = _fitted(DePT(), 1).parameter_report_.n_tuned
    length = round(n_tuned / _EMBEDDING_SIZE)
    timed[f"prompt of {length} (as dept)"] = SoftPrompt(length=length)
    return timed | {name: Full(training=training) for name, training in switches.items()}


def _lines(timed: dict[str, GradientTuning], repeats: int) -> Iterator[str]:
    milliseconds: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(repeats):
        for name, strategy in timed.items():
            milliseconds[name].append(_step(strategy))
    full = median(milliseconds["full"])
    yield f"A step on 8 BBC News articles, CPU time of one thread, median of {repeats} rounds"
    for name, taken in milliseconds.items():
        yield f"{name:<24} {median(taken):7.1f} ms   {median(taken) / full:5.2f} of full tuning"


def _memory_lines() -> Iterator[str]:
    yield "Rise of memory in a fit on 20 BBC News articles, MiB"
    names = [name for name, s in STRATEGIES.items() if issubclass(s, GradientTuning)]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for name, peak in zip(names, pool.imap(_peak, names), strict=True):
            yield f"{name:<24} {'unknown' if peak is None else f'{peak / 2**20:7.0f}'}"


def _peak(name: str) -> int | None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", FewShotWarning)
    with measured_memory():
        return _fitted(STRATEGIES[name](), 2).parameter_report_.peak_memory_bytes


def _step(strategy: GradientTuning) -> float:
    """Return the milliseconds of a step."""
    seconds, steps = [], []
    for n_epochs in (_SHORT, _LONG):
        started = time.process_time()
        fitted = _fitted(strategy, n_epochs)
        seconds.append(time.process_time() - started)
        steps.append(sum(row["steps"] for row in fitted.history_))
    return 1e3 * (seconds[1] - seconds[0]) / (steps[1] - steps[0])


def _fitted(strategy: GradientTuning, n_epochs: int) -> PromptClassifier:
    (texts, labels), task = load_bbc_news(), load_task("bbc_news")
    rows = k_shot_sample(labels, _SHOTS, random_state=0)
    strategy.set_params(batch_size=8, num_epochs=n_epochs)
    clf = PromptClassifier(
        task.templates[0] if strategy.default_template is None else None,
        task.verbalizer,
        tuning=strategy,
        max_length=64,  # so that a long article does not need a step of its own
        random_state=0,
        verbose=0,
    )
    return clf.fit([texts[i] for i in rows], [labels[i] for i in rows])


if __name__ == "__main__":
    main()
