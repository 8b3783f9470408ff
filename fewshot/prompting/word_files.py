"""Readers of files of label words: OpenPrompt's text and JSON, PET's text, and our own YAML."""

# They check the form of a file only; Verbalizer checks the words.

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from json import JSONDecodeError
from pathlib import Path
from typing import TypeVar

from fewshot.data.examples import shorten
from fewshot.data.files import parse_json, read_text
from fewshot.data.labels import Label, read_label_set
from fewshot.data.settings import is_whole
from fewshot.errors import VerbalizerError
from fewshot.prompting.label_entries import read_entries
from fewshot.prompting.yaml_files import check_keys, read_typed_words, read_yaml

_JSON_SUFFIXES = (".json", ".jsonl")
_YAML_SUFFIXES = (".yaml", ".yml")
_TEXT_SUFFIXES = (".txt", ".csv", "")
_DIGITS = 9  # of a pattern id

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class LabelWordRows:
    """The label words of one verbalizer as a file gives them, one entry per class."""

    labels: tuple[Label, ...] | None  # None where the format does not name the classes
    words: tuple[object, ...]

    def named(self, labels: Sequence[Label] | None) -> dict[Label, object]:
        """Return the words by label, by default the file's own or else each class's first word."""
        if labels is None:
            names = read_label_set(self._own_labels())
            return dict(zip(names, self.words, strict=True))
        names = read_label_set(labels)
        if self.labels is not None:
            return self._reordered(names)
        if len(names) != len(self.words):
            raise VerbalizerError(
                f"expected a line for each of the {len(names)} labels {list(names)}, "
                f"got {len(self.words)} lines; the first begin with {self._own_labels()[:3]}"
            )
        return dict(zip(names, self.words, strict=True))

    def _own_labels(self) -> Sequence[object]:
        if self.labels is not None:
            return self.labels
        return [_first_word(words) for words in self.words]

    def _reordered(self, names: Sequence[Label]) -> dict[Label, object]:
        own = dict(zip(map(str, self.labels or ()), self.words, strict=True))
        missing = [name for name in names if str(name) not in own]
        extra = sorted(own.keys() - set(map(str, names)))
        if missing or extra:
            raise VerbalizerError(
                f"the file's labels differ from labels={list(names)}: "
                f"missing in the file {missing}, only in the file {extra}"
            )
        return {name: own[str(name)] for name in names}


def read_label_words(path: Path, index: int) -> LabelWordRows:
    """Read one verbalizer (in PET's files, a pattern id) of a file; the suffix gives the format."""
    suffix = path.suffix.lower()
    if not is_whole(index, 0):
        raise VerbalizerError(f"index is a number from 0, got {shorten(index)}")
    if suffix in _YAML_SUFFIXES:
        return _pick([_read_own(path)], index, path)
    if suffix in _JSON_SUFFIXES:
        return _read_json(path, index)
    if suffix in _TEXT_SUFFIXES:
        lines = [line.strip() for line in read_text(path, VerbalizerError).split("\n")]
        is_pet = next((line.isdecimal() and len(line) <= _DIGITS for line in lines if line), False)
        return _read_pet(lines, index, path) if is_pet else _read_openprompt(lines, index, path)
    known = [*_TEXT_SUFFIXES[:-1], *_JSON_SUFFIXES, *_YAML_SUFFIXES]
    raise VerbalizerError(f"{path}: the suffix {suffix!r} gives no known format; known are {known}")


def _first_word(words: object) -> object:
    if isinstance(words, Iterable) and not isinstance(words, str):
        words = next(iter(words), "")
    return words.strip() if isinstance(words, str) else words


def _read_own(path: Path) -> LabelWordRows:
    content = read_yaml(path)
    if "verbalizers" in content:
        raise VerbalizerError(
            f"{path}: this is the file of a task with several verbalizers; "
            f"read it with fewshot.load_task({str(path)!r}).verbalizer"
        )
    check_keys(content, ["label_type", "label_words"], [], str(path))
    words = read_typed_words(content["label_type"], content["label_words"], str(path))
    return LabelWordRows(tuple(words), tuple(words.values()))


def _read_json(path: Path, index: int) -> LabelWordRows:
    text = read_text(path, VerbalizerError)
    try:
        content = _parse_json(text)
    except ValueError as error:
        raise VerbalizerError(f"{path}: not valid JSON: {error}") from error
    verbalizer = _pick(content if isinstance(content, list) else [content], index, path)
    if isinstance(verbalizer, dict):
        return LabelWordRows(tuple(verbalizer), tuple(verbalizer.values()))
    if isinstance(verbalizer, list):
        return LabelWordRows(None, tuple(verbalizer))
    raise VerbalizerError(
        f"{path}: expected an object of label: words, or a list with one such object or list "
        f"of words per verbalizer; got {verbalizer!r:.60}"
    )


def _parse_json(text: str) -> object:
    try:
        return parse_json(text, object_pairs_hook=_refuse_twice)
    except JSONDecodeError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if error.msg != "Extra data" or len(lines) < 2:
            raise
        return [parse_json(line, object_pairs_hook=_refuse_twice) for line in lines]


def _refuse_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(k for k in keys if keys.count(k) > 1)!r} is duplicated")
    return content


def _read_pet(lines: Sequence[str], index: int, path: Path) -> LabelWordRows:
    """Read a pattern id on a line of its own, then lines of a label and its words."""
    verbalizers: dict[int, list[list[str]]] = {}
    for number, line in enumerate(lines, start=1):
        if line.isdecimal() and len(line) <= _DIGITS:
            rows = verbalizers.setdefault(int(line), [])
        elif line:
            label, *words = line.split()
            _check_words(label, words, f"{path}, line {number}")
            rows.append([label, *words])
    if index not in verbalizers:
        raise VerbalizerError(
            f"{path}: no words for pattern {index}; "
            f"the file has index={' or '.join(map(str, sorted(verbalizers)))}"
        )
    rows = verbalizers[index]
    labels = [label for label, *_ in rows]
    twice = [label for label in labels if labels.count(label) > 1]
    if twice:
        raise VerbalizerError(f"{path}: the label {twice[0]!r} is duplicated in pattern {index}")
    return LabelWordRows(tuple(labels), tuple(words for _, *words in rows))


def _read_openprompt(lines: Sequence[str], index: int, path: Path) -> LabelWordRows:
    """Read one class per line, its words separated by commas; a blank line ends a verbalizer."""
    verbalizers: list[list[list[str]]] = [[]]
    for number, line in enumerate(lines, start=1):
        if line:
            place = f"{path}, line {number}"
            words = _quoted(line, place) if path.suffix.lower() == ".csv" else line.split(",")
            _check_words(words[0], words, place)
            verbalizers[-1].append(words)
        elif verbalizers[-1]:
            verbalizers.append([])
    return LabelWordRows(None, tuple(_pick([rows for rows in verbalizers if rows], index, path)))


def _quoted(line: str, place: str) -> list[str]:
    try:
        return next(csv.reader([line], skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise VerbalizerError(f"{place}: {error}; double the quotes within a word") from error


def _check_words(label: str, words: Sequence[str], place: str) -> None:
    try:
        read_entries(label, words)
    except VerbalizerError as error:
        raise VerbalizerError(f"{place}: {error}") from error


def _pick(verbalizers: Sequence[_Item], index: int, path: Path) -> _Item:
    if index >= len(verbalizers):
        raise VerbalizerError(
            f"{path}: index={index}, but the file holds {len(verbalizers)} verbalizer(s), "
            "counted from 0"
        )
    return verbalizers[index]
