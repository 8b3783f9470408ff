"""Predictions compared with the labels of a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sklearn.metrics import precision_recall_fscore_support
from sklearn.preprocessing import MultiLabelBinarizer

from fewshot.benchmark.data_sets.splits import LabeledTexts
from fewshot.benchmark.data_sets.tables import read_labeled
from fewshot.benchmark.metrics import evaluate
from fewshot.benchmark.predictions import labels_of
from fewshot.classifiers.batch_predictor import fields_of
from fewshot.cli.columns import find_label, find_text, labels_apart
from fewshot.cli.fitting import by_field
from fewshot.data.table_files import Row, read_table
from fewshot.errors import InputError, did_you_mean


class Comparison(NamedTuple):
    """What an evaluation found."""

    n_rows: int
    scores: dict[str, float | None]
    per_class: dict[str, dict[str, float]]  # precision, recall, f1 and n


def compare(
    classifier: Any,
    test: Path,
    text: Sequence[str] | None,
    label: str | None,
    separator: str | None,
) -> Comparison:
    """Predict the texts of a file, and compare the predictions with its labels."""
    rows: Sequence[Row] = read_table(test)
    column = find_label(rows, label)
    rows = labels_apart(rows, column, separator)
    columns = find_text(rows, text, fields_of(classifier), column)
    has_several = classifier.thresholds_ is not None
    if has_several and not any(isinstance(row.values.get(column), list) for row in rows):
        raise InputError(
            f"the model gives a text several labels, and {column!r} of {test} holds one in each "
            "row: say what parts them, such as --label-separator ';'"
        )
    found = read_labeled(rows, list(columns.values()), column, test)
    if not has_several:
        found.one_label_each(test)  # refuses others
    classes = [str(name) for name in classifier.classes_]
    _check_known(found, rows, classes, test)
    proba = classifier.predict_proba(by_field(found.texts, columns))
    truth, predicted = list(found.labels), labels_of(classifier, proba)
    scores = evaluate(truth, predicted, proba, classes)
    return Comparison(len(rows), scores, _per_class(truth, predicted, classes, has_several))


def _check_known(
    found: LabeledTexts, rows: Sequence[Row], classes: Sequence[str], test: Path
) -> None:
    for row, names in zip(rows, found.labels, strict=True):
        for name in (names,) if isinstance(names, str) else names:
            if name not in classes:
                raise InputError(
                    f"{test}, line {row.line}: the model has no class {name!r}"
                    f"{did_you_mean(name, classes)}; its classes are {classes}"
                )


def _per_class(
    truth: list[Any], predicted: list[Any], classes: list[str], has_several: bool
) -> dict[str, dict[str, float]]:
    names: list[Any] = classes
    if has_several:
        indicators = MultiLabelBinarizer(classes=classes).fit([classes])
        truth, predicted = indicators.transform(truth), indicators.transform(predicted)
        names = list(range(len(classes)))
    values = precision_recall_fscore_support(truth, predicted, labels=names, zero_division=0)
    return {
        name: {"precision": p, "recall": r, "f1": f, "n": int(n)}
        for name, p, r, f, n in zip(classes, *(v.tolist() for v in values), strict=True)
    }
