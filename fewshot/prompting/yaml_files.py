"""Our YAML files, in which every value is read as the string that it is."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from fewshot.data.files import read_text, write_whole
from fewshot.data.labels import Label
from fewshot.errors import FewShotError, VerbalizerError, did_you_mean
from fewshot.prompting.label_entries import read_entries

_LABEL_TYPES = ("str", "int", "bool")
_BOOLS = {"true": True, "false": False}
_YAML_WIDTH = 100

_Number = TypeVar("_Number", int, float)


class Marked(dict[Any, Any]):
    """A mapping of a file, with the line of each key, from 1."""

    lines: Mapping[Any, int]


def read_yaml(path: Path) -> dict[str, object]:
    """Read a YAML mapping whose values stay strings: ``no`` is a word, not False."""
    text = read_text(path, VerbalizerError)
    try:
        content = yaml.load(text, _StrictLoader)
    except RecursionError as error:
        raise VerbalizerError(f"{path}: not valid YAML: it is nested too deeply") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # also of characters by number
        raise VerbalizerError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise VerbalizerError(
            f"{path}: expected keys with values, such as 'label_words:', "
            f"got {type(content).__name__}"
        )
    return content


def read_typed_label(label_type: object, label: object, source: str) -> Label:
    """Turn a string of a YAML file into a label of one of the label types."""
    if label_type not in _LABEL_TYPES:
        raise VerbalizerError(
            f"{source}: label_type is one of {list(_LABEL_TYPES)}, got {label_type!r}"
        )
    if not isinstance(label, str):
        raise VerbalizerError(f"{source}: expected a label, got {label!r}")
    if label_type == "bool" and label not in _BOOLS:
        raise VerbalizerError(f"{source}: a label of type bool is true or false, got {label!r}")
    if label_type == "bool":
        return _BOOLS[label]
    return _number(int, label, f"{source}: the label") if label_type == "int" else label


def read_typed_words(label_type: object, label_words: object, source: str) -> dict[Label, object]:
    """Turn the strings of a YAML file into labels with words and perhaps weights."""
    if not isinstance(label_words, Mapping):
        raise VerbalizerError(
            f"{source}: expected 'label: [word, ...]' for each label, got {label_words!r:.60}"
        )
    typed: dict[Label, object] = {}
    for label, words in label_words.items():
        place = f"{source}{line_of(label_words, label)}"
        key = read_typed_label(label_type, label, place)
        if key in typed:
            raise VerbalizerError(f"{place}: the label {key!r} is duplicated")
        typed[key] = words
        if isinstance(words, Mapping):
            typed[key] = {
                word: _number(float, weight, f"{place}: the weight")
                for word, weight in words.items()
            }
        try:
            read_entries(key, typed[key])
        except VerbalizerError as error:
            raise VerbalizerError(f"{place}: {error}") from error
    return typed


def line_of(mapping: object, key: object) -> str:
    """Return ``, line 5`` if a mapping knows the lines of its keys."""
    lines = mapping.lines if isinstance(mapping, Marked) else {}
    return f", line {lines[key]}" if key in lines else ""


def write_label_words(path: Path, label_words: Mapping[Label, object]) -> None:
    """Write a file that :func:`read_yaml` and :func:`read_typed_words` read."""
    label_type = type(next(iter(label_words))).__name__
    write_yaml(path, {"label_type": label_type, "label_words": dict(label_words)})


def write_yaml(path: Path, content: Mapping[str, object]) -> None:
    """Write a file that :func:`read_yaml` reads."""
    text = yaml.safe_dump(
        dict(content),
        allow_unicode=True,
        sort_keys=False,
        default_flow_style=None,
        width=_YAML_WIDTH,
    )
    write_whole(path, text)


def check_keys(
    content: Mapping[str, object],
    required: Collection[str],
    optional: Collection[str],
    source: str,
    error: type[FewShotError] = VerbalizerError,
) -> None:
    """Refuse a key that is unknown, naming the nearest, or missing."""
    known = [*required, *optional]
    for key in content:
        if key not in known:
            raise error(
                f"{source}: unknown key {key!r}{did_you_mean(key, known)}; known keys are {known}"
            )
    missing = [key for key in required if key not in content]
    if missing:
        raise error(f"{source}: the key {missing[0]!r} is missing; add '{missing[0]}:'")


class _StrictLoader(yaml.BaseLoader):
    """BaseLoader that refuses a duplicated key, of which YAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # refused below: such keys cannot be hashed
            if key.value in seen:
                problem = f"the key {key.value!r} is duplicated"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        made = Marked(super().construct_mapping(node, deep))
        made.lines = {key.value: key.start_mark.line + 1 for key, _ in node.value}
        return made


def _number(kind: type[_Number], text: object, source: str) -> _Number:
    try:
        return kind(str(text))
    except ValueError as error:
        raise VerbalizerError(f"{source} {text!r} is not of type {kind.__name__}") from error
