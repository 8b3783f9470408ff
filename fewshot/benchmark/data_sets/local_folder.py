"""Data sets of the local data folder: MasakhaNEWS, LiST's splits, AG News and others."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewshot.benchmark.data_sets.splits import (
    Content,
    LabeledTexts,
    Pool,
    ShotFiles,
    Text,
    clean_pool,
    clean_unlabeled,
    without,
)
from fewshot.benchmark.data_sets.tables import read_labeled, read_texts
from fewshot.data.files import read_text
from fewshot.data.table_files import Row, read_lines, read_table
from fewshot.errors import InputError

_NO_EMOTION = "neutral"  # a label of GoEmotions


# Adelani et al. (2023), MasakhaNEWS: News Topic Classification for African languages.
def read_masakhanews(folder: Path, labels: tuple[str, ...]) -> Content:
    """Read one language: headline and text as input, published k-shot files with a single draw."""
    shots = [path.name for path in _folders(folder, r"\d+", "5")]
    present = _present_labels(folder / "labels.txt", labels)
    test = _read_articles(folder / "test.tsv")
    files = {int(k): _read_articles(folder / k / "train.tsv") for k in shots}
    kept = {k: without(part, test.texts) for k, part in files.items()}
    pool, notes = clean_unlabeled(files[max(files)].texts, test.texts)
    return Content(
        ShotFiles({(k, None): part for k, part in kept.items()}, pool, "per class"),
        test,
        present,
        _left_out(files, kept) + notes,
    )


@dataclass(frozen=True)
class ListTask:
    """The format of one of LiST's tasks."""

    suffix: str
    columns: tuple[str, ...]  # some files have no header
    fields: tuple[str, ...]  # the columns with text
    pool_fields: tuple[str, ...]  # their names in the unlabeled pool


# Wang et al. (2022), LiST: Lite Prompted Self-training Makes Parameter-efficient Few-shot
# Learners, section 4.
def read_list(folder: Path, labels: tuple[str, ...], *, task: ListTask, test_file: str) -> Content:
    """Read a task of LiST: K labels in total, five draws each; the pool's labels are not read."""
    draws = {
        (int(path.name.partition("-")[0]), int(path.name.partition("-")[2])): path
        for path in _folders(folder, r"\d+-\d+", "10-1")
    }
    test = _read_list_file(folder / f"{test_file}{task.suffix}", task)
    files = {
        draw: _read_list_file(path / f"train{task.suffix}", task) for draw, path in draws.items()
    }
    kept: dict[tuple[int, int | None], LabeledTexts] = {
        draw: without(part, test.texts) for draw, part in files.items()
    }
    pool, notes = clean_unlabeled(_read_pool(folder / "unlabeled.jsonl", task), test.texts)
    return Content(ShotFiles(kept, pool, "in total"), test, labels, _left_out(files, kept) + notes)


def read_ag_news(folder: Path, labels: tuple[str, ...], *, is_official: bool) -> Content:
    """Read AG News: a pool of 1,000 training texts; 1,000 test texts, or all 7,600 official."""
    # The 1,000 of each part are those of Shi and Lipani (2023).
    test_file = folder / ("official_test.jsonl" if is_official else "test.jsonl")
    rows = read_table(test_file)
    if is_official:  # the other files have title and text in one field
        rows = [
            Row(line, values | {"text": f"{values.get('title', '')} {values.get('text', '')}"})
            for line, values in rows
        ]
    return _sampled(folder / "dev.jsonl", read_labeled(rows, ["text"], "label", test_file), labels)


# You et al. (2024), SciPrompt: Knowledge-augmented Prompting for Fine-grained Categorization of
# Scientific Topics.
def read_emerging_nlp(folder: Path, labels: tuple[str, ...]) -> Content:
    """Read SciPrompt's Emerging NLP: a pool with 10 texts per class, and all 420 test texts."""
    file = folder / "test.jsonl"
    test = read_labeled(read_table(file), ["text"], "label", file)
    return _sampled(folder / "train.jsonl", test, labels)


