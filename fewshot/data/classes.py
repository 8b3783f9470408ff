"""Classes of a classifier, and targets and weights of its texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from fewshot.data.examples import Examples, shorten
from fewshot.data.label_sets import LabelSets
from fewshot.data.labels import Label, Labels, read_label_set
from fewshot.data.settings import is_number, one_of
from fewshot.data.task_kind import ONE_LABEL, TaskKind
from fewshot.data.training_data import TrainingData, read_training_data
from fewshot.errors import InputError, LabelWordWarning, UnlabeledWarning, warn_user

# None: "auto" where texts have several labels. Any other says that they may, even without labels.
Threshold: TypeAlias = "float | Mapping[Label, float] | Literal['auto'] | None"

_LEAST_WEIGHT = np.finfo(np.float64).tiny  # in place of a weight of 0, whose log is infinite
_SUM_TOLERANCE = 1e-6


@dataclass(frozen=True)
class LabeledTexts:
    """The texts that have a label and a weight, with the classes that all texts are of."""

    classes: list[Label]
    examples: Examples
    targets: npt.NDArray[np.float64]  # [n, classes], one-hot if a text has one label
    weights: npt.NDArray[np.float64]  # [n], above 0
    kind: TaskKind = ONE_LABEL
    thresholds: npt.NDArray[np.float64] | None = None  # [n_classes], those that the user sets


def read_labeled_texts(
    X: Any,
    y: Any,
    sample_weight: Any,
    *,
    labels: Sequence[Label] | None,
    class_weight: Any,
    threshold: Any = None,
) -> LabeledTexts:
    """Check what was passed to the ``fit`` of a classifier that learns from labels only."""
    if y is None:
        raise InputError(
            "requires y to be passed, but the target y is None: y is a sequence of labels"
        )
    data = read_training_data(X, y, sample_weight)
    if data.labels.n_minus_one:
        warn_user(
            f"{data.labels.n_minus_one} rows of y with -1 count as unlabelled; if -1 is a class, "
            "give it another number",
            UnlabeledWarning,
        )
    kind = task_kind(data.labels, threshold)
    classes = class_labels(data.labels, labels)
    thresholds = given_thresholds(threshold, classes)
    targets, weights = class_targets(data, classes, class_weight)
    used = np.flatnonzero(weights > 0)
    if not len(used):
        has_label = data.labels.is_labeled.any()
        missing = "no text has a label and a weight above 0" if has_label else "no text has a label"
        raise InputError(f"{missing}; label at least one")
    check_any_label(targets[used])
    examples = data.examples.take(used)
    return LabeledTexts(classes, examples, targets[used], weights[used], kind, thresholds)


def check_any_label(targets: npt.NDArray[np.float64]) -> None:
    """Refuse labelled texts none of which has any label."""
    if not targets.any():
        raise InputError(
            "all labelled texts have an empty set of labels, which teaches nothing of any label; "
            "pass some that have one"
        )


def class_labels(
    labels: Labels | LabelSets | None, given: Sequence[Label] | None = None
) -> list[Label]:
    """Return the classes: those given, else those that occur; sorted, or as the columns of y."""
    if isinstance(labels, LabelSets):
        return labels.resolve(given)
    found = [] if labels is None else labels.classes()
    classes = found if given is None else sorted(read_label_set(given))
    if _are_numbers(found, classes):
        warn_user(
            f"y holds numbers and the classes are named: 0 to {len(classes) - 1} stand for "
            f"{classes}, sorted as scikit-learn numbers labels (in voting, stacking, "
            "cross_val_predict). If yours mean others, number the classes in the same way where "
            "you name them (labels=, words)",
            LabelWordWarning,
        )
        return list(range(len(classes)))
    if given is not None and found == list(range(len(found))) == classes[: len(found)]:
        _warn_fewer(found, classes)
    unknown = [label for label in found if label not in classes]
    if unknown:
        raise InputError(
            f"y holds the labels {unknown[:5]}, which are unknown; known are {classes}. "
            f"{_advice(unknown, classes)}"
        )
    if not classes:
        raise InputError(
            "no text has a label: y holds None or -1 in every row. Label some texts, or name the "
            "classes with labels="
        )
    if len(classes) < 2:
        raise InputError(
            f"a classifier needs 2 classes at least, got {len(classes)} class: {classes}. "
            "Name all of them with labels= if some have no example"
            f"{_minus_one_advice(labels)}"
        )
    return classes


def class_targets(
    data: TrainingData, classes: Sequence[Label], class_weight: Any, class_prior: Any = None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return targets [n, n_classes] and weights [n]; rows without a label weigh 0."""
    # The shares of `class_prior` are added to scores in which all classes are equally frequent.
    class_offset(classes, class_weight)
    labeled, targets = data.labels.is_labeled, data.labels.targets(classes)
    weights = np.where(labeled, data.sample_weight, 0.0)
    if labeled.any() and not weights.any():
        raise InputError("no text has a label and a sample_weight above 0; weigh at least one")
    if isinstance(class_weight, str) and data.labels.kind.has_several:
        raise InputError(
            "class_weight='balanced' weighs texts by their one class; where they have several "
            "labels, thresholds_ follow the frequency of each. Leave it out, or set threshold="
        )
    has_one = not data.labels.kind.has_several
    used = weights > 0
    if isinstance(class_weight, str):
        counts = targets[used].sum(0)
        weights *= used.sum() / (np.count_nonzero(counts) * (targets @ np.maximum(counts, 1)))
    elif class_prior is not None and has_one and used.any():
        sums = weights @ targets
        means = weights.sum() / (np.count_nonzero(sums) * np.where(sums > 0, sums, 1.0))
        weights *= targets @ means
    return targets, weights


