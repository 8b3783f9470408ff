"""Change one place of the code at a time, and see whether the tests notice.

``python -m tests.mutate scoring data --cases 60 --seed 1`` draws places in these packages where an
operator, a condition, a number, a flag, a keyword or a call can be changed. Each change is made in
a copy and tried by the tests of its package and those that name its module. Changes that no test
noticed are printed: some have no effect, or change only speed or wordings; the others want a test.
"""

from __future__ import annotations

import argparse
import ast
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_ROOT = Path(__file__).parent.parent
_COPIED = ("fewshot", "tests", "benchmarks", "tools", "verbalizers", "docs", "pyproject.toml")
_SECONDS = 400  # tests that take longer have noticed the change: something became endless
_SWAPPED = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.Pow: ("**", "*"),
    ast.MatMult: ("@", "+"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
    ast.And: ("and", "or"),
    ast.Or: ("or", "and"),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}


class Change(NamedTuple):
    """What is put in the place of the bytes from `start` to `stop` of a file."""

    file: Path
    start: int
    stop: int
    text: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", nargs="+", help="below fewshot, such as scoring")
    parser.add_argument("--cases", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    files = [file for name in args.packages for file in (_ROOT / "fewshot" / name).rglob("*.py")]
    places = [change for file in sorted(files) for change in _changes(file)]
    drawn = random.Random(args.seed).sample(places, min(args.cases, len(places)))
    survivors = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in _COPIED:
            copy = shutil.copytree if (_ROOT / name).is_dir() else shutil.copy
            copy(_ROOT / name, Path(folder, name))
        for number, change in enumerate(drawn, 1):
            if not _is_noticed(change, Path(folder)):
                survivors += 1
                print(_shown(change), flush=True)
            sys.stderr.write(f"{number} of {len(drawn)} tried, {survivors} not noticed\n")
    print(f"{len(drawn) - survivors} of {len(drawn)} noticed, of {len(places)} places")


def _changes(file: Path) -> Iterator[Change]:
    content = file.read_bytes()
    starts = [0]
    for line in content.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def begin(node: Any) -> int:
        return starts[node.lineno - 1] + node.col_offset

    def end(node: Any) -> int:
        return starts[node.end_lineno - 1] + node.end_col_offset

    for node in _code(ast.parse(content)):
        for operator, left, right in _operations(node):
            between = content[end(left) : begin(right)].decode()
            if type(operator) in _SWAPPED:
                swapped = between.replace(*_SWAPPED[type(operator)], 1)
                yield Change(file, end(left), begin(right), swapped)
        if isinstance(node, (ast.If, ast.IfExp)):
            start, stop = begin(node.test), end(node.test)
            yield Change(file, start, stop, f"not ({content[start:stop].decode()})")
        elif isinstance(node, ast.Constant) and type(node.value) in (bool, int, float):
            other = not node.value if isinstance(node.value, bool) else node.value * 2 + 1
            yield Change(file, begin(node), end(node), repr(other))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield Change(file, begin(node), end(node), "pass")
        elif isinstance(node, ast.Call):
            for keyword in (k for k in node.keywords if k.arg != "strict"):  # of zip
                after = content[end(keyword) :]
                comma = len(after) - len(after.lstrip().removeprefix(b","))
                yield Change(file, begin(keyword), end(keyword) + comma, "")


def _operations(node: ast.AST) -> Iterator[tuple[Any, ...]]:
    """Yield the operators of a node with what stands before and after them."""
    if isinstance(node, ast.BinOp):
        yield node.op, node.left, node.right
    elif isinstance(node, ast.BoolOp) and len(node.values) == 2:
        yield node.op, *node.values
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield node.ops[0], node.left, node.comparators[0]


def _code(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes of a module but for type hints and decorators."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for name, part in ast.iter_fields(node):
            if name not in ("annotation", "returns", "decorator_list"):
                parts = part if isinstance(part, list) else [part]
                waiting += [item for item in parts if isinstance(item, ast.AST)]


def _is_noticed(change: Change, copy: Path) -> bool:
    path = change.file.relative_to(_ROOT)
    content = change.file.read_bytes()
    changed = content[: change.start] + change.text.encode() + content[change.stop :]
    (copy / path).write_bytes(changed)
    try:
        return any(_fails(tests, copy) for tests in _tests(path) if tests)
    finally:
        (copy / path).write_bytes(content)


def _fails(tests: list[str], folder: Path) -> bool:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return done.returncode in (1, 2)  # a test failed, or could not be collected


def _tests(path: Path) -> tuple[list[str], list[str]]:
    """Return the test files of a module, and the others that name it or are of its package."""
    module = ".".join(path.with_suffix("").parts)
    name = re.compile(rf"\b{re.escape(module)}\b|^test_{path.stem}\b")
    package = Path("tests", path.parent.relative_to("fewshot"))
    first: list[str] = []
    others: list[str] = []
    files = sorted(Path("tests").glob("*/**/test_*.py"))
    for file in sorted(files, key=lambda f: f.stem != f"test_{path.stem}"):  # its own first
        is_naming = name.search(f"{file.stem} {file.read_text(encoding='utf-8')}")
        if is_naming and file.parent == package:
            first.append(str(file))
        elif is_naming or file.parent == package:
            others.append(str(file))
    return first, others


def _shown(change: Change) -> str:
    """Return the place of a change, and its line before and after."""
    content = change.file.read_bytes()
    line = content[: change.start].count(b"\n")
    changed = content[: change.start] + change.text.encode() + content[change.stop :]
    old, new = (text.decode().splitlines()[line].strip() for text in (content, changed))
    return f"{change.file.relative_to(_ROOT)}:{line + 1}\n  {old}\n  {new}"


if __name__ == "__main__":
    main()
