"""The user's own data sets: files, or a data set on the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fewshot.benchmark.data_sets.data_set import DataSet
from fewshot.benchmark.data_sets.splits import Content, LabeledTexts, Pool, clean_pool, halved
from fewshot.benchmark.data_sets.tables import describe_hub, read_hub, read_labeled, split_labels
from fewshot.benchmark.metrics import label_names
from fewshot.data.files import user_path
from fewshot.data.table_files import Row, read_table
from fewshot.errors import InputError, VerbalizerError
from fewshot.prompting.template import default_template
from fewshot.prompting.verbalizer import Verbalizer

_TERMS = "the user's own data"
_REQUIRED = ("name", "train", "label")  # of the settings that are text


@dataclass(frozen=True)
class OwnData:
    """The settings of a data set of the user's own."""

    name: str
    train: str  # a file or, with `hub`, a split
    text: str | list[str]  # the column with the texts, or several columns
    label: str  # the column with the labels
    test: str | None = None  # without it, half of each class of `train`
    hub: str | None = None  # an id, or a folder that `datasets` can load
    config: str | None = None  # of the hub data set
    title: str | None = None  # for tables; by default the name
    label_separator: str | None = None  # between the labels of a text that may have several
    verbalizer: Mapping[str, Any] | None = None  # by default the names of the labels

    def __post_init__(self) -> None:
        for name in (*_REQUIRED, "test", "hub", "config", "title", "label_separator"):
            value = getattr(self, name)
            is_missing = value is None and name not in _REQUIRED
            if not is_missing and not (isinstance(value, str) and value.strip()):
                raise InputError(f"the data set {self.name!r}: {name} is text, got {value!r}")
        if self.config is not None and self.hub is None:
            raise InputError(
                f"the data set {self.name!r}: config={self.config!r} is for data sets on the hub; "
                "add 'hub', or leave it out"
            )
        given: Any = self.text  # users are not held to annotations
        columns = [given] if isinstance(given, str) else given
        is_list = isinstance(columns, (list, tuple)) and len(columns) > 0
        if not is_list or not all(isinstance(name, str) and name for name in columns):
            raise InputError(
                f"the data set {self.name!r}: text is a column or a list of columns, got {given!r}"
            )

        if self.label in columns:
            raise InputError(
                f"the data set {self.name!r}: the column {self.label!r} cannot hold both the texts "
                "and the labels; name another in text or label"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns with text."""
        return (self.text,) if isinstance(self.text, str) else tuple(self.text)

    @property
    def source(self) -> str:
        """Description of the source, for readers."""
        files = self.train if self.test is None else f"{self.train} and {self.test}"
        return files if self.hub is None else f"{files} of {self.hub} on the Hugging Face hub"

    def read(self, part: str) -> LabeledTexts:
        """Read a file or split."""
        rows: Sequence[Row]
        if self.hub is not None:
            place: object = describe_hub(self.hub, self.config, part)
            rows = read_hub(self.hub, self.config, part, self.label)
        else:
            place = user_path(part)
            rows = read_table(user_path(part))
        rows = split_labels(rows, self.label, self.label_separator)
        return read_labeled(rows, self.columns, self.label, place)


def load_own_data(own: OwnData) -> DataSet:
    """Load texts of the user's own, from which a seed draws k per class."""
    content = _content(own)
    return DataSet(
        name=own.name,
        title=own.name if own.title is None else own.title,
        licence=_TERMS,
        source=own.source,
        templates=(default_template(own.columns),),
        verbalizer=_verbalizer(own, content.labels),
        metric="macro_f1" if content.test.has_several else "accuracy",
        training=content.training,
        test=content.test,
        notes=content.notes,
    )


def read_verbalizer(
    name: str, label_words: Mapping[str, Any], labels: tuple[str, ...]
) -> Verbalizer:
    """Read label words given for the data set `name`, in the order of its labels."""
    if not isinstance(label_words, Mapping):
        raise VerbalizerError(
            f"the data set {name!r}: verbalizer holds words by label, got {label_words!r}"
        )
    given = Verbalizer({str(label): label_words[label] for label in label_words})
    if set(given.labels) != set(labels):
        raise VerbalizerError(
            f"the data set {name!r}: the verbalizer has the labels {list(given.labels)}, "
            f"the texts have {list(labels)}"
        )
    return given.subset(labels)


def _content(own: OwnData) -> Content:
    train = own.read(own.train)
    labels = tuple(sorted(label_names(train.labels)))
    place = f"the data set {own.name!r}"
    if len(labels) < 2:
        raise InputError(
            f"{place}: {own.train} has only the label {labels[0]!r} in {own.label!r}; "
            "add texts of another label"
        )
    if own.test is None:
        try:
            return halved(train, labels)
        except InputError as error:
            raise InputError(f"{place}: {error}") from error
    test = own.read(own.test)
    if test.has_several != train.has_several:
        raise InputError(
            f"{place}: a text may have several labels in one of {own.train} and {own.test}, and "
            "has one in the other; write lists in both, or set label_separator"
        )
    unknown = sorted(label_names(test.labels) - set(labels))
    if unknown:
        raise InputError(
            f"{place}: {own.test} has the label {unknown[0]!r}, which {own.train} does not have; "
            f"its labels are {list(labels)}"
        )
    pool, notes = clean_pool(train, test.texts)
    lost = sorted(set(labels) - label_names(pool.labels))
    if lost:
        raise InputError(
            f"{place}: all training texts of the label {lost[0]!r} are in {own.test} too, or have "
            "two labels; add others"
        )
    return Content(Pool(pool), test, labels, notes)


def _verbalizer(own: OwnData, labels: tuple[str, ...]) -> Verbalizer:
    if own.verbalizer is not None:
        return read_verbalizer(own.name, own.verbalizer, labels)
    try:
        return Verbalizer.from_labels(labels)
    except VerbalizerError as error:
        raise VerbalizerError(
            f"the data set {own.name!r}: the labels {list(labels)} give no label words; add "
            f"'verbalizer' to its settings, such as {{{labels[0]!r}: [word, ...], ...}} ({error})"
        ) from error
