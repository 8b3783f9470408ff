"""The library: hand-made templates and label words for well-known data sets."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, cast

from fewshot.data.files import is_junk, user_path
from fewshot.data.labels import Label
from fewshot.errors import InputError, TemplateError, VerbalizerError, did_you_mean
from fewshot.prompting.template import Template
from fewshot.prompting.verbalizer import Verbalizer, Words
from fewshot.prompting.yaml_files import (
    check_keys,
    read_typed_label,
    read_typed_words,
    read_yaml,
    write_yaml,
)

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable  # new in Python 3.11


_DEFAULT = "default"
_TEXTS = ("name", "description", "source", "licence", "metric")
_KEYS = (*_TEXTS, "label_type", "fields", "labels", "templates", "verbalizers")
_METRICS = ("accuracy", "f1", "f1_macro", "f1_weighted", "matthews_corrcoef")
_SUFFIX = ".yaml"


@dataclass(frozen=True)
class Task:
    """Templates and label words for one data set.

    Parameters
    ----------
    name : str
        Name of the data set, such as ``"ag_news"``.
    description : str
        The task, and the meaning of the labels.
    source : str
        Origin of data set, templates and words.
    licence : str
        Terms of the data set, which is not part of this package.
    metric : str
        The metric that papers report, by its name in scikit-learn's ``scoring``.
    fields : tuple of str
        The fields of an example, in the order in which tuples give them.
    labels : tuple of str or int
        The labels of the data set.
    templates : tuple of Template
        At least one, the best known first.
    verbalizers : dict of str to Verbalizer
        Choices of label words; always one named ``"default"``.

    Raises
    ------
    TemplateError
        If a template has other fields than the task.
    VerbalizerError
        If a verbalizer has other labels than the task, or none is named ``"default"``.

    See Also
    --------
    load_task : reads one.
    list_tasks : names all of the library.

    Examples
    --------
    >>> task = load_task("sst2")
    >>> task.templates[0].text
    '{text} It was {mask}.'
    >>> task.verbalizers["lmbff"]
    Verbalizer({0: ['terrible'], 1: ['great']})
    """

    name: str
    description: str
    source: str
    licence: str
    metric: str
    fields: tuple[str, ...]
    labels: tuple[Label, ...]
    templates: tuple[Template, ...]
    verbalizers: Mapping[str, Verbalizer] = field(hash=False)

    def __post_init__(self) -> None:
        for template in self.templates:
            if template.field_names != self.fields:
                raise TemplateError(
                    f"the template {template.text!r} of task {self.name!r} has the fields "
                    f"{template.field_names}, the task has {self.fields}"
                )
        for name, verbalizer in self.verbalizers.items():
            if verbalizer.labels != self.labels:
                raise VerbalizerError(
                    f"verbalizer {name!r} of task {self.name!r} has the labels "
                    f"{list(verbalizer.labels)}, the task has {list(self.labels)}; "
                    "give words for each label, in the same order"
                )
        if _DEFAULT not in self.verbalizers:
            raise VerbalizerError(
                f"task {self.name!r} has the verbalizers {list(self.verbalizers)}; "
                f"name one of them {_DEFAULT!r}"
            )

    @property
    def verbalizer(self) -> Verbalizer:
        """The verbalizer named ``"default"``."""
        return self.verbalizers[_DEFAULT]

    def to_yaml(self, path: str | os.PathLike[str]) -> None:
        """Write a file that :func:`load_task` reads; it appears whole or not at all.

        Parameters
        ----------
        path : str or path

        Raises
        ------
        TemplateError
            If a template says how texts are shortened, for which the file has no place.
        """
        lost = [template for template in self.templates if template.shorten != "longest"]
        if lost:
            raise TemplateError(
                f"a task file holds the text of templates, not shorten={lost[0].shorten!r} of "
                f"{lost[0].text!r}; leave it out, and set it in the Template that is fitted"
            )
        labels = self.verbalizer.labels  # equal to the task's, as str, int or bool
        content = {key: getattr(self, key) for key in _TEXTS} | {
            "label_type": type(labels[0]).__name__,
            "fields": list(self.fields),
            "labels": list(labels),
            "templates": [template.text for template in self.templates],
            "verbalizers": {name: words._plain() for name, words in self.verbalizers.items()},
        }
        write_yaml(Path(path), content)


def load_task(name: str | os.PathLike[str]) -> Task:
    """Load templates and label words of a data set.

    Parameters
    ----------
    name : str or path
        A name of :func:`list_tasks`, or the path of a YAML file with the same keys.

    Returns
    -------
    Task

    Raises
    ------
    InputError
        If there is no such task.
    VerbalizerError, TemplateError
        If the file is not well formed; the message names the file and the key.

    See Also
    --------
    list_tasks : the names that are known.

    Examples
    --------
    >>> load_task("bbc_news").labels
    ('business', 'entertainment', 'politics', 'sport', 'tech')
    """
    given = os.fspath(name)
    if given.endswith((_SUFFIX, ".yml")) or Path(given).name != given:
        return _read_task(user_path(given))
    names = list_tasks()
    if given not in names:
        raise InputError(
            f"no task {given!r} in the library{did_you_mean(given, names)}; "
            f"the tasks are {names}; a file of your own is given by its path, '{given}.yaml'"
        )
    with resources.as_file(_folder() / f"{given}{_SUFFIX}") as path:
        return _read_task(path)


def list_tasks() -> list[str]:
    """Return the names of the library's tasks, sorted.

    Returns
    -------
    list of str

    See Also
    --------
    load_task : loads one of them.

    Examples
    --------
    >>> "ag_news" in list_tasks()
    True
    """
    names = (entry.name for entry in _folder().iterdir() if not is_junk(entry.name))
    return sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))


def _folder() -> Traversable:
    """Find the files in an installed package, else in a checkout."""
    package = resources.files("fewshot")
    installed = package / "_verbalizers"
    if installed.is_dir():
        return installed
    root = Path(str(package)).parent
    if (root / "pyproject.toml").is_file() and (root / "verbalizers").is_dir():
        return root / "verbalizers"
    raise InputError(
        f"the library's files are neither in {installed} nor in {root / 'verbalizers'}; "
        "install the package again: pip install --force-reinstall fewshot"
    )


def _read_task(path: Path) -> Task:
    content = read_yaml(path)
    check_keys(content, _KEYS, [], str(path))
    fields = tuple(_read_strings(content["fields"], f"{path}: fields"))
    labels = [
        read_typed_label(content["label_type"], label, f"{path}: labels")
        for label in _read_strings(content["labels"], f"{path}: labels")
    ]
    texts = {key: _read_string(content[key], f"{path}: {key}") for key in _TEXTS}
    if texts["metric"] not in _METRICS:
        raise VerbalizerError(f"{path}: metric is one of {list(_METRICS)}, got {texts['metric']!r}")
    try:
        return Task(
            **texts,
            fields=fields,
            labels=tuple(labels),
            templates=tuple(
                Template(text, fields) for text in _read_strings(content["templates"], "templates")
            ),
            verbalizers=_read_verbalizers(content["verbalizers"], content["label_type"]),
        )
    except (TemplateError, VerbalizerError) as error:
        raise type(error)(f"{path}: {error}") from error


def _read_verbalizers(named: object, label_type: object) -> dict[str, Verbalizer]:
    if not isinstance(named, Mapping):
        raise VerbalizerError(f"verbalizers: expected 'default:' and its words, got {named!r}")
    verbalizers = {}
    for name, label_words in named.items():
        source = f"verbalizers: {name}"
        words = cast("Mapping[Label, Words]", read_typed_words(label_type, label_words, source))
        try:
            verbalizers[name] = Verbalizer(words)
        except VerbalizerError as error:
            raise VerbalizerError(f"{source}: {error}") from error
    return verbalizers


def _read_strings(value: object, source: str) -> Sequence[str]:
    if not isinstance(value, list) or not value:
        raise VerbalizerError(f"{source}: expected a list such as [text], got {value!r}")
    return [_read_string(item, source) for item in value]


def _read_string(value: object, source: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise VerbalizerError(f"{source}: expected text, got {value!r}")
    return value.strip()
