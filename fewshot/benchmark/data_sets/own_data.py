"""Data sets of the user's own: files, or a data set on the hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewshot.benchmark.data_sets.clean_splits import clean_pool, halved
from fewshot.benchmark.data_sets.columns import read_labelled
from fewshot.benchmark.data_sets.data_set import DataSet
from fewshot.benchmark.data_sets.hub import read_hub_split
from fewshot.benchmark.data_sets.protocols import Content, LabelledTexts, Pool
from fewshot.benchmark.data_sets.tables import read_table
from fewshot.errors import InputError, VerbalizerError
from fewshot.prompting.template import DEFAULT_TEMPLATE, Template
from fewshot.prompting.verbalizer import Verbalizer

_TERMS = "the user's own data"


@dataclass(frozen=True)
class OwnData:
    """Where texts of the user's own are.

    Parameters
    ----------
    name : str
    train : str
        A CSV, TSV, JSON lines or Parquet file or, with `hub`, the name of a split.
    text : str or sequence of str
        The column with the texts, or several columns.
    label : str
        The column with the labels. Whole numbers become strings.
    test : str, optional
        Another file or split. Without it half of each class of `train` is the test.
    hub : str, optional
        Id of a data set on the hub, or a folder that ``datasets`` can load.
    config : str, optional
        Which configuration of it.
    title : str, optional
        For tables; by default the name.
    verbalizer : mapping, optional
        Label words. By default the names of the labels are their words.
    """

    name: str
    train: str
    text: str | list[str]
    label: str
    test: str | None = None
    hub: str | None = None
    config: str | None = None
    title: str | None = None
    verbalizer: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for name in ("name", "train", "label", "test", "hub", "config", "title"):
            value = getattr(self, name)
            is_missing = value is None and name not in ("name", "train", "label")
            if not is_missing and not (isinstance(value, str) and value.strip()):
                raise InputError(f"the data set {self.name!r}: {name} is text, got {value!r}")
        if self.config is not None and self.hub is None:
            raise InputError(
                f"the data set {self.name!r}: config={self.config!r} is for data sets on the hub; "
                "give 'hub' too, or leave it out"
            )
        given: Any = self.text  # users are not held to annotations
        columns = [given] if isinstance(given, str) else given
        is_list = isinstance(columns, (list, tuple)) and len(columns) > 0
        if not is_list or not all(isinstance(name, str) and name for name in columns):
            raise InputError(
                f"the data set {self.name!r}: text is a column or a list of columns, got {given!r}"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns with text."""
        return (self.text,) if isinstance(self.text, str) else tuple(self.text)

    @property
    def source(self) -> str:
        """Where the texts are, for readers."""
        files = self.train if self.test is None else f"{self.train} and {self.test}"
        return (
            files
            if self.hub is None
            else f"the data set {self.hub} of the Hugging Face hub, {files}"
        )

    def read(self, part: str) -> LabelledTexts:
        """Read a file or split."""
        if self.hub is not None:
            return read_hub_split(self.hub, self.config, part, self.columns, self.label)
        path = Path(part).expanduser()
        return read_labelled(read_table(path), self.columns, self.label, path)


def load_own_data(own: OwnData) -> DataSet:
    """Load texts of the user's own; k of each class are drawn by seed.

    Parameters
    ----------
    own : OwnData

    Returns
    -------
    DataSet

    Raises
    ------
    InputError
        If a file or column is missing, or a row has no text or no label; the message names file
        and line. Also if there are fewer than two labels.
    HubError
        If the hub cannot be reached or has no such data set.
    VerbalizerError
        If the names of the labels are no words and none are given.
    """
    content = _content(own)
    return DataSet(
        name=own.name,
        title=own.name if own.title is None else own.title,
        licence=_TERMS,
        source=own.source,
        templates=(_default_template(own),),
        verbalizer=_verbalizer(own, content.labels),
        metric="accuracy",
        training=content.training,
        test=content.test,
        notes=content.notes,
    )


def read_verbalizer(
    name: str, label_words: Mapping[str, Any], labels: tuple[str, ...]
) -> Verbalizer:
    """Read label words that are given for a data set, in the order of its labels.

    Parameters
    ----------
    name : str
        The data set, for messages.
    label_words : mapping
    labels : tuple of str

    Returns
    -------
    Verbalizer

    Raises
    ------
    VerbalizerError
        If the labels differ.
    """
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
    labels = tuple(sorted(set(train.labels)))
    if len(labels) < 2:
        raise InputError(
            f"the data set {own.name!r}: {own.train} has only the label {labels[0]!r} in "
            f"{own.label!r}; at least two are needed"
        )
    if own.test is None:
        try:
            return halved(train, labels)
        except InputError as error:
            raise InputError(f"the data set {own.name!r}: {error}") from error
    test = own.read(own.test)
    unknown = sorted(set(test.labels) - set(labels))
    if unknown:
        raise InputError(
            f"the data set {own.name!r}: {own.test} has the label {unknown[0]!r}, which "
            f"{own.train} has not; that one has {list(labels)}"
        )
    pool, notes = clean_pool(train, test.texts)
    lost = sorted(set(labels) - set(pool.labels))
    if lost:
        raise InputError(
            f"the data set {own.name!r}: all training texts of the label {lost[0]!r} stand in "
            f"{own.test} too, or have two labels; add others"
        )
    return Content(Pool(pool), test, labels, notes)


def _default_template(own: OwnData) -> Template:
    if len(own.columns) == 1:
        return Template(DEFAULT_TEMPLATE)
    slots = " ".join(f"{{{column}}}" for column in own.columns)
    return Template(DEFAULT_TEMPLATE.replace("{text}", slots), own.columns)


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