# Larson et al. (2019), An Evaluation Dataset for Intent Classification and Out-of-Scope Prediction.
def read_clinc150(folder: Path, labels: tuple[str, ...], *, is_by_domain: bool) -> Content:
    """Read CLINC150 without the requests out of scope: a pool of 100 per intent, and the test."""
    file = folder / "domains.json"
    domains = json.loads(read_text(file, InputError))
    names = {intent: name for name, found in domains.items() for intent in found}

    def read(part: str) -> list[Row]:
        return [
            Row(line, values | {"label": _plain_name(values.get("label"), names, is_by_domain)})
            for line, values in read_table(folder / f"{part}.jsonl")
        ]

    test = read_labeled(read("test"), ["text"], "label", folder / "test.jsonl")
    pool = read_labeled(read("train"), ["text"], "label", folder / "train.jsonl")
    cleaned, notes = clean_pool(pool, test.texts)
    return Content(Pool(cleaned), test, labels, notes)


# Demszky et al. (2020), GoEmotions: A Dataset of Fine-Grained Emotions.
def read_go_emotions(
    folder: Path, labels: tuple[str, ...], *, most_frequent: int | None = None
) -> Content:
    """Read GoEmotions: all labels, or the most frequent emotions and the texts that have one."""

    def read(part: str) -> LabeledTexts:
        file = folder / f"{part}.jsonl"
        return read_labeled(read_table(file), ["text"], "labels", file)

    pool, test = read("train"), read("test")
    if most_frequent is not None:
        counts = Counter(name for found in pool.labels for name in found if name != _NO_EMOTION)
        often = [name for name, _ in counts.most_common(most_frequent)]
        labels = tuple(label for label in labels if label in often)
        pool, test = _with_labels(pool, labels), _with_labels(test, labels)
    cleaned, notes = clean_pool(pool, test.texts)
    return Content(Pool(cleaned), test, labels, notes)


def _with_labels(texts: LabeledTexts, labels: Collection[str]) -> LabeledTexts:
    """Leave out other labels, and the texts that have none of these."""
    kept = [tuple(name for name in found if name in labels) for found in texts.labels]
    chosen = [place for place, found in enumerate(kept) if found]
    return LabeledTexts(tuple(texts.texts[i] for i in chosen), tuple(kept[i] for i in chosen))


def _plain_name(intent: Any, domains: Mapping[str, str], is_by_domain: bool) -> Any:
    """Return an intent, or its domain, in plain words; what is no intent stays, and is refused."""
    name = domains.get(intent, intent) if is_by_domain else intent
    return name.replace("_", " ") if isinstance(name, str) else name


def _sampled(pool_file: Path, test: LabeledTexts, labels: tuple[str, ...]) -> Content:
    rows = read_table(pool_file)
    pool, notes = clean_pool(read_labeled(rows, ["text"], "label", pool_file), test.texts)
    return Content(Pool(pool), test, labels, notes)


def _read_articles(path: Path) -> LabeledTexts:
    parts = read_labeled(read_table(path), ["headline", "text"], "category", path)
    texts = (" ".join(text.values()) for text in parts.texts if not isinstance(text, str))
    return LabeledTexts(tuple(texts), parts.labels)


def _read_list_file(path: Path, task: ListTask) -> LabeledTexts:
    rows = read_table(path, task.columns, is_quoted=task.suffix == ".csv")
    return read_labeled(rows, task.fields, "label", path)


def _read_pool(path: Path, task: ListTask) -> tuple[Text, ...]:
    texts = read_texts(read_table(path), task.pool_fields, path)
    return tuple(
        text
        if isinstance(text, str)
        else {new: text[old] for new, old in zip(task.fields, task.pool_fields, strict=True)}
        for text in texts
    )


def _folders(folder: Path, pattern: str, example: str) -> list[Path]:
    found = sorted(
        path for path in folder.iterdir() if path.is_dir() and re.fullmatch(pattern, path.name)
    )
    if not found:
        raise InputError(
            f"{folder}: no folders with training files; expected names such as {example}"
        )
    return found


def _present_labels(path: Path, labels: tuple[str, ...]) -> tuple[str, ...]:
    present = tuple(line.strip() for line in read_lines(path) if line.strip())
    unknown = [label for label in present if label not in labels]
    if unknown or len(present) < 2:
        raise InputError(
            f"{path}: expected one label per line, at least two of {list(labels)}, "
            f"got {list(present)}"
        )
    return present


def _left_out(
    files: Mapping[Any, LabeledTexts], kept: Mapping[Any, LabeledTexts]
) -> tuple[str, ...]:
    most = max(len(files[draw]) - len(kept[draw]) for draw in files)
    return (
        (f"left out of a training file since they are test texts: at most {most}",) if most else ()
    )
