"""Verbalizers, which map the words at the mask to classes."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeAlias, cast

from fewshot.data.files import user_path
from fewshot.data.labels import Label, read_label_set
from fewshot.errors import VerbalizerError
from fewshot.prompting.found_terms import FoundTerm, data_frame, html_table, read_terms
from fewshot.prompting.label_entries import (
    Entries,
    check_distinct,
    drop_shared,
    name_words,
    pair_weights,
    read_entries,
)
from fewshot.prompting.word_files import read_label_words
from fewshot.prompting.yaml_files import check_keys, write_label_words

Words: TypeAlias = str | Sequence[str] | Mapping[str, float]
# Spelt out since Mapping is invariant in its keys.
LabelWordsMapping: TypeAlias = Mapping[str, Words] | Mapping[int, Words] | Mapping[Label, Words]
WeightsMapping: TypeAlias = (
    Mapping[str, Sequence[float]] | Mapping[int, Sequence[float]] | Mapping[Label, Sequence[float]]
)
OnShared: TypeAlias = Literal["raise", "drop"]

_SHOWN_WORDS, _SHOWN_LABELS = 5, 10  # in repr
_SHOWN_HTML_WORDS = 20
_GIVEN = "given"  # the source of words that a user wrote


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Verbalizer:
    """A mapping of labels to the words that stand for them at the mask.

    The order counts: labels are columns of the predicted probabilities, and a label's first
    word is its name where a method needs one. Values are frozen; two verbalizers with the same
    labels, words and weights in the same order are equal.

    Parameters
    ----------
    label_words : mapping
        For each label (all ``str``, or all ``int``) a word, a sequence of words, or a mapping of
        words to weights. Words without weights weigh 1.
    provenance : sequence of FoundTerm, default=()
        Origins of words, and words that were dropped, for display only; :meth:`to_yaml` leaves it
        out.

    Attributes
    ----------
    labels : tuple of str or int
        The labels in the given order.

    Raises
    ------
    VerbalizerError
        If there are fewer than two labels, a label has no words, a word is blank, duplicated in a
        class or shared by two, or weights are not finite, negative, or all zero.

    See Also
    --------
    Template : the cloze sentence with the mask.
    load_task : templates and verbalizers for well-known data sets.
    fewshot.knowledge : verbalizers that find their words in ``fit``.

    References
    ----------
    Schick and Schütze (2021), Exploiting Cloze Questions for Few Shot Text Classification and
    Natural Language Inference, section 3.

    Examples
    --------
    >>> verbalizer = Verbalizer({"neg": ["terrible", "bad"], "pos": {"great": 2.0, "good": 1.0}})
    >>> verbalizer["neg"]
    ('terrible', 'bad')
    >>> verbalizer.weights
    {'neg': (1.0, 1.0), 'pos': (2.0, 1.0)}
    >>> Verbalizer.from_labels(["Sci/Tech", "WrittenWork"])
    Verbalizer({'Sci/Tech': ['sci', 'tech'], 'WrittenWork': ['written work']})
    """

    labels: tuple[Label, ...]
    _entries: tuple[Entries, ...]
    provenance: tuple[FoundTerm, ...] = field(compare=False)

    def __init__(
        self, label_words: LabelWordsMapping, *, provenance: Sequence[FoundTerm] = ()
    ) -> None:
        if not isinstance(label_words, Mapping):
            raise VerbalizerError(
                "expected a mapping such as {'neg': ['bad'], 'pos': ['good']}, "
                f"got {type(label_words).__name__}: {label_words!r}"
            )
        labels = read_label_set(label_words)
        pairs = zip(labels, label_words.values(), strict=True)
        entries = {label: read_entries(label, words) for label, words in pairs}
        check_distinct(entries)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "_entries", tuple(entries.values()))
        object.__setattr__(self, "provenance", tuple(provenance))

    @property
    def label_words(self) -> dict[Label, tuple[str, ...]]:
        """The words of each label, in order."""
        return {label: tuple(word for word, _ in row) for label, row in self._items()}

    @property
    def weights(self) -> dict[Label, tuple[float, ...]]:
        """The weights of each label's words, in the order of the words."""
        return {label: tuple(weight for _, weight in row) for label, row in self._items()}

    def __getitem__(self, label: Label) -> tuple[str, ...]:
        """Return the words of a label."""
        self._check_known([label])
        return tuple(word for word, _ in self._entries[self.labels.index(label)])

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Label]:
        return iter(self.labels)

    def __contains__(self, label: object) -> bool:
        return label in self.labels

    def subset(self, labels: Iterable[Label]) -> Verbalizer:
        """Return the verbalizer of these labels, in this order."""
        chosen = list(labels)
        self._check_known(chosen)
        words = dict(self._items())
        notes = [note for note in self.provenance if note.label in chosen]
        return Verbalizer({label: dict(words[label]) for label in chosen}, provenance=notes)

    def rename(self, labels: Mapping[str, Label] | Mapping[int, Label]) -> Verbalizer:
        """Return the verbalizer with other labels for the same words.

        Parameters
        ----------
        labels : mapping of old to new labels
            For all labels, such as ``{"neg": 0, "pos": 1}``.
        """
        new: dict[Label, Label] = dict(labels.items())
        self._check_known(new)
        missing = [label for label in self.labels if label not in new]
        if missing:
            raise VerbalizerError(f"no new name for the label {missing[0]!r}; name all labels")
        if len(set(new.values())) < len(new):
            raise VerbalizerError(f"new labels must differ, got {list(new.values())}")
        notes = [replace(note, label=new[note.label]) for note in self.provenance]
        return Verbalizer({new[label]: dict(row) for label, row in self._items()}, provenance=notes)

    def with_weights(self, weights: WeightsMapping) -> Verbalizer:
        """Return the verbalizer with other weights for the same words.

        Parameters
        ----------
        weights : mapping of label to sequence of float
            For all labels, one weight per word, in the order of the words.
        """
        given: dict[Label, Sequence[float]] = dict(weights.items())
        self._check_known(given)
        missing = [label for label in self.labels if label not in given]
        if missing:
            raise VerbalizerError(f"no weights for the label {missing[0]!r}; weigh all labels")
        words = {
            label: pair_weights(label, row, list(given[label]))
            for label, row in self.label_words.items()
        }
        return Verbalizer(words, provenance=self.provenance)

    @property
    def coverage(self) -> dict[Label, int]:
        """The number of words of each label; one may be too few."""
        return {label: len(row) for label, row in self._items()}

    def to_frame(self) -> Any:  # pandas is optional
        """Return a table of the words, with their weights and origins, and of dropped words.

        Returns
        -------
        pandas.DataFrame
            A row for each word, those that were dropped after the others.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        return data_frame(self._notes())

    def to_dict(self) -> dict[str, list[object]]:
        """Return lists of labels, words and weights (and provenance, if any), fit for JSON."""
        content: dict[str, list[object]] = {
            "labels": list(self.labels),
            "label_words": [list(words) for words in self.label_words.values()],
            "weights": [list(weights) for weights in self.weights.values()],
        }
        if self.provenance:
            content["provenance"] = [asdict(note) for note in self.provenance]
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Sequence[object]]) -> Verbalizer:
        """Return the verbalizer of which :meth:`to_dict` made `content`.

        Raises
        ------
        VerbalizerError
            If keys are missing or unknown, or the values are not lists of the same length.
        """
        if not all(isinstance(rows, (list, tuple)) for rows in content.values()):
            raise VerbalizerError(f"from_dict: expected lists as of to_dict(), got {content!r}")
        keys = ["labels", "label_words", "weights"]
        check_keys(content, keys, ["provenance"], "from_dict")
        lengths = {key: len(content[key]) for key in keys}
        if len(set(lengths.values())) > 1:
            raise VerbalizerError(f"from_dict: expected one entry per label, got {lengths}")
        labels = read_label_set(content["labels"])
        rows = zip(labels, content["label_words"], content["weights"], strict=True)
        words = {label: pair_weights(label, words, weights) for label, words, weights in rows}
        return cls(words, provenance=read_terms(content.get("provenance", [])))

    @classmethod
    def from_labels(cls, labels: Iterable[Label]) -> Verbalizer:
        """Make words out of label names.

        Names are lower-cased, underscores, hyphens and other signs become spaces, and so do the
        joints of CamelCase; text in parentheses is dropped. A slash, ampersand, comma, semicolon or
        bar splits a name into several words ("Sci/Tech" to "sci" and "tech"), unless two labels
        would share one: then each name stays one word.

        Parameters
        ----------
        labels : iterable of str

        Returns
        -------
        Verbalizer

        Raises
        ------
        VerbalizerError
            If labels are numbers or have no letters, or two names become the same word.
        """
        return cls(name_words(read_label_set(labels)))

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        labels: Sequence[Label] | None = None,
        *,
        index: int = 0,
        on_shared: OnShared = "raise",
    ) -> Verbalizer:
        """Read label words from a file of OpenPrompt's, PET's or ours.

        The suffix gives the format. ``.txt`` and ``.csv``: one class per line, words separated by
        commas, a blank line before the next verbalizer (OpenPrompt); or, if the first line is a
        number, a line with a pattern id, then one line per label with its words (PET). ``.json``
        and ``.jsonl``: a mapping, or a list of mappings or lists, one per verbalizer. ``.yaml``:
        what :meth:`to_yaml` writes.

        Parameters
        ----------
        path : str or path
            The file.
        labels : sequence of str or int, optional
            The labels in the order of the file's classes; where the file names its classes, the
            same labels in the wanted order and type. By default the file's own labels, or else
            the first word of each class.
        index : int, default=0
            Which verbalizer of the file; in PET's files, the pattern id.
        on_shared : {"raise", "drop"}, default="raise"
            The treatment of words that two classes share. ``"drop"`` removes them from every
            class in which they are not the first word, and repetitions within a class, as
            knowledgeable prompt tuning does (Hu et al., 2022).

        Returns
        -------
        Verbalizer

        Raises
        ------
        VerbalizerError
            If the file is not well formed, or does not fit `labels`; names the line if it can.
        FileError
            If the file cannot be read.
        """
        if on_shared not in ("raise", "drop"):
            raise VerbalizerError(f"on_shared is 'raise' or 'drop', got {on_shared!r}")
        rows = read_label_words(user_path(path), index)
        try:
            label_words = rows.named(labels)
            if on_shared == "drop":
                return cls(drop_shared(label_words))
            return cls(cast("Mapping[Label, Words]", label_words))  # checked by the constructor
        except VerbalizerError as error:
            raise VerbalizerError(f"{os.fspath(path)}: {error}") from error

    def to_yaml(self, path: str | os.PathLike[str]) -> None:
        """Write a file that :meth:`from_file` reads; it appears whole or not at all."""
        write_label_words(user_path(path), self._plain())

    def _plain(self) -> dict[Label, object]:
        """Return words by label, as YAML files have them, with weights if any differs from 1."""
        if any(weight != 1.0 for row in self._entries for _, weight in row):
            return {label: dict(row) for label, row in self._items()}
        return {label: list(words) for label, words in self.label_words.items()}

    def __repr__(self) -> str:
        shown = [f"{label!r}: {_show(row)}" for label, row in self._items()]
        more = len(shown) - _SHOWN_LABELS
        tail = [f"... {more} more labels"] if more > 0 else []
        return f"Verbalizer({{{', '.join(shown[:_SHOWN_LABELS] + tail)}}})"

    def _repr_html_(self) -> str:
        if self.provenance:
            return html_table(self._notes())
        rows = []
        for label, words in self.label_words.items():
            more = len(words) - _SHOWN_HTML_WORDS
            cell = ", ".join(words[:_SHOWN_HTML_WORDS]) + f" and {more} more" * (more > 0)
            rows.append(f"<tr><th>{html.escape(str(label))}</th><td>{html.escape(cell)}</td></tr>")
        head = "<tr><th>label</th><th>words</th></tr>"
        return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"

    def _notes(self) -> list[tuple[FoundTerm, float]]:
        """Return the origin and weight of each word, and then of those that were dropped."""
        known = {(note.label, note.term): note for note in self.provenance if not note.dropped}
        rows = [
            (known.get((label, word), FoundTerm(label, word, _GIVEN)), weight)
            for label, row in self._items()
            for word, weight in row
        ]
        return rows + [(note, 0.0) for note in self.provenance if note.dropped]

    def _items(self) -> Iterable[tuple[Label, Entries]]:
        return zip(self.labels, self._entries, strict=True)

    def _check_known(self, labels: Iterable[Label]) -> None:
        for label in labels:
            if label not in self.labels:
                raise VerbalizerError(
                    f"the verbalizer has no label {label!r}; its labels are {list(self.labels)}"
                )


def _show(entries: Entries) -> str:
    is_weighted = any(weight != 1.0 for _, weight in entries)
    shown = [f"{word!r}: {weight}" if is_weighted else repr(word) for word, weight in entries]
    more = len(shown) - _SHOWN_WORDS
    tail = [f"... {more} more"] if more > 0 else []
    text = ", ".join(shown[:_SHOWN_WORDS] + tail)
    return f"{{{text}}}" if is_weighted else f"[{text}]"
