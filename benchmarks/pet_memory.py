"""Measure the peak memory of an ensemble: ``python -m benchmarks.pet_memory``.

Compares a process that fits one prompt classifier, tuning all weights, with one that fits PET with
four such members on the same labeled and unlabeled BBC News articles. Members are trained one after
the other, so the peak should not depend on their number.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import warnings
from typing import NamedTuple

import torch

from fewshot import PETClassifier, PromptClassifier, Unlabeled, k_shot_sample, load_task
from fewshot.benchmark import load_bbc_news
from fewshot.errors import FewShotWarning
from fewshot.models.hardware import measured_memory
from fewshot.models.loading import load_masked_lm
from fewshot.tuning import Full

_SHOTS = 8  # labels per class
_N_PATTERNS = 4
_MAX_LENGTH = 64  # the longest text determines the memory of a step


class _Work(NamedTuple):
    """The task of a process."""

    n_patterns: int  # 0 for a single prompt classifier
    n_unlabeled: int
    num_epochs: int


class _Peak(NamedTuple):
    """Peak memory in MiB: of the process, with Python and the model, and within ``fit``."""

    whole: float
    in_fit: float


def main() -> None:
    """Print both peaks and their ratio."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pet_memory", description=__doc__)
    parser.add_argument("--unlabeled", type=int, default=200, help="unlabeled articles")
    parser.add_argument("--epochs", type=int, default=2, help="of members and the single fit")
    arguments = parser.parse_args()
    works = [_Work(n, arguments.unlabeled, arguments.epochs) for n in (0, _N_PATTERNS)]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        single, ensemble = pool.map(_peak, works, chunksize=1)
    if single is None or ensemble is None:
        sys.exit("this system does not report the memory of a process")
    sys.stdout.write(f"Peak memory with {arguments.unlabeled} unlabelled articles, MiB\n")
    for name, peak in (("a single fit", single), (f"PET, {_N_PATTERNS} patterns", ensemble)):
        sys.stdout.write(f"{name:<16} {peak.whole:6.0f}, in fit {peak.in_fit:+6.0f}\n")
    sys.stdout.write(f"ratio            {ensemble.whole / single.whole:6.2f}\n")


def _peak(work: _Work) -> _Peak | None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", FewShotWarning)
    (texts, labels), task = load_bbc_news(), load_task("bbc_news")
    drawn = set(k_shot_sample(labels, _SHOTS, random_state=0))
    pool = [text for row, text in enumerate(texts) if row not in drawn][: work.n_unlabeled]
    X, y = [texts[row] for row in drawn], [labels[row] for row in drawn]
    prompt = PromptClassifier(
        task.templates[0],
        task.verbalizer,
        model=load_masked_lm("fewshot-mini"),
        tuning=Full(num_epochs=work.num_epochs),
        max_length=_MAX_LENGTH,
        random_state=0,
        verbose=0,
    )
    with measured_memory() as peak:
        if work.n_patterns:
            templates = task.templates[: work.n_patterns]
            clf = PETClassifier(prompt, templates=templates, random_state=0, verbose=0)
            clf.fit(X, y, unlabeled=Unlabeled(pool))
        else:
            prompt.fit(X + pool, y + [None] * len(pool))
    if peak.process is None or peak.process_before is None:
        return None
    return _Peak(peak.process / 2**20, (peak.process - peak.process_before) / 2**20)


if __name__ == "__main__":
    main()