def class_offset(
    classes: Sequence[Label],
    class_weight: Any,
    class_prior: Any = None,
    kind: TaskKind = ONE_LABEL,
    learned: npt.NDArray[np.float64] | None = None,  # log-odds of labels that scores hold
) -> npt.NDArray[np.float64]:
    """Return what is added to the scores of classes: logs of weights, and of shares or odds."""
    # `class_weight="balanced"` weighs texts in training instead, see `class_targets`.
    offset = np.zeros(len(classes))
    if isinstance(class_weight, Mapping):
        weights = _by_class(classes, class_weight, "class_weight", default=1.0)
        offset += np.log(np.maximum(weights, _LEAST_WEIGHT))
    elif not (class_weight is None or one_of(class_weight, ["balanced"])[0]):
        raise InputError(
            "class_weight is None, 'balanced' or a mapping of labels to weights, "
            f"got {shorten(class_weight)}"
        )
    shares = class_shares(classes, class_prior, kind)
    if shares is None:
        return offset
    if kind.has_several:
        known = -np.log(len(classes) - 1) if learned is None else learned
        return offset + np.log(shares / (1.0 - shares)) - known
    return offset + np.log(shares * len(classes))


def class_shares(
    classes: Sequence[Label], class_prior: Any, kind: TaskKind = ONE_LABEL
) -> npt.NDArray[np.float64] | None:
    """Return the shares of the classes that the user knows, [n_classes], or None."""
    if class_prior is None:
        return None
    if isinstance(class_prior, str) and class_prior == "uniform":
        return np.full(len(classes), 1.0 / len(classes))
    if not isinstance(class_prior, Mapping):
        raise InputError(
            "class_prior is None, 'uniform' or a mapping of all labels to their shares, "
            f"got {class_prior!r}"
        )
    shares = _by_class(classes, class_prior, "class_prior", default=0.0)
    if kind.has_several:
        if not ((shares > 0) & (shares < 1)).all():
            raise InputError(
                "class_prior holds the share of texts that have each label, above 0 and below 1, "
                f"for each of {list(classes)}; got {dict(class_prior)}"
            )
        return shares
    if not (shares > 0).all() or abs(shares.sum() - 1.0) > _SUM_TOLERANCE:
        raise InputError(
            f"class_prior holds a share above 0 for each of {list(classes)}, and they sum to 1; "
            f"got {dict(class_prior)}"
        )
    known: npt.NDArray[np.float64] = shares / shares.sum()
    return known


