"""Ensembles of patterns: members are tuned one by one, and label texts for the next generation."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.base import clone

from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.semi_supervised.patterns import Member
from fewshot.classifiers.semi_supervised.pseudo_labels import (
    draw_pseudo_labels,
    merge_scores,
    n_labelling_models,
    n_new_examples,
    share_quota,
    soft_labels,
)
from fewshot.data.labels import Label
from fewshot.data.semi_supervised_data import LearningData
from fewshot.training.checkpoint import Arrays
from fewshot.training.rounds import Rounds, seed_of
from fewshot.tuning import GradientTuning, Tuning, resolve_tuning
from fewshot.tuning.soft_targets import SoftTargets

_ZERO_LABEL_EXAMPLES = 10  # what generations grow from without a label; the official code's
_LIKELIEST = 100  # texts of each class to draw from when no label was ever seen; the same


@dataclass(frozen=True)
class EnsemblePlan:
    """What is trained on what, checked.

    Parameters
    ----------
    data : LearningData
    classes : list of str or int
    members : list of Member
    is_weighted : bool
        Whether members weigh by their accuracy on the labelled texts before tuning, or alike.
    mlm_weight : float
        Share of masked language modelling in the members' loss.
    generations : int
        Ensembles after the first one.
    seed : int
    """

    data: LearningData
    classes: list[Label]
    members: list[Member]
    is_weighted: bool
    mlm_weight: float
    generations: int
    seed: int

    @property
    def counts(self) -> list[int]:
        """Labelled texts of each class."""
        if self.data.labelled is None:
            return [0] * len(self.classes)
        values = self.data.labelled.labels.values.tolist()
        return [values.count(label) for label in self.classes]


class EnsembleOutputs(NamedTuple):
    """What the ensemble of a generation says of the pool.

    Parameters
    ----------
    scores : ndarray of shape (n_members, n_pool, n_classes)
    weights : ndarray of shape (n_members,)
    history : list of dict
        One entry a member.
    """

    scores: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    history: list[dict[str, Any]]


class _Pseudo(NamedTuple):
    """Rows of the pool with the labels that others gave them."""

    rows: list[int]
    labels: list[Label]


def train_ensembles(plan: EnsemblePlan, rounds: Rounds) -> EnsembleOutputs:
    """Train generation after generation, each member from the model as it was at first.

    Members are trained one after the other and let go; only what they say of the pool is kept.

    Parameters
    ----------
    plan : EnsemblePlan
    rounds : Rounds
        One for each member.

    Returns
    -------
    EnsembleOutputs
        Of the last generation, with the history of all.
    """
    outputs = _train_ensemble(plan, rounds, None, 0)
    for generation in range(1, plan.generations + 1):
        outputs = _train_ensemble(plan, rounds, outputs, generation)
    return outputs


def _train_ensemble(
    plan: EnsemblePlan, rounds: Rounds, before: EnsembleOutputs | None, generation: int
) -> EnsembleOutputs:
    results, history = [], [] if before is None else list(before.history)
    for number, member in enumerate(plan.members):
        pseudo = None if before is None else _label(plan, before, generation, number)
        seed = seed_of(plan.seed, 1, generation, number)
        work = partial(_train_member, plan, member, pseudo, seed)
        result = rounds.run(f"generation-{generation}-member-{number}", work)
        results.append(result)
        history.append(
            {
                "generation": generation,
                "pattern": member.pattern,
                "repetition": member.repetition,
                "weight": float(result["weight"]),
                "n_pseudo": 0 if pseudo is None else len(pseudo.labels),
                "tokens": int(result["tokens"]),
                "seconds": float(result["seconds"]),
            }
        )
    scores = np.stack([result["scores"] for result in results])
    return EnsembleOutputs(
        scores, np.array([float(result["weight"]) for result in results]), history
    )


def _label(plan: EnsemblePlan, before: EnsembleOutputs, generation: int, number: int) -> _Pseudo:
    """Have some of the other members label texts for one; it never labels its own."""
    rng = np.random.default_rng(seed_of(plan.seed, 2, generation, number))
    others = np.delete(np.arange(len(plan.members)), number)
    chosen = rng.choice(others, n_labelling_models(len(others)), replace=False)
    merged = merge_scores(before.scores[chosen], before.weights[chosen])
    n_labelled, n_classes = sum(plan.counts), len(plan.classes)
    if n_labelled:
        n_new = min(n_new_examples(n_labelled, generation), len(plan.data.pool))
        quota = share_quota(n_new, plan.counts)
    else:
        n_new = _ZERO_LABEL_EXAMPLES + n_new_examples(_ZERO_LABEL_EXAMPLES, generation - 1)
        quota = (max(1, min(n_new, len(plan.data.pool)) // n_classes),) * n_classes
    likeliest = _LIKELIEST if not n_labelled and generation == 1 else None
    drawn = draw_pseudo_labels(soft_labels(merged), quota, rng, n_likeliest=likeliest)
    return _Pseudo(list(drawn.rows), [plan.classes[label] for label in drawn.labels])


def _train_member(plan: EnsemblePlan, member: Member, pseudo: _Pseudo | None, seed: int) -> Arrays:
    """Tune one member, score the pool with it, and let it go."""
    started_at = time.perf_counter()
    texts, labels, weights = _training_rows(plan, pseudo)
    pool = plan.data.pool.examples.rows()
    clf = clone(member.estimator).set_params(random_state=seed)
    weight = _weight(plan, clf, pool)
    if labels:
        clf.set_params(tuning=_member_tuning(plan, clf, len(labels)))
    else:
        clf.set_params(tuning="none")
    used = set() if pseudo is None else set(pseudo.rows)
    others = [text for row, text in enumerate(pool) if row not in used]
    unlabelled = [None] * len(others)
    clf.fit(texts + others, [*labels, *unlabelled], sample_weight=[*weights, *np.ones(len(others))])
    return {
        "scores": clf._class_scores(pool),
        "weight": np.array(weight),
        "tokens": np.array(sum(row["tokens"] for row in clf.history_)),
        "seconds": np.array(time.perf_counter() - started_at),
    }


def _training_rows(
    plan: EnsemblePlan, pseudo: _Pseudo | None
) -> tuple[list[Any], list[Label], list[float]]:
    labelled = plan.data.labelled
    texts: list[Any] = [] if labelled is None else list(labelled.examples.rows())
    labels: list[Label] = [] if labelled is None else labelled.labels.values.tolist()
    weights: list[float] = [] if labelled is None else labelled.sample_weight.tolist()
    if pseudo is not None:
        mean = float(np.mean(weights)) if weights else 1.0
        drawn = plan.data.pool.examples.take(pseudo.rows).rows()
        texts, labels = texts + drawn, labels + pseudo.labels
        weights = weights + [mean] * len(pseudo.labels)
    return texts, labels, weights


def _weight(plan: EnsemblePlan, member: PromptClassifier, pool: list[Any]) -> float:
    """Return the accuracy on the labelled texts before tuning."""
    labelled = plan.data.labelled
    if labelled is None or not plan.is_weighted:
        return 1.0
    texts = labelled.examples.rows()
    labels = [*labelled.labels.values.tolist(), *[None] * len(pool)]  # to find label words by
    zero_shot = clone(member).set_params(tuning="none").fit(texts + pool, labels)
    best = zero_shot._class_scores(texts).argmax(1)
    is_right = zero_shot.classes_[best] == labelled.labels.values
    return float(np.average(is_right, weights=labelled.sample_weight))


def _member_tuning(plan: EnsemblePlan, member: PromptClassifier, n_examples: int) -> Tuning:
    """Return the tuning of a member, for about as many steps whatever the generation."""
    tuning: Tuning = clone(resolve_tuning(member.tuning))
    n_first = sum(plan.counts)
    if not n_first:  # the first members that learn at all, those of generation 1, learn from these
        n_first = min(_ZERO_LABEL_EXAMPLES, n_examples)
    if isinstance(tuning, GradientTuning):
        tuning.set_params(num_epochs=max(1, round(tuning.num_epochs * n_first / n_examples)))
        if plan.mlm_weight:
            return SoftTargets(tuning, mlm_weight=plan.mlm_weight)
    return tuning
