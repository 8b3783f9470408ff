"""Time a step of LiST: ``python -m benchmarks.self_training_step``.

On the embedded model with LiST's adapters, it compares a plain step (forward, backward, optimizer)
on 16 texts with steps that first find the weights of the texts, in two equivalent ways: by a
central finite difference along the gradient of the labeled texts, or by the gradient of each text.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from fewshot import list_adapter
from fewshot.benchmark import load_bbc_news
from fewshot.classifiers.semi_supervised.meta_weights import alignments, kl_losses
from fewshot.data.examples import Examples
from fewshot.errors import FewShotWarning
from fewshot.models.loading import load_masked_lm
from fewshot.models.reproducible import torch_seed
from fewshot.prompting.library import load_task
from fewshot.scoring.label_words import LabelWords
from fewshot.scoring.scorer import PromptScorer
from fewshot.tuning.task import TuningTask


def main() -> None:
    """Time both ways on the same texts and print ratios to a plain step."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.self_training_step")
    parser.add_argument("--batch-size", type=int, default=16, help="unlabeled texts of a step")
    parser.add_argument("--labeled", type=int, default=4, help="labeled texts to align with")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", FewShotWarning)
    torch.set_num_threads(1)
    step = _Step(_task(arguments.batch_size + arguments.labeled), arguments.labeled)
    ways: dict[str, Callable[[], object]] = {
        "plain": step.plain,
        "difference": lambda: (step.by_difference(), step.plain()),
        "each text": lambda: (step.text_by_text(), step.plain()),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(arguments.repeats + 1):  # the first warms up
        for name, way in ways.items():
            started = time.process_time()
            way()
            times[name].append(time.process_time() - started)
    plain = statistics.median(times["plain"][1:])
    for name, values in times.items():
        seconds = statistics.median(values[1:])
        sys.stdout.write(f"{name:<12}{seconds:8.3f} s{seconds / plain:8.2f} plain steps\n")
    exact = step.text_by_text()
    error = (step.by_difference() - exact).abs().max() / exact.abs().max()
    sys.stdout.write(f"largest difference of both: {float(error):.1e} of the largest value\n")


class _Step:
    """A step on the same texts, repeatable."""

    def __init__(self, task: TuningTask, n_labeled: int) -> None:
        self.task = task
        rows = np.arange(len(task.targets))
        self.labeled, self.pool = rows[:n_labeled], rows[n_labeled:]
        self.parameters = list(task.scorer.lm.tuned_parameters().values())
        self.optimizer = torch.optim.AdamW(self.parameters, lr=1e-6, weight_decay=0.0)
        self.targets = torch.from_numpy(task.targets).float()

    def plain(self) -> None:
        """Learn the soft labels with equal weights."""
        self._losses(self.pool).mean().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def by_difference(self) -> Tensor:
        """Find the alignments as `LiSTClassifier` does."""
        gradient = torch.autograd.grad(self._losses(self.labeled).mean(), self.parameters)
        return alignments(lambda: self._losses(self.pool), self.parameters, gradient)

    def text_by_text(self) -> Tensor:
        """Find the alignments as products with the gradient of each text."""
        gradient = torch.autograd.grad(self._losses(self.labeled).mean(), self.parameters)
        length = torch.stack([part.square().sum() for part in gradient]).sum().sqrt()
        losses = self._losses(self.pool)
        products = []
        for loss in losses:
            own = torch.autograd.grad(loss, self.parameters, retain_graph=True)
            products.append(sum((a * b).sum() for a, b in zip(own, gradient, strict=True)))
        return torch.stack([torch.as_tensor(product) for product in products]) / length

    def _losses(self, rows: np.ndarray) -> Tensor:
        return kl_losses(self.task.scorer.train_scores(self.task.views, rows), self.targets[rows])


def _task(n_texts: int) -> TuningTask:
    lm, known = load_masked_lm("fewshot-mini"), load_task("bbc_news")
    words = LabelWords.resolve(known.verbalizer, known.verbalizer.labels, lm.tokenizer)
    scorer = PromptScorer(lm, known.templates[0], words, "mean", 64)
    views = scorer.views(Examples({"text": load_bbc_news().texts[:n_texts]}))
    rng = np.random.default_rng(0)
    targets = rng.dirichlet(np.ones(len(words.classes)), n_texts)
    task = TuningTask(scorer, views, targets, np.ones(n_texts), rng)
    own = list_adapter().prepare(task)
    with torch_seed(rng), torch.no_grad():  # adapters begin without effect
        for name, parameter in own.scorer.lm.tuned_parameters().items():
            if name.startswith("added."):
                parameter.add_(0.01 * torch.randn_like(parameter))
    return own


if __name__ == "__main__":
    main()