def task_kind(labels: Labels | LabelSets | None, threshold: Threshold) -> TaskKind:
    """Return whether texts have one label or several; a threshold says so where none is known."""
    if isinstance(labels, LabelSets) or threshold is None:
        return ONE_LABEL if labels is None else labels.kind
    if labels is not None and labels.is_labeled.any():
        raise InputError(
            "threshold= is for texts with several labels, and y holds one label for each: pass a "
            "list of labels for each text, or columns of 0 and 1, or leave threshold out"
        )
    return TaskKind("lists")


def given_thresholds(
    threshold: Threshold, classes: Sequence[Label]
) -> npt.NDArray[np.float64] | None:
    """Return the thresholds that a user has set, [n_classes], or None."""
    if threshold is None or (isinstance(threshold, str) and threshold == "auto"):
        return None
    by_label: Mapping[Any, Any] = (
        threshold if isinstance(threshold, Mapping) else dict.fromkeys(classes, threshold)
    )
    values: list[Any] = [by_label.get(label) for label in classes]
    is_good = all(is_number(value) and 0 < value < 1 for value in values)
    if not is_good or len(by_label) != len(classes):
        raise InputError(
            "threshold is 'auto', a number between 0 and 1, or a mapping of all labels to such "
            f"numbers; the labels are {list(classes)}, got {shorten(threshold)}"
        )
    return np.array(values, dtype=np.float64)


def label_array(classes: Sequence[Label]) -> npt.NDArray[Any]:
    """Return classes as ``classes_`` holds them: int64, bool, or object for str."""
    kind = type(classes[0])
    return np.array(classes, dtype=object if kind is str else kind)


def _minus_one_advice(labels: Labels | None) -> str:
    n_rows = 0 if labels is None else labels.n_minus_one
    return (
        f"; {n_rows} rows with -1 count as unlabelled (OutputCodeClassifier marks classes so; use "
        "OneVsRestClassifier)"
        if n_rows
        else ""
    )


def _are_numbers(found: Sequence[Label], classes: Sequence[Label]) -> bool:
    """Return whether found labels are places of named classes; the last must be among them."""
    # Fewer classes would have been numbered otherwise, so that the last number shows that none
    # is missing.
    is_named = bool(classes) and isinstance(classes[0], str)
    is_int = bool(found) and type(found[0]) is int
    return is_named and is_int and min(found) == 0 and max(found) == len(classes) - 1


def _warn_fewer(found: Sequence[Label], classes: Sequence[Label]) -> None:
    missing = classes[len(found) :]
    if found and missing and type(found[0]) is int:
        warn_user(
            f"y holds the labels {found} of {classes}. If scikit-learn numbered them (in voting, "
            "stacking, cross_val_predict), they stand for others: there, name the classes of y "
            "only, 0 to n-1 (of words, Verbalizer.rename does that)",
            LabelWordWarning,
        )


def _advice(unknown: Sequence[Label], classes: Sequence[Label]) -> str:
    is_numbered = all(isinstance(label, int) and -1 <= label < len(classes) for label in unknown)
    if isinstance(classes[0], str) and isinstance(unknown[0], int):
        return (
            f"Numbers, which scikit-learn makes of labels, stand for the sorted classes if all "
            f"{len(classes)} are in y, else name those of y with labels=. Where classes are taken "
            "two at a time (OneVsRestClassifier, OneVsOneClassifier), leave out labels= and words"
        )
    if is_numbered:
        return (
            "scikit-learn makes the numbers 0 to n-1 of labels in "
            "cross_val_predict(method='predict_proba'), in stacking and in voting: number yours "
            "so there, all of them in y (of words, Verbalizer.rename does that). Else name these "
            "labels, too, where you name the others (labels=, words), or drop their rows"
        )
    return "Name them, too, where you name the others (labels=, words), or drop these rows"


def _by_class(
    classes: Sequence[Label], given: Mapping[Any, Any], name: str, *, default: float
) -> npt.NDArray[np.float64]:
    """Return finite numbers by class, 0 or more and not all zero."""
    unknown = [label for label in given if label not in classes]
    if unknown:
        raise InputError(f"{name} has unknown labels {unknown}; known are {list(classes)}")
    expected = f"{name} holds finite numbers, 0 or more and not all zero, got {dict(given)!r}"
    try:
        values = np.array([given.get(label, default) for label in classes], dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(expected) from error
    if not (np.isfinite(values) & (values >= 0)).all() or not values.any():
        raise InputError(expected)
    return values
