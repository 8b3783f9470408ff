"""Load a data set: by name, or one of the user's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

from fewshot.benchmark.data_sets.data_set import DataSet
from fewshot.benchmark.data_sets.entries import ENTRIES, Entry
from fewshot.benchmark.data_sets.own_data import OwnData, load_own_data, read_verbalizer
from fewshot.benchmark.data_sets.packages import Package
from fewshot.benchmark.data_sets.splits import Content
from fewshot.benchmark.metrics import METRICS, label_names
from fewshot.data.files import user_path
from fewshot.errors import InputError, TemplateError, did_you_mean
from fewshot.prompting.library import load_task
from fewshot.prompting.template import Template
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.prompting.yaml_files import check_keys

_DATA_DIR_VARIABLE = "FEWSHOT_DATA"
_GUIDE = "docs/reference/data_sets.md"
_SUGGESTED = 3
_PROMPT_KEYS = ("template", "verbalizer")
_OWN_KEYS = tuple(field.name for field in fields(OwnData))
_REQUIRED = tuple(field.name for field in fields(OwnData) if field.default is MISSING)


def list_data_sets() -> tuple[str, ...]:
    """Return the names of the data sets that :func:`load_data_set` knows.

    Those that come with a package or a local folder are listed whether or not it is there.

    Returns
    -------
    tuple of str

    See Also
    --------
    load_data_set : Load one of them.

    Examples
    --------
    >>> list_data_sets()[:3]
    ('bbc_news', 'rotten_tomatoes', 'ag_news')
    """
    return tuple(ENTRIES)


def load_data_set(
    source: str | Mapping[str, Any], data_dir: str | os.PathLike[str] | None = None
) -> DataSet:
    """Load a data set by name, or one of the user's own.

    Parameters
    ----------
    source : str or mapping
        One of :func:`list_data_sets`, or a mapping with a ``name`` and, for data of your own,

        - ``train``: a CSV, TSV, JSON lines or Parquet file, ``text``: the column with the texts
          or a list of columns, and ``label``: the column with the labels;
        - optionally ``test``: another file (without it, half of each class is the test), and a
          ``title`` for tables;
        - for data on the Hugging Face hub, ``hub``: its id, and if needed ``config``; ``train``
          and ``test`` are then names of splits.

        ``template`` and ``verbalizer`` replace the default prompt. The other templates of a data
        set known by name come after the given one.
    data_dir : path, optional
        The folder of the data sets that come with no package. By default the environment
        variable ``FEWSHOT_DATA``.

    Returns
    -------
    DataSet

    Raises
    ------
    InputError
        If a name or key is unknown, the data folder, a file or a column is missing, or a row has
        no text or no label.
    MissingExtraError
        If the package with the texts is not installed.
    HubError
        If the hub cannot be reached, or has no such data set.
    TemplateError, VerbalizerError
        If the template or the verbalizer does not fit the texts and labels.

    See Also
    --------
    list_data_sets : The names.
    run : Compare methods on data sets.

    Examples
    --------
    >>> from fewshot.benchmark import load_data_set
    >>> news = load_data_set("bbc_news")  # doctest: +SKIP
    >>> mine = load_data_set({
    ...     "name": "tickets", "train": "tickets.csv", "text": "body", "label": "team",
    ... })  # doctest: +SKIP
    """
    if isinstance(source, str):
        return _load_named(source, data_dir)
    settings = dict(source)
    is_own = any(key in settings for key in _OWN_KEYS if key not in ("name", *_PROMPT_KEYS))
    required = _REQUIRED if is_own else ("name",)
    optional = [key for key in (*_OWN_KEYS, "template") if key not in required]
    place = f"the data set {settings.get('name')!r}"
    check_keys(settings, required, optional, place, InputError)
    template = settings.pop("template", None)
    if is_own:
        data = load_own_data(OwnData(**settings))
    else:
        data = _load_named(settings["name"], data_dir)
        if settings.get("verbalizer") is not None:
            words = read_verbalizer(data.name, settings["verbalizer"], data.labels)
            data = replace(data, verbalizer=words)
    if template is None:
        return data
    first = _read_template(template, data)
    # The default template suits texts of any kind, so it says less than the user's.
    others = () if is_own else [t for t in data.templates if t.field_names == first.field_names]
    return replace(data, templates=(first, *(t for t in others if t.text != first.text)))


def _read_template(text: object, data: DataSet) -> Template:
    if not isinstance(text, str):
        raise InputError(f"the data set {data.name!r}: template is text, got {text!r}")
    names = data.template.field_names
    template = Template(text, names if len(names) > 1 else None)
    if len(template.field_names) != len(names):
        raise TemplateError(
            f"the data set {data.name!r}: the template {text!r} has the fields "
            f"{template.field_names}, the texts have {names}"
        )
    return template


def _load_named(name: str, data_dir: str | os.PathLike[str] | None) -> DataSet:
    if name not in ENTRIES:
        raise InputError(
            f"no data set {name!r}{_suggest(name)}; known are {list(ENTRIES)}; "
            f"for data of your own see {_GUIDE}"
        )
    entry = ENTRIES[name]
    task = load_task(entry.task)
    words = task.verbalizer.to_dict()
    labels = tuple(str(label) for label in task.labels)  # those of some tasks are numbers
    content = entry.read(_find_folder(name, entry, data_dir), labels)
    _check_labels(name, content)
    return DataSet(
        name=name,
        title=entry.title,
        licence=task.licence,
        source=f"{task.source} Texts: {entry.url}",
        templates=task.templates,
        verbalizer=Verbalizer.from_dict(words | {"labels": list(labels)}).subset(content.labels),
        metric=next(ours for ours, metric in METRICS.items() if metric.scoring == task.metric),
        training=content.training,
        test=content.test,
        notes=content.notes,
    )


def _suggest(name: str) -> str:
    """Suggest the data sets whose names contain `name`, or else the nearest ones."""
    holding = [known for known in ENTRIES if name and name.lower() in known]
    if holding:
        return f" (did you mean {' or '.join(map(repr, holding[:_SUGGESTED]))}?)"
    return did_you_mean(name, ENTRIES)


def _find_folder(name: str, entry: Entry, data_dir: str | os.PathLike[str] | None) -> Path:
    if isinstance(entry.place, Package):
        return entry.place.find(f"the data set {name!r}")
    given = os.environ.get(_DATA_DIR_VARIABLE) if data_dir is None else data_dir
    how = (
        f"give the folder with data_dir= or --data-dir, or set {_DATA_DIR_VARIABLE}; the texts "
        f"come from {entry.url}, and {_GUIDE} shows the layout of the folder"
    )
    if not given:
        raise InputError(
            f"the data set {name!r} is read from {entry.place}/ in a data folder, and no data "
            f"folder is given: {how}"
        )
    root = user_path(given)
    if not root.is_dir():
        raise InputError(f"the data set {name!r}: there is no data folder {root}: {how}")
    folder = root / entry.place
    if not folder.is_dir():
        raise InputError(
            f"the data set {name!r}: the data folder {root} has no folder {entry.place}/"
            f"{_list_siblings(folder)}: {how}"
        )
    return folder


def _list_siblings(folder: Path) -> str:
    """Name the folders beside a missing one."""
    if not folder.parent.is_dir():
        return ""
    found = sorted(path.name for path in folder.parent.iterdir() if path.is_dir())
    return f", only {found}" if found else ""


def _check_labels(name: str, content: Content) -> None:
    """Check that each part has all labels, and no others."""
    labeled = [part for part in content.training.parts() if part[0] != "unlabeled"]
    for place, part in [*labeled, ("test", content.test)]:
        found = label_names(part.labels)
        differing = sorted(found ^ set(content.labels))
        if differing:
            verb = "has" if differing[0] in found else "lacks"
            raise InputError(
                f"the data set {name!r}: the part {place!r} {verb} the label {differing[0]!r}; the "
                f"labels are {list(content.labels)}; the files are damaged or of another version, "
                "download them again"
            )
