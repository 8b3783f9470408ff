"""A small data folder with the layout that the benchmark reads, written by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from fewshot.prompting.library import load_task

NEWS_LABELS = ("business", "health", "sports")


def write_json_lines(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8", newline="")
    return path


def write_masakhanews(folder: Path, language: str = "swa") -> Path:
    """Two shots, nested; one training text of "sports" is a test text too."""
    root = folder / "masakhanews" / language
    write(root / "labels.txt", "".join(f"{label}\n" for label in NEWS_LABELS))

    def rows(numbers: range, part: str) -> str:
        lines = [
            f'{label}\t{label} {part} {i}\t"Body ""{i}"",\n\nwith lines\tand tabs."\n'
            for label in NEWS_LABELS
            for i in numbers
        ]
        return "category\theadline\ttext\n" + "".join(lines)

    test = rows(range(4), "test")
    shared = 'sports\tSPORTS  test 3\t"Body ""3"",\n\nwith lines\tand tabs."\n'
    write(root / "test.tsv", test)
    write(root / "2" / "train.tsv", rows(range(2), "train"))
    write(root / "4" / "train.tsv", rows(range(4), "train") + shared)
    write(root / "4" / "dev.tsv", "never read")
    write(root / ".DS_Store", "never read")
    return root


def write_list(folder: Path) -> Path:
    """SST-2, subj and RTE with 2 and 4 labels in total, seeds 1 and 2."""
    root = folder / "list"
    for shots in (2, 4):
        for seed in (1, 2):
            draw = f"{shots}-{seed}"
            numbers = range(10 * seed, 10 * seed + shots)
            write(
                root / "SST-2" / draw / "train.tsv",
                "".join(f"sst {i} \t{i % 2}\n" for i in numbers),
            )
            write(
                root / "subj" / draw / "train.csv",
                "".join(f'{i % 2},"subj {i}, so ""it"" is"\n' for i in numbers),
            )
            write(
                root / "RTE" / draw / "train.tsv",
                _rte([(f'"Rte" {i}', f"first {i}", i % 2) for i in numbers]),
            )
    write(root / "SST-2" / "2-1" / "tools" / "run.py", "never read")
    tests = range(100, 106)
    write(
        root / "SST-2" / "test.tsv",
        "sentence\tlabel\n" + "".join(f"sst {i} .\t{i % 2}\n" for i in tests),
    )
    write(root / "SST-2" / "test_clue.tsv", "sst 10 .\t0\nsst 11 .\t1\n")
    write(root / "subj" / "test.csv", "".join(f"{i % 2},subj {i}\n" for i in tests))
    write(root / "RTE" / "test.tsv", _rte([(f"Rte {i}", f"first {i}", i % 2) for i in tests]))
    for task, prefix in (("SST-2", "sst"), ("subj", "subj")):
        suffix = " ." if prefix == "sst" else ""
        write_json_lines(
            root / task / "unlabeled.jsonl",
            # The labelled texts, other texts, and one that is tested on.
            [{"text": f"{prefix} {i}", "label": "1"} for i in range(10, 40)]
            + [{"text": f"{prefix} 100{suffix}", "label": "0"}],
        )
    write_json_lines(
        root / "RTE" / "unlabeled.jsonl",
        [{"text": f'"Rte" {i}', "text_b": f"first {i}", "label": "x"} for i in range(10, 40)],
    )
    return root


def _rte(rows: Sequence[tuple[str, str, int]]) -> str:
    names = ("entailment", "not_entailment")
    lines = [f"{n}\t{a}\t{b}\t{names[label]}\n" for n, (a, b, label) in enumerate(rows)]
    return "index\tsentence1\tsentence2\tlabel\n" + "".join(lines)


def write_ag_news(folder: Path) -> Path:
    root = folder / "ag_news"
    labels = ("World", "Sports", "Business", "Sci/Tech")

    def rows(part: str, n: int) -> list[dict[str, object]]:
        return [
            {"text": f"{part} {label} {i}", "label": label} for label in labels for i in range(n)
        ]

    # One text with two labels, one twice, and one that is tested on.
    extra = [
        {"text": "twice", "label": "World"},
        {"text": "Twice ", "label": "World"},
        {"text": "both", "label": "World"},
        {"text": "both", "label": "Sports"},
        {"text": "test World 0", "label": "World"},
    ]
    write_json_lines(root / "dev.jsonl", rows("dev", 5) + extra)
    write_json_lines(root / "test.jsonl", rows("test", 2))
    titled = [row | {"title": "Title:"} for row in rows("test", 3)]
    write_json_lines(root / "official_test.jsonl", titled)
    return root


def write_go_emotions(folder: Path) -> Path:
    """Each label in two training texts and one test text; joy is the most frequent emotion."""
    root = folder / "go_emotions"
    names = load_task("go_emotions").labels

    def rows(part: str, n: int) -> list[dict[str, object]]:
        found: list[dict[str, object]] = [
            {"text": f"{part} {name} {i}", "labels": [name]} for name in names for i in range(n)
        ]
        return [*found, {"text": f"{part} both", "labels": ["joy", "admiration"]}]

    others = [{"text": f"more neutral {i}", "labels": ["neutral"]} for i in range(5)]
    twice = [{"text": "test both", "labels": ["joy"]}]  # a test text
    write_json_lines(root / "train.jsonl", [*rows("train", 2), *others, *twice])
    write_json_lines(root / "test.jsonl", rows("test", 1))
    return root


def write_clinc150(folder: Path) -> Path:
    """Two training texts and one test text for each intent."""
    root = folder / "clinc150"
    intents = [str(name).replace(" ", "_") for name in load_task("clinc150").labels]
    domains = [str(name).replace(" ", "_") for name in load_task("clinc150_domains").labels]
    of = {domain: intents[i::10] for i, domain in enumerate(domains)}
    write(root / "domains.json", json.dumps(of))
    for part, n in (("train", 2), ("test", 1)):
        write_json_lines(
            root / f"{part}.jsonl",
            [{"text": f"{part} {y} {i}", "label": y} for y in intents for i in range(n)],
        )
    return root
