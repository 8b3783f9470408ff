"""Ensembles of members: tuned one by one, labeling texts for the next generation."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.base import clone

from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.semi_supervised.fitting import FitPlan, fit_prompt
from fewshot.classifiers.semi_supervised.members import Member
from fewshot.classifiers.semi_supervised.pseudo_labels import (
    Drawn,
    draw_pseudo_labels,
    merge_scores,
    n_labeling_models,
    n_new_examples,
    share_quota,
    soft_labels,
)
from fewshot.data.training_data import TrainingData, concatenate, read_training_data
from fewshot.training.checkpoint import Arrays
from fewshot.training.rounds import Rounds, seed_of
from fewshot.tuning import GradientTuning, Tuning, resolve_tuning
from fewshot.tuning.task import TuningResult, TuningTask

if TYPE_CHECKING:
    from fewshot.classifiers.semi_supervised.pet import PETClassifier

_ZERO_LABEL_EXAMPLES = 10  # what generations grow from without a label; the official code's
_LIKELIEST = 100  # texts of each class to draw from when no label was ever seen; the same


@dataclass(frozen=True)
class EnsemblePlan(FitPlan):
    """A fit of PET, checked."""

    settings: PETClassifier
    members: list[Member]

    @property
    def counts(self) -> list[int]:
        """Labeled texts of each class."""
        if self.data.labeled is None:
            return [0] * len(self.classes)
        values = self.data.labeled.one_each.values.tolist()
        return [values.count(label) for label in self.classes]


class EnsembleOutputs(NamedTuple):
    """The scores of an ensemble for the pool."""

    scores: npt.NDArray[np.float64]  # [members, pool, classes]
    weights: npt.NDArray[np.float64]  # [members]
    history: list[dict[str, Any]]  # one entry per member of this and earlier generations


def train_ensembles(plan: EnsemblePlan, rounds: Rounds) -> EnsembleOutputs:
    """Train all generations, each member from the first model; return the last one's outputs."""
    # Members are trained one at a time and discarded; only their scores for the pool are kept.
    outputs = _train_ensemble(plan, rounds, None, 0)
    for generation in range(1, plan.settings.generations + 1):
        outputs = _train_ensemble(plan, rounds, outputs, generation)
    return outputs


def _train_ensemble(
    plan: EnsemblePlan, rounds: Rounds, before: EnsembleOutputs | None, generation: int
) -> EnsembleOutputs:
    results, history = [], [] if before is None else list(before.history)
    for number, member in enumerate(plan.members):
        pseudo = None if before is None else _label(plan, before, generation, number)
        seed = seed_of(plan.seed, 1, generation, number)
        work = partial(train_member, plan, member, pseudo, seed)
        result = rounds.run(f"generation-{generation}-member-{number}", work)
        results.append(result)
        history.append(
            {
                "generation": generation,
                "pattern": member.template,
                "repetition": member.repetition,
                "weight": float(result["weight"]),
                "n_pseudo": 0 if pseudo is None else len(pseudo.labels),
                "tokens": int(result["tokens"]),
                "seconds": float(result["seconds"]),
            }
        )
    scores = np.stack([result["scores"] for result in results])
    weights = np.array([float(result["weight"]) for result in results])
    return EnsembleOutputs(scores, weights, history)


def _label(plan: EnsemblePlan, before: EnsembleOutputs, generation: int, number: int) -> Drawn:
    """Have some of the other members label texts for one; it never labels its own."""
    rng = np.random.default_rng(seed_of(plan.seed, 2, generation, number))
    others = np.delete(np.arange(len(plan.members)), number)
    chosen = rng.choice(others, n_labeling_models(len(others)), replace=False)
    merged = merge_scores(before.scores[chosen], before.weights[chosen])
    n_labeled, n_classes = sum(plan.counts), len(plan.classes)
    if n_labeled:
        n_new = min(n_new_examples(n_labeled, generation), len(plan.data.pool))
        quota = share_quota(n_new, plan.counts)
    else:
        n_new = _ZERO_LABEL_EXAMPLES + n_new_examples(_ZERO_LABEL_EXAMPLES, generation - 1)
        quota = (max(1, min(n_new, len(plan.data.pool)) // n_classes),) * n_classes
    likeliest = _LIKELIEST if not n_labeled and generation == 1 else None
    return draw_pseudo_labels(soft_labels(merged), quota, rng, n_likeliest=likeliest)


def train_member(plan: EnsemblePlan, member: Member, pseudo: Drawn | None, seed: int) -> Arrays:
    """Tune one member, score the pool with it, and discard it."""
    started_at = time.perf_counter()
    clf: PromptClassifier = clone(member.estimator).set_params(random_state=seed)
    weight = _weight(plan, clf)
    data = plan.data.joined() if pseudo is None else _with_pseudo_labels(plan, pseudo)
    tuning = _member_tuning(plan, clf, int(data.labels.is_labeled.sum()))
    fit_prompt(
        clf.set_params(tuning=tuning), data, partial(_tune, tuning, plan.settings.mlm_weight)
    )
    return {
        "scores": clf._class_scores(plan.data.pool),
        "weight": np.array(weight),
        "tokens": np.array(sum(row["tokens"] for row in clf.history_)),
        "seconds": np.array(time.perf_counter() - started_at),
    }


def _tune(tuning: Tuning, mlm_weight: float, task: TuningTask) -> TuningResult:
    return tuning.tune(replace(task, mlm_weight=mlm_weight))


def _with_pseudo_labels(plan: EnsemblePlan, pseudo: Drawn) -> TrainingData:
    """Return the labeled texts, those that others have labeled, and the rest of the pool."""
    labeled, pool = plan.data.labeled, plan.data.pool
    rest = np.setdiff1d(np.arange(len(pool)), pseudo.rows)
    mean = 1.0 if labeled is None else float(np.mean(labeled.sample_weight))
    texts = read_training_data(
        pool.take([*pseudo.rows, *rest]),
        [*(plan.classes[label] for label in pseudo.labels), *[None] * len(rest)],
        [mean] * len(pseudo.rows) + [1.0] * len(rest),
    )
    return texts if labeled is None else concatenate([labeled, texts])


def _weight(plan: EnsemblePlan, member: PromptClassifier) -> float:
    """Return the accuracy on the labeled texts before tuning."""
    labeled = plan.data.labeled
    if labeled is None or plan.settings.ensemble == "uniform":
        return 1.0
    data = plan.data.joined()  # labels serve to find label words
    data = data._replace(sample_weight=np.ones(len(data.examples)))
    zero_shot = fit_prompt(clone(member).set_params(tuning="none"), data)
    best = zero_shot._class_scores(labeled.examples).argmax(1)
    is_right = zero_shot.classes_[best] == labeled.one_each.values
    return float(np.average(is_right, weights=labeled.sample_weight))


def _member_tuning(plan: EnsemblePlan, member: PromptClassifier, n_examples: int) -> Tuning:
    """Return the tuning of a member, for about as many steps whatever the generation."""
    tuning: Tuning = clone(resolve_tuning(member.tuning))
    if n_examples and isinstance(tuning, GradientTuning):
        # Without labels, the first members that learn at all are those of generation 1.
        n_first = sum(plan.counts) or min(_ZERO_LABEL_EXAMPLES, n_examples)
        tuning.set_params(num_epochs=max(1, round(tuning.num_epochs * n_first / n_examples)))
    return tuning
