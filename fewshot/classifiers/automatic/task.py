"""What a Classifier is given, checked: texts, classes and their names, model, budget."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.classifiers.automatic.pool import Verdict, verdict
from fewshot.classifiers.class_words import resolve_classes
from fewshot.data.classes import (
    Threshold,
    class_offset,
    class_shares,
    class_targets,
    given_thresholds,
)
from fewshot.data.examples import as_list, is_sequence, shorten
from fewshot.data.labels import Label, read_labels
from fewshot.data.semi_supervised_data import SemiSupervisedData
from fewshot.data.settings import is_positive
from fewshot.data.task_kind import ONE_LABEL, TaskKind
from fewshot.data.training_data import TrainingData, read_training_data
from fewshot.data.unlabeled import text_keys
from fewshot.errors import FewShotWarning, InputError, VerbalizerError, warn_user
from fewshot.models.embedded import EMBEDDED, local_encoder
from fewshot.models.hub import MINI_NAME
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.label_entries import is_word
from fewshot.prompting.template import Template, default_template
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.folds import Array, Folds, held_out_folds
from fewshot.scoring.heads import base_log_odds

_LEAST_OF_BASE = 30.0  # seconds, below which the larger model is not worth its time
_UNITS = {"s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_BUDGET = re.compile(r"(\d+(?:\.\d+)?)\s*(s|sec|m|min|h)?")
_LEAST_BUDGET, _MOST_BUDGET, _TEXTS = 60.0, 600.0, 40  # seconds; labelled texts in a minute


@dataclass(frozen=True)
class Task:
    """What every voice learns from."""

    data: SemiSupervisedData
    classes: list[Label]
    verbalizer: Verbalizer | None  # names and descriptions of the classes, if they were given
    template: Template | None
    model: str | Path | MaskedLM
    seed: int
    kind: TaskKind = ONE_LABEL
    class_prior: Any = None
    class_weight: Any = None
    threshold: Threshold = None  # a number without labels says that texts may have several

    @property
    def labeled(self) -> TrainingData:
        """The texts with a label; there must be some."""
        if self.data.labeled is None:
            raise InputError("no text has a label; pass some in y")
        return self.data.labeled

    @property
    def n_labeled(self) -> int:
        """Texts with a label."""
        return 0 if self.data.labeled is None else len(self.data.labeled.examples)

    def truth(self) -> tuple[Array, Array, TaskKind]:
        """Return 1 for the labels that texts have, [n, n_classes], and the weights of the texts."""
        by_class = self.class_weight, self.class_prior
        return *class_targets(self.labeled, self.classes, *by_class), self.kind

    def offset(
        self, classes: list[Label], class_weight: Any, class_prior: Any, *, is_taught: bool = True
    ) -> Array:
        """Return what is added to scores, of classes with their weights and shares."""
        learned = None
        if is_taught and self.kind.has_several and self.data.labeled is not None:
            targets, weights, _ = self.truth()
            learned = base_log_odds(targets, weights)
        return class_offset(classes, class_weight, class_prior, self.kind, learned)

    def verdict(self, scores: Array | None) -> Verdict | None:
        """Decide by the scores of held-out texts as the classifier will, [n, n_classes]."""
        kind = self.kind
        targets, weights = class_targets(self.labeled, self.classes, None)
        shares = class_shares(self.classes, self.class_prior, kind)
        if shares is not None and not kind.has_several:  # new texts have these
            found = np.maximum(weights @ targets, np.finfo(float).tiny)
            weights = weights * (targets @ (shares / found * weights.sum()))
        return verdict(
            scores,
            targets,
            weights,
            kind,
            offset=self.offset(self.classes, self.class_weight, self.class_prior),
            thresholds=given_thresholds(self.threshold, self.classes),
            keys=text_keys(self.labeled.examples),
        )

    def folds(self, n_folds: int) -> Folds:
        """Return the fold in which each labelled text is held out, -1 for none."""
        keys = text_keys(self.labeled.examples)[:, None]
        return held_out_folds(keys, *self.truth(), n_folds)

    def part(self, rows: Any) -> Task:
        """Return the task with some of the labelled texts."""
        data = SemiSupervisedData(self.labeled.take(rows), self.data.pool)
        return Task(**{**vars(self), "data": data})


@dataclass(frozen=True)
class Clock:
    """Seconds that a fit may take, and how many are left."""

    seconds: float
    start: float

    @classmethod
    def of(cls, seconds: float) -> Clock:
        """Start a clock now."""
        return cls(seconds, time.perf_counter())

    def spent(self) -> float:
        """Return the seconds since the start."""
        return time.perf_counter() - self.start

    def left(self) -> float:
        """Return the seconds that are left, 0 or fewer when time is over."""
        return self.seconds - self.spent()


def read_budget(time_budget: Any, n_labeled: int) -> float:
    """Return a budget in seconds; by default a minute, and more for more than forty texts."""
    if time_budget is None:
        extra = max(0, n_labeled - _TEXTS)
        return float(min(_LEAST_BUDGET + extra, _MOST_BUDGET))
    if is_positive(time_budget):
        return float(time_budget)
    match = _BUDGET.fullmatch(time_budget.strip()) if isinstance(time_budget, str) else None
    if match is None or float(match[1]) <= 0:
        raise InputError(
            "time_budget is a number of seconds above 0, or text such as '30s', '5min' or '1h', "
            f"got {time_budget!r}"
        )
    return float(match[1]) * _UNITS[match[2] or "s"]


def choose_model(model: Any, seconds: float) -> Any:
    """Return the model to use: ``"auto"`` is the largest embedded one that is here and in time."""
    if not (isinstance(model, str) and model == "auto"):
        return model
    found = [name for name, known in EMBEDDED.items() if local_encoder(known) is not None]
    is_short = seconds < _LEAST_OF_BASE
    # Without any, the error of the smallest says what to do.
    return MINI_NAME if is_short or not found else found[-1]


def read_classes(
    labels: Sequence[Label] | None,
    descriptions: Mapping[Label, Any] | None,
    labeled: TrainingData | None,
) -> tuple[list[Label], list[Label], Verbalizer | None]:
    """Return the classes, what they are called, and the words of each if there are descriptions."""
    given = None if descriptions is None else _described(descriptions)
    if given is not None and labels is None and labeled is None:
        labels = list(given)
    if labels is None and labeled is None:
        raise VerbalizerError(
            "there are neither labelled texts nor names of classes; pass X and y, or name the "
            "classes with labels= or descriptions="
        )
    classes, names = resolve_classes(None, labels, labeled)
    if given is None:
        return classes, names, None
    unknown = [label for label in given if label not in names]
    if unknown:
        raise VerbalizerError(
            f"descriptions has the labels {unknown[:5]}, which are unknown; known are {names}. "
            "Name all of them with labels= if some have no text"
        )
    return classes, names, _verbalizer(names, given)


def named(
    classes: list[Label], names: Sequence[Label], data: SemiSupervisedData, *by_class: Any
) -> tuple[Any, ...]:
    """Return data and mappings with the names in place of the numbers that stand for them."""
    if data.labeled is None or list(names) == classes:
        return data, *by_class
    name_of = dict(zip(classes, names, strict=True))
    labels = [name_of[number] for number in data.labeled.one_each.values.tolist()]
    labeled = data.labeled._replace(labels=read_labels(labels, len(labels)))
    renamed = (
        {name_of[number]: value for number, value in given.items()}
        if isinstance(given, Mapping)
        else given
        for given in by_class
    )
    return SemiSupervisedData(labeled, data.pool), *renamed


def _described(descriptions: Any) -> dict[Label, list[str]]:
    if not isinstance(descriptions, Mapping) or not descriptions:
        raise VerbalizerError(
            "descriptions is a mapping of labels to a sentence, or to several, such as "
            f"{{'refund': 'a customer wants money back'}}, got {descriptions!r}"
        )
    found = {
        label: [text] if isinstance(text, str) else as_list(text) if is_sequence(text) else []
        for label, text in descriptions.items()
    }
    for label, texts in found.items():
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            raise VerbalizerError(
                f"descriptions[{label!r}] is a sentence or a list of some, got "
                f"{shorten(descriptions[label])}; leave a class out that has none"
            )
    return found


def _verbalizer(names: Sequence[Label], given: Mapping[Label, list[str]]) -> Verbalizer:
    """Return the words of each class: its name, if that is one, and its descriptions."""
    nameless = [name for name in names if not isinstance(name, str) and name not in given]
    if nameless:
        raise VerbalizerError(
            f"the labels {nameless[:5]} are no words; describe them too, as all others are"
        )
    own = [name for name in names if name not in given or is_word(name)]
    words = Verbalizer.from_labels(own).label_words if own else {}
    all_words = {name: [*words.get(name, ()), *given.get(name, ())] for name in names}
    return Verbalizer({name: list(dict.fromkeys(found)) for name, found in all_words.items()})


def template_for(fields: Sequence[str]) -> Template | None:
    """Return a template for fields of other names than the usual one."""
    if tuple(fields) == ("text",):
        return None
    found = default_template(fields)
    return Template(found.text.replace("{text}", f"{{{fields[0]}}}")) if len(fields) == 1 else found


def read_rows(X: Any, y: Any, sample_weight: Any) -> TrainingData | None:
    """Read what was passed to ``fit``; warn of equal texts that have several labels."""
    if X is None and y is not None:
        raise InputError("y was passed without X; pass the texts too, or neither")
    if X is None:
        return None
    rows = read_training_data(X, y, sample_weight)
    if not rows.labels.kind.has_several:
        _warn_contradictions(rows)
    return rows


def _warn_contradictions(rows: TrainingData) -> None:
    labels: dict[Any, dict[Label, None]] = {}
    texts: dict[Any, str] = {}
    labeled = rows.take(np.flatnonzero(rows.labels.is_labeled))
    joined, values = labeled.examples.joined(), labeled.one_each.values.tolist()
    for key, text, label in zip(text_keys(labeled.examples).tolist(), joined, values, strict=True):
        labels.setdefault(key, {})[label] = None
        texts[key] = text
    found = [key for key, several in labels.items() if len(several) > 1]
    if found:
        named = " and ".join(map(repr, labels[found[0]]))
        warn_user(
            f"{len(found)} texts have several labels: {shorten(texts[found[0]])} is labelled "
            f"{named}. All are learned from; correct those that are wrong",
            FewShotWarning,
        )
