"""What ``fit`` reads and builds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from fewshot.benchmark.data_sets.data_set import DataSetInfo
from fewshot.benchmark.data_sets.tables import read_labeled, read_texts
from fewshot.benchmark.methods import build_method, takes_unlabeled
from fewshot.benchmark.spec import MethodSpec
from fewshot.cli.columns import find_label, find_text, labels_apart
from fewshot.cli.prompts import Prompt, read_training_prompt
from fewshot.cli.show import note
from fewshot.data.labels import Label
from fewshot.data.table_files import Row, read_table
from fewshot.data.unlabeled import Unlabeled
from fewshot.errors import InputError

_USES = {  # the parameters by which a classifier uses an option, if they are not called alike
    "template": ("template", "templates"),
    "task": ("template", "templates", "verbalizer", "descriptions"),
    "unlabeled": ("calibration",),  # or an argument of `fit`
    "seed": ("random_state",),
}
_TAKERS = {
    **dict.fromkeys(("template", "task", "tuning"), "prompt"),
    **{"unlabeled": "pet", "time_budget": "auto"},
}


@dataclass(frozen=True)
class LabeledFile:
    """Labeled texts of a file, and how they are prompted."""

    path: Path
    columns: dict[str, str]  # by field
    texts: list[Any]
    labels: list[Any]  # one for each text, or a list of them
    prompt: Prompt

    @property
    def has_several(self) -> bool:
        """Whether a text may have several labels."""
        return any(isinstance(label, list) for label in self.labels)

    @property
    def all_labels(self) -> list[Label]:
        """The labels of all texts, one after the other."""
        return list(chain.from_iterable(self.labels)) if self.has_several else self.labels

    def fit(self, classifier: Any, more: Sequence[Any]) -> None:
        """Fit a classifier to the texts, and to others without labels."""
        if more and takes_unlabeled(classifier):
            classifier.fit(self.texts, self.labels, unlabeled=Unlabeled(list(more)))
        else:  # those without a label serve calibration
            labels = [*self.labels, *[None] * len(more)]
            classifier.fit([*self.texts, *more], labels)


def read_labeled_file(
    path: Path,
    text: Sequence[str] | None,
    label: str | None,
    task: str | None,
    template: str | None,
    separator: str | None = None,
) -> LabeledFile:
    """Read a file of labeled texts; a separator parts several labels of a text."""
    prompt = read_training_prompt(task, template)
    rows: Sequence[Row] = read_table(path)
    column = find_label(rows, label)
    rows = labels_apart(rows, column, separator)
    columns = find_text(rows, text, prompt.fields, column)
    found = read_labeled(rows, list(columns.values()), column, path)
    labels: list[Any] = (
        [prompt.typed(row) for row in found.labels]
        if found.has_several
        else prompt.typed(found.one_label_each(path))
    )
    data = LabeledFile(path, columns, by_field(found.texts, columns), labels, prompt)
    names = sorted(set(data.all_labels), key=str)
    if len(names) < 2:
        raise InputError(
            f"{path} has only the labels {names} in {column!r}; add texts of another label"
        )
    if "-1" in names:
        note("-1 is a class here; texts without labels are given with --unlabeled.")
    return data


def read_unlabeled(
    path: Path, columns: Mapping[str, str] | None, text: Sequence[str] | None = None
) -> list[Any]:
    """Read a file of texts, in the same columns as the labeled ones if it has them."""
    rows = read_table(path)
    if columns is None or not all(name in rows[0].values for name in columns.values()):
        columns = find_text(rows, text, None if columns is None else tuple(columns))
    return by_field(read_texts(rows, list(columns.values()), path), columns)


def by_field(texts: Sequence[Any], columns: Mapping[str, str]) -> list[Any]:
    """Return texts of several columns under the names of their fields."""
    if len(columns) == 1:
        return list(texts)
    return [{name: text[column] for name, column in columns.items()} for text in texts]


def build(
    method: str, data: LabeledFile, settings: Mapping[str, Any], others: Mapping[str, Any]
) -> Any:
    """Build the classifier of a method as benchmarks do, with settings where they belong."""
    # `others` are options that are read elsewhere, and here only checked, and the seed.
    seed = others.get("seed")
    info = DataSetInfo(
        title=str(data.path),
        templates=data.prompt.templates or (data.prompt.template_for(data.columns),),
        verbalizer=data.prompt.verbalizer,
        labels=tuple(sorted(set(data.all_labels), key=str)),
        metric="accuracy",
        data_hash="",
    )
    classifier = build_method(MethodSpec(method, method), info, 0 if seed is None else seed)
    if not hasattr(classifier, "save"):
        raise InputError(f"{method!r} cannot be saved; it is for comparisons")
    known = classifier.get_params(deep=True)
    _check_used({**settings, **others}, classifier, method)
    for name, value in settings.items():
        places = [place for place in (f"estimator__{name}", name) if place in known]
        if value is not None:
            classifier.set_params(**{places[0]: value})
    if others.get("unlabeled") is not None:
        _check_pool(classifier)
    shown = {"verbose": 1} if "verbose" in known else {}
    return classifier.set_params(**shown)


def _check_used(options: Mapping[str, Any], classifier: Any, method: str) -> None:
    """Refuse options that are given and that the classifier cannot use."""
    known = {path.rsplit("__", 1)[-1] for path in classifier.get_params(deep=True)}
    for name, value in options.items():
        is_used = not known.isdisjoint(_USES.get(name, (name,)))
        if name == "unlabeled":
            is_used = is_used or takes_unlabeled(classifier)
        if value is not None and not is_used:
            other = f", or take --method {_TAKERS[name]}" if name in _TAKERS else ""
            option = name.replace("_", "-")
            raise InputError(f"--{option} is not a setting of {method!r}; leave it out{other}")


def _check_pool(classifier: Any) -> None:
    """Refuse texts without labels for a tuning that has no label words to calibrate by them."""
    from fewshot.classifiers.prompt import PromptClassifier
    from fewshot.tuning import resolve_tuning

    if not isinstance(classifier, PromptClassifier):
        return
    if not resolve_tuning(classifier.tuning).uses_label_words:
        raise InputError(
            f"--unlabeled calibrates label words, and --tuning {classifier.tuning} has none; leave "
            "it out, or take --method pet"
        )
