"""Data sets read from a local folder: MasakhaNEWS, LiST's splits, AG News and Emerging NLP."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewshot.benchmark.data_sets.clean_splits import clean_pool, without, without_labels
from fewshot.benchmark.data_sets.columns import read_labelled, read_texts
from fewshot.benchmark.data_sets.protocols import Content, LabelledTexts, Pool, ShotFiles, Text
from fewshot.benchmark.data_sets.tables import (
    Row,
    read_delimited,
    read_json_lines,
    read_lines,
    read_table,
)
from fewshot.errors import InputError


def read_masakhanews(folder: Path, labels: tuple[str, ...]) -> Content:
    """Read one language of MasakhaNEWS: headline and text as input, k-shot files as published.

    The published files hold one draw for each k. Texts without labels are those of the largest
    file but for the ones trained on; the files of 5 texts a class for development are not read.

    Parameters
    ----------
    folder : Path
        With ``test.tsv``, ``labels.txt`` and ``<k>/train.tsv``.
    labels : tuple of str
        The labels of all languages, of which this one has some.

    Returns
    -------
    Content

    Raises
    ------
    InputError
        If a file is missing or not well formed.

    References
    ----------
    Adelani et al. (2023), MasakhaNEWS: News Topic Classification for African languages.
    """
    shots = [path.name for path in _folders(folder, r"\d+")]
    present = _present_labels(folder / "labels.txt", labels)
    test = _read_articles(folder / "test.tsv")
    files = {int(k): _read_articles(folder / k / "train.tsv") for k in shots}
    kept = {k: without(part, test.texts) for k, part in files.items()}
    pool, notes = without_labels(files[max(files)].texts, test.texts)
    return Content(
        ShotFiles({(k, None): part for k, part in kept.items()}, pool, "per class"),
        test,
        present,
        _left_out(files, kept) + notes,
    )


@dataclass(frozen=True)
class ListTask:
    """How the files of one of LiST's tasks are written.

    Parameters
    ----------
    suffix : {".tsv", ".csv"}
    columns : tuple of str
        Names of the columns, where some files have no header.
    fields : tuple of str
        The columns with text.
    pool_fields : tuple of str
        Their names in the pool without labels.
    """

    suffix: str
    columns: tuple[str, ...]
    fields: tuple[str, ...]
    pool_fields: tuple[str, ...]


def read_list(folder: Path, labels: tuple[str, ...], *, task: ListTask, test_file: str) -> Content:
    """Read one of LiST's tasks: its K labels in total, five draws each, its pool of task texts.

    Parameters
    ----------
    folder : Path
        With ``<K>-<seed>/train.*``, ``test.*``, ``test_clue.*`` and ``unlabeled.jsonl``, of which
        the labels are never read.
    labels : tuple of str
    task : ListTask
    test_file : {"test", "test_clue"}

    Returns
    -------
    Content

    Raises
    ------
    InputError
        If a file is missing or not well formed.

    References
    ----------
    Wang et al. (2022), LiST: Lite Prompted Self-training Makes Parameter-efficient Few-shot
    Learners, section 4.
    """
    draws = {
        (int(path.name.partition("-")[0]), int(path.name.partition("-")[2])): path
        for path in _folders(folder, r"\d+-\d+")
    }
    test = _read_list_file(folder / f"{test_file}{task.suffix}", task)
    files = {
        draw: _read_list_file(path / f"train{task.suffix}", task) for draw, path in draws.items()
    }
    kept: dict[tuple[int, int | None], LabelledTexts] = {
        draw: without(part, test.texts) for draw, part in files.items()
    }
    pool, notes = without_labels(_read_pool(folder / "unlabeled.jsonl", task), test.texts)
    return Content(ShotFiles(kept, pool, "in total"), test, labels, _left_out(files, kept) + notes)


def read_ag_news(folder: Path, labels: tuple[str, ...], *, is_official: bool) -> Content:
    """Read AG News: k of each class from 1,000 training texts, and a part of the test or all.

    Parameters
    ----------
    folder : Path
        With ``dev.jsonl``, of the training texts, and ``test.jsonl`` or ``official_test.jsonl``.
    labels : tuple of str
    is_official : bool
        Whether all 7,600 texts are tested on, or the 1,000 that Shi and Lipani (2023) chose.

    Returns
    -------
    Content

    Raises
    ------
    InputError
        If a file is missing or not well formed.
    """
    test_file = folder / ("official_test.jsonl" if is_official else "test.jsonl")
    rows = read_json_lines(test_file)
    if is_official:  # the others have title and text in one
        rows = [
            Row(line, values | {"text": f"{values.get('title', '')} {values.get('text', '')}"})
            for line, values in rows
        ]
    return _sampled(folder / "dev.jsonl", read_labelled(rows, ["text"], "label", test_file), labels)


def read_emerging_nlp(folder: Path, labels: tuple[str, ...]) -> Content:
    """Read SciPrompt's Emerging NLP: k of each class from 10, and all 420 test texts.

    Parameters
    ----------
    folder : Path
        With ``train.jsonl`` and ``test.jsonl``.
    labels : tuple of str

    Returns
    -------
    Content

    Raises
    ------
    InputError
        If a file is missing or not well formed.

    References
    ----------
    You et al. (2024), SciPrompt: Knowledge-augmented Prompting for Fine-grained Categorization of
    Scientific Topics.
    """
    file = folder / "test.jsonl"
    test = read_labelled(read_json_lines(file), ["text"], "label", file)
    return _sampled(folder / "train.jsonl", test, labels)


def _sampled(pool_file: Path, test: LabelledTexts, labels: tuple[str, ...]) -> Content:
    rows = read_json_lines(pool_file)
    pool, notes = clean_pool(read_labelled(rows, ["text"], "label", pool_file), test.texts)
    return Content(Pool(pool), test, labels, notes)


def _read_articles(path: Path) -> LabelledTexts:
    parts = read_labelled(read_table(path), ["headline", "text"], "category", path)
    texts = (" ".join(text.values()) for text in parts.texts if not isinstance(text, str))
    return LabelledTexts(tuple(texts), parts.labels)


def _read_list_file(path: Path, task: ListTask) -> LabelledTexts:
    """Read a file of which some have a header and some have none."""
    numbered = read_delimited(path, is_quoted=task.suffix == ".csv")
    if numbered and numbered[0][1][-1] == "label":
        numbered = numbered[1:]
    if not numbered or len(numbered[0][1]) != len(task.columns):
        raise InputError(f"{path}: expected rows of {', '.join(task.columns)}; get the file again")
    rows = [Row(line, dict(zip(task.columns, row, strict=True))) for line, row in numbered]
    return read_labelled(rows, task.fields, "label", path)


def _read_pool(path: Path, task: ListTask) -> tuple[Text, ...]:
    texts = read_texts(read_json_lines(path), task.pool_fields, path)
    return tuple(
        text
        if isinstance(text, str)
        else {new: text[old] for new, old in zip(task.fields, task.pool_fields, strict=True)}
        for text in texts
    )


def _folders(folder: Path, pattern: str) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if re.fullmatch(pattern, path.name))
    if not found:
        raise InputError(
            f"{folder}: no folders with training files; expected names such as "
            f"{'10-1' if '-' in pattern else '5'}"
        )
    return found


def _present_labels(path: Path, labels: tuple[str, ...]) -> tuple[str, ...]:
    present = tuple(line.strip() for line in read_lines(path) if line.strip())
    unknown = [label for label in present if label not in labels]
    if unknown or len(present) < 2:
        raise InputError(
            f"{path}: expected a line for each of two labels or more of {list(labels)}, "
            f"got {list(present)}"
        )
    return present


def _left_out(
    files: Mapping[Any, LabelledTexts], kept: Mapping[Any, LabelledTexts]
) -> tuple[str, ...]:
    most = max(len(files[draw]) - len(kept[draw]) for draw in files)
    if not most:
        return ()
    return (f"left out of a training file since they stand in the test part: {most} at most",)
