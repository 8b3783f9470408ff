"""Code blocks of a Markdown page: found, and run one after the other.

A fence ``python`` is executed; ``# => value`` after an expression is what it must give. A fence
``sh`` is executed line by line. A fence with a title, such as ``csv title="new.csv"``, is written
to that file. A comment ``<!-- before ... -->`` is code that readers do not see. Two comments
before a fence change how it is run: ``<!-- not run: reason -->`` keeps it from being run, and
``<!-- run with: OLD => NEW -->`` replaces what would take minutes.
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewshot import cli
from tests.outputs import alike

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w-]*)(?: title=\"(?P<title>[^\"]+)\")?\n"
    r"(?P<code>.*?)^(?P=indent)```$"
    r"|^<!-- before\n(?P<before>.*?)^-->$",
    re.MULTILINE | re.DOTALL,
)
_NOT_RUN = re.compile(r"<!-- not run: (?P<reason>[^>]+?) -->\n\n? *\Z")
_RUN_WITH = re.compile(r"<!-- run with: (?P<old>.+?) => (?P<new>.+?) -->\n\n? *\Z")
_SHOWN = "# => "
_LENIENT = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """A code block, the line that it starts on, and why it is not run, if it is not."""

    language: str
    code: str
    line: int
    title: str = ""
    not_run: str = ""


def find_blocks(text: str) -> list[Block]:
    """Return the blocks of a page in their order."""
    blocks = []
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 2
        if match["before"] is not None:
            blocks.append(Block("python", match["before"], line))
            continue
        code = "".join(row.removeprefix(match["indent"]) for row in match["code"].splitlines(True))
        reason = _NOT_RUN.search(text, 0, match.start())
        cheaper = _RUN_WITH.search(text, 0, match.start())
        if cheaper:
            assert cheaper["old"] in code, f"{cheaper['old']!r} is not in the block of line {line}"
            code = code.replace(cheaper["old"], cheaper["new"])
        why = reason["reason"] if reason else ""
        blocks.append(Block(match["language"], code, line, match["title"] or "", why))
    return blocks


def run_blocks(blocks: list[Block], name: str) -> dict[str, Any]:
    """Run the blocks of a page in the working directory; return its names."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks:
        if block.not_run:
            continue
        if block.title:
            Path(block.title).write_text(block.code, encoding="utf-8")
        elif block.language == "python":
            run_python(block, name, names)
        elif block.language in ("sh", "console"):
            for command in block.code.replace("\\\n", " ").splitlines():
                run_command(command.removeprefix("$ ").split("  #")[0].strip())
    return names


def run_python(block: Block, name: str, names: dict[str, Any]) -> None:
    """Run the statements; compare what they give with what the block shows."""
    tree = ast.parse(block.code, f"{name}:{block.line}")
    lines = block.code.splitlines()
    for node in tree.body:
        expected = _expected(lines, node.end_lineno or 0)
        found = _run_statement(node, f"{name}, block of line {block.line}", names)
        same = doctest.OutputChecker().check_output(f"{expected}\n", f"{found}\n", _LENIENT)
        if expected is not None and not (same or alike(expected, found)):
            raise AssertionError(f"{name}, line {block.line}: shows {expected!r}, gives {found!r}")


def _expected(lines: list[str], end: int) -> str | None:
    """Return what the block shows after the statement that ends in a line."""
    shown = [lines[end - 1].split(_SHOWN, 1)[1]] if _SHOWN in lines[end - 1] else []
    for line in lines[end:]:
        if not line.startswith(_SHOWN):
            break
        shown.append(line.removeprefix(_SHOWN))
    return "\n".join(shown) if shown else None


def _run_statement(node: ast.stmt, label: str, names: dict[str, Any]) -> str:
    """Run a statement; return what it prints, or the value of an expression."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        if not isinstance(node, ast.Expr):
            exec(compile(ast.Module([node], []), label, "exec"), names)  # noqa: S102  # our own page
            return printed.getvalue()
        value = eval(compile(ast.Expression(node.value), label, "eval"), names)  # noqa: S307
    return printed.getvalue() + ("" if value is None else repr(value))


def run_command(command: str) -> None:
    """Run a command of ours; check that what others would install or make exists."""
    first, *rest = shlex.split(command, comments=True) or [""]
    if first in ("", "cd", "git"):
        return
    if first == "make":
        assert [t for t in rest if "=" not in t and t not in _targets()] == [], command
    elif first == "pip":
        assert _unknown_extras(command) == set(), command
    elif re.search(r"[|<>;&]", command):
        _run_in_shell(command)
    elif first == "fewshot" or rest[:2] == ["-m", "fewshot"]:
        _run_in_process(command, rest if first == "fewshot" else rest[2:])
    else:
        raise AssertionError(f"not a command that pages can show without a reason: {command}")


def _run_in_process(command: str, arguments: list[str]) -> None:
    printed, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
        status = cli.main(arguments)
    assert status == 0, f"{command}\n{errors.getvalue()}"


def _run_in_shell(command: str) -> None:
    """Run a line with pipes or redirections by bash, with this Python's ``fewshot``."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"


def _targets() -> set[str]:
    return set(
        re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )


def _unknown_extras(command: str) -> set[str]:
    """Return the extras of ours that a command installs and that do not exist."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = project.split("[project.optional-dependencies]\n")[1].split("\n[")[0]
    named = re.findall(r"(?:fewshot|\.)\[([\w,]+)\]", command)
    return {extra for names in named for extra in names.split(",")} - set(
        re.findall(r"^(\w+) = \[", extras, re.MULTILINE)
    )
