"""Damage saved folders, checkpoints, results files, label words and tables at random.

Whatever is read back must be refused with an error of the library's own, or be right. The tests run
a few cases of each kind; ``python -m tests.fuzz --cases 5000`` runs thousands.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import signal
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError

import fewshot
from fewshot import TfidfClassifier, Verbalizer, load_task
from fewshot.benchmark.data_sets.tables import read_labeled
from fewshot.benchmark.results import Cell, Header, read_results
from fewshot.data.files import content_sha256
from fewshot.data.table_files import read_table
from fewshot.errors import FewShotError
from fewshot.training.checkpoint import Checkpoint
from fewshot.tuning import BitFit, LoRA
from tests.tiny_estimators import X, Y, prompt, tiny_lm

REFUSED, EQUAL, OTHER = "refused", "equal", "other, but sound"
_SECONDS = 30  # a case that takes longer hangs
_LONG_INT, _DEEP = "@LONG INT@", "@DEEP@"  # json cannot write these
_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, -3, 1, 2, 7, 1000, 10**6, 10**9, 10**18, 2**63, 10**30, 0.5, -1e308,
    float("nan"), "", "x", "x" * 5000, "../x.json", "/etc/passwd", "\0", "\ud800", "nan", "float32",
    [], {}, [[]], [1, "a"], {"tuple": []}, {"shared": 0}, {"shared": -1}, {"float": "inf"},
    {"estimator": {"class": "Popen", "params": {}, "fitted": {}}}, {"array": {}}, _LONG_INT, _DEEP,
)  # fmt: skip
_TEXTS = ["football team", "election vote", "a match of the world", ""]


def damage_folder(rng: random.Random, folder: Path) -> str:
    """Change the bytes of a saved folder."""
    name, expected = _saved(rng, folder)
    _damage_bytes(rng, rng.choice(_files(folder)))
    outcome = _load(folder, expected)
    return outcome if outcome != OTHER else f"WRONG: {name} predicts something else"


def edit_folder(rng: random.Random, folder: Path) -> str:
    """Change values of a saved folder and sign it again, as who knows the format could."""
    _, expected = _saved(rng, folder)
    file = rng.choice([folder / "config.json"] * 3 + _files(folder))
    if file.suffix == ".json":
        content = json.loads(file.read_text(encoding="utf-8"))
        for _ in range(rng.choice([1, 1, 1, 2])):
            content = _edited(rng, content)
        file.write_text(_dumped(content), encoding="utf-8", errors="surrogatepass")
    else:
        _damage_bytes(rng, file)
    _sign(folder)
    return _load(folder, expected)


def damage_checkpoint(rng: random.Random, folder: Path) -> str:
    """Change the bytes of a checkpoint."""
    arrays = {"scores": np.arange(12.0).reshape(3, 4), "n": np.array(3)}
    begun = Checkpoint(folder / "c", "abc")
    begun.begin(3, {"seed": "3", "data": "x"})
    for number in range(2):
        begun.save(f"round-{number}", {**arrays, "number": np.array(number)})
    begun.release()
    files = [path for path in _files(folder / "c") if path.name != "running.lock"]
    damaged = rng.choice(files)
    if rng.random() < 0.2:
        shutil.copy(damaged, rng.choice([file for file in files if file != damaged]))
    else:
        _damage_bytes(rng, damaged)
    resumed = Checkpoint(folder / "c", "abc")
    resumed.begin(resumed.seed(3, is_fixed=False), {"seed": "3", "data": "x"})
    try:
        for number in range(2):
            found = resumed.load(f"round-{number}")
            if found is not None:
                wanted = {**arrays, "number": np.array(number)}
                is_same = found.keys() == wanted.keys() and all(
                    np.array_equal(found[key], wanted[key]) for key in wanted
                )
                if not is_same:
                    return f"WRONG: {damaged.name} was read as something else"
    finally:
        resumed.release()
    return EQUAL


def damage_results(rng: random.Random, folder: Path) -> str:
    """Change bytes, lines and fields of a results file."""
    known = [
        Cell("m", "d", 8, seed, "done", "accuracy", "D", scores={"accuracy": seed / 7}, n_test=9)
        for seed in range(4)
    ]
    header = Header({"name": "é", "methods": []}, "abc", "2026-11-28T12:00:00+00:00", "0.1.0")
    lines = [header.to_line(), *(cell.to_line() for cell in known)]
    path, kind = folder / "results.jsonl", rng.choice(["bytes", "double", "field"])
    if kind == "double":
        lines.insert(rng.randrange(1, 6), rng.choice(lines))
    elif kind == "field":
        at = rng.randrange(len(lines))
        lines[at] = _dumped(_edited(rng, json.loads(lines[at]))) + "\n"
    path.write_bytes("".join(lines).encode("utf-8", "surrogatepass"))
    if kind == "bytes":
        _damage_bytes(rng, path)
    found = read_results(path)
    is_same = found.header == header and found.cells == tuple(known)
    # An end that is cut off looks like an interrupted run, which is resumed.
    is_cut = found.header == header and found.cells == tuple(known[: len(found.cells)])
    return EQUAL if is_same or is_cut else f"WRONG: {kind} gives {found}"


def odd_words(rng: random.Random, folder: Path) -> str:
    """Read label words and tasks from files that nobody checked."""
    tokens = [
        "label_type: ", "label_words:", "str", "int", "\n", "\n  ", "  ", "a", "no", "pos: ", "- ",
        "[", "]", "{", "}", ": ", ",", "'", '"', "1", "0", "-1", "0.5", "&a ", "*a", "!!python ",
        "?", "|", "#", "\t", "\0", "é", "null", "true", "good", "9" * 5000, "[" * 3000, "---",
        "name: x", "fields: [text]", "templates: ['{text} {mask}']", "\\U00FFFFFF", "<<: ",
        "verbalizers:",
    ]  # fmt: skip
    if rng.random() < 0.5:
        text = "".join(rng.choices(tokens, k=rng.randrange(1, 30)))
    else:  # one of the library's own, or small files of each format, damaged
        text = rng.choice(
            [
                Path("verbalizers/sst2.yaml").read_text(encoding="utf-8"),
                "label_type: str\nlabel_words:\n  neg: [bad, awful]\n  pos: {good: 2, fine: 0.5}\n",
                '{"neg": ["bad", "awful"], "pos": {"good": 2, "fine": 0.5}}',
                '[["bad", "awful"], ["good"]]',
                "0\nneg bad awful\npos good\n1\nneg no\npos yes\n",
                "bad,awful\ngood,fine\n\nno\nyes\n",
            ]
        )
        for _ in range(rng.randrange(4)):
            at = rng.randrange(len(text) + 1)
            text = text[:at] + rng.choice(tokens) + text[at + rng.randrange(3) :]
    path = folder / f"words{rng.choice(['.yaml', '.json', '.jsonl', '.txt', '.csv'])}"
    path.write_text(text, encoding="utf-8")
    if rng.random() < 0.2:
        load_task(folder / shutil.copy(path, folder / "task.yaml"))
        return OTHER
    labels = rng.choice([None, None, ["neg", "pos"], [0, 1]])
    on_shared = rng.choice(["raise", "drop"])
    Verbalizer.from_file(path, labels, index=rng.randrange(2), on_shared=on_shared)
    return OTHER


def odd_tables(rng: random.Random, folder: Path) -> str:
    """Read tables that were damaged."""
    rows = [("text", "label"), ("good, they say", "pos"), ("bad", "neg"), ("é", "neg")]
    suffix = rng.choice([".csv", ".tsv", ".jsonl"])
    if suffix == ".jsonl":
        text = "".join(json.dumps({"text": a, "label": b}) + "\n" for a, b in rows[1:])
    else:
        between = rng.choice(",;") if suffix == ".csv" else "\t"
        text = "".join(f'"{a}"{between}{b}\n' for a, b in rows)
    path = folder / f"table{suffix}"
    path.write_bytes(
        text.encode(rng.choice(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"]))
    )
    _damage_bytes(rng, path)
    read_labeled(read_table(path), ["text"], "label", path)
    return OTHER


KINDS: dict[str, Callable[[random.Random, Path], str]] = {
    "folders": damage_folder,
    "signed": edit_folder,
    "checkpoints": damage_checkpoint,
    "results": damage_results,
    "words": odd_words,
    "tables": odd_tables,
}


def run_case(kind: str, seed: int) -> str:
    """Run one case; return what came of it, which begins in capitals if that is a fault."""
    with tempfile.TemporaryDirectory() as folder, _limited_time(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return KINDS[kind](random.Random(f"{kind} {seed}"), Path(folder))
        except (FewShotError, NotFittedError):
            return REFUSED
        except TimeoutError:
            return f"HANGS for {_SECONDS} seconds"
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return f"FOREIGN {type(error).__name__}: {str(error)[:100]}"


def is_fault(outcome: str) -> bool:
    return outcome not in (REFUSED, EQUAL, OTHER)


@cache
def _originals() -> dict[str, tuple[Path, np.ndarray]]:
    root = Path(tempfile.mkdtemp())
    words = {"politics": ["vote", "law"], "sports": "team"}
    made: dict[str, Any] = {
        "head": prompt(verbalizer=words).fit(X, Y),
        "lora": prompt(LoRA(num_epochs=1), verbalizer=words, model=tiny_lm()).fit(X, Y),
        "bitfit": prompt(BitFit(num_epochs=1), template="{text} : {mask}", verbalizer=words).fit(
            X, Y
        ),
        "tfidf": TfidfClassifier().fit(X, Y),
    }
    found = {}
    for name, clf in made.items():
        clf.save(root / name)
        found[name] = root / name, clf.predict_proba(_TEXTS)
    return found


def _saved(rng: random.Random, folder: Path) -> tuple[str, np.ndarray]:
    name = rng.choice(sorted(_originals()))
    original, expected = _originals()[name]
    shutil.copytree(original, folder, dirs_exist_ok=True)
    return name, expected


def _load(folder: Path, expected: np.ndarray) -> str:
    found = fewshot.load(folder).predict_proba(_TEXTS)
    if found.shape == expected.shape and np.array_equal(found, expected):
        return EQUAL
    is_sound = found.ndim == 2 and np.isfinite(found).all() and np.allclose(found.sum(1), 1)
    return OTHER if is_sound else f"WRONG: probabilities {found.tolist()}"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _damage_bytes(rng: random.Random, file: Path) -> None:
    data = bytearray(file.read_bytes())
    at = rng.randrange(len(data)) if data else 0
    kind = rng.choice(["flip", "flip", "flip", "cut", "insert", "delete", "zero", "remove"])
    if kind == "remove":
        file.unlink()
        return
    if kind == "flip" and data:
        data[at] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del data[at:]
    elif kind == "insert":
        data[at:at] = rng.randbytes(rng.randrange(1, 20))
    elif kind == "delete":
        del data[at : at + rng.randrange(1, 20)]
    else:
        data[at : at + 16] = bytes(len(data[at : at + 16]))
    file.write_bytes(data)


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in list(items):
        yield content, key
        if isinstance(value, (dict, list)):
            yield from _places(value)


def _edited(rng: random.Random, content: Any) -> Any:
    places = list(_places(content)) if isinstance(content, (dict, list)) else []
    if not places:
        return deepcopy(rng.choice(_ODD))
    parent, key = rng.choice(places)
    kind = rng.choice(["replace", "replace", "replace", "nudge", "delete", "rename", "swap"])
    if kind == "delete":
        del parent[key]
    elif kind == "rename" and isinstance(parent, dict):
        parent[rng.choice(["x", "predict", "__class__", "a" * 5000, "classes_"])] = parent.pop(key)
    elif kind == "swap":
        other, place = rng.choice(places)
        parent[key] = json.loads(json.dumps(other[place]))
    elif kind == "nudge" and type(parent[key]) in (int, float):
        parent[key] = parent[key] * rng.choice([-1, 0, 2, 1000]) + rng.choice([0, 1])
    else:
        parent[key] = deepcopy(rng.choice(_ODD))
    return content


def _dumped(content: Any) -> str:
    text = json.dumps(content)
    return text.replace(f'"{_LONG_INT}"', "9" * 5000).replace(f'"{_DEEP}"', "[" * 3000 + "]" * 3000)


def _sign(folder: Path) -> None:
    """Write sizes and digests anew; what cannot be signed stays as it is."""
    file = folder / "config.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        for name in content["files"]:
            data = (folder / name).read_bytes()
            content["files"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        content.pop("sha256", None)
        content["sha256"] = content_sha256(content)
        file.write_text(json.dumps(content), encoding="utf-8")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return


@contextmanager
def _limited_time() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=5000, help="in all (default: 5000)")
    parser.add_argument("--kind", choices=list(KINDS), help="only this kind")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    options = parser.parse_args()
    kinds = list(KINDS) if options.kind is None else [options.kind]
    n_faults = 0
    for kind in kinds:
        outcomes: Counter[str] = Counter()
        for seed in range(options.first, options.first + options.cases // len(kinds)):
            outcome = run_case(kind, seed)
            outcomes[outcome.split(" ")[0] if is_fault(outcome) else outcome] += 1
            if is_fault(outcome):
                n_faults += 1
                print(f"{kind}, seed {seed}: {outcome}", flush=True)
        print(f"{kind}: {dict(outcomes)}", flush=True)
    return 1 if n_faults else 0


if __name__ == "__main__":
    sys.exit(main())
