"""Folders with one file of JSON that names all others with their digests, and signs itself."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from errno import ENOENT
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fewshot import __version__
from fewshot.data.files import (
    content_sha256,
    is_junk,
    left_aside,
    parse_json,
    read_bytes,
    user_path,
)
from fewshot.data.forms import misfit
from fewshot.errors import FileError, PersistenceError
from fewshot.saving.folders import list_files, other_files, settled

_NO_VERSION = 1000


@dataclass(frozen=True)
class SignedFolder:
    """A kind of folder: how it is written, read and told from others."""

    format: str
    version: int
    file: str  # the one of JSON
    form: Any  # of its content, a TypedDict
    noun: str  # what such a folder is, in messages
    verb: str  # the function that makes it
    again: str  # what to do about a damaged one
    foreign: str  # what to say of another
    most_bytes: int

    def replaceable(self, folder: str | Path) -> Path:
        """Return a path for such a folder; refuse to overwrite anything but another one."""
        target = user_path(folder).resolve()
        if target in (Path.cwd(), *Path.cwd().parents):
            raise PersistenceError(
                f"{str(target)!r} is the working folder or above it, and saving replaces a folder; "
                "name a folder in it"
            )
        settled(target, self._check_replaceable)
        return target

    def sign(self, folder: Path, content: Mapping[str, Any], libraries: Sequence[str]) -> None:
        """Write the file of JSON, after all others."""
        versions = {"fewshot": __version__, "python": platform.python_version()}
        whole = {
            "format": self.format,
            "format_version": self.version,
            "versions": versions | {library: version(library) for library in libraries},
            "files": list_files(folder),
            **content,
        }
        signed = {**whole, "sha256": content_sha256(whole)}
        text = json.dumps(signed, indent=1, allow_nan=False)
        (folder / self.file).write_text(text, encoding="utf-8")

    def holds(self, folder: Path) -> bool:
        """Return whether a folder says that it is of this kind."""
        return (self._peek(folder) or {}).get("format") == self.format

    def read(self, folder: Path) -> dict[str, Any]:
        """Read the file of JSON, if it is as it was written."""
        if not folder.is_dir():
            left = left_aside(folder)
            hint = f", but an interrupted save left {left[-1]}: rename that" if left else ""
            raise PersistenceError(
                f"there is no folder {str(folder)!r}{hint}; give the folder that was passed to "
                f"{self.verb}"
            )
        file = folder / self.file
        advice = "copy the folder again from an intact one"
        try:
            content = parse_json(read_bytes(file, self.most_bytes))
            return self._checked(content, folder)
        except PersistenceError:
            raise
        except FileError as error:
            problem = f"{error}, or {advice}"
            if error.errno == ENOENT:
                problem = (
                    f"{folder} has no {self.file}: it holds no {self.noun}, or not all of it; "
                    f"give the folder that was passed to {self.verb}"
                )
            raise PersistenceError(problem) from error
        except ValueError as error:
            raise PersistenceError(
                f"{file} is truncated or damaged ({error}); {self.again}, or {advice}"
            ) from error

    def _peek(self, folder: Path) -> dict[str, Any] | None:
        try:
            content = parse_json(read_bytes(folder / self.file, self.most_bytes))
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    def _check_replaceable(self, target: Path) -> None:
        if not target.exists():
            return
        if not target.is_dir():
            raise PersistenceError(f"{target} is a file; give the name of a folder")
        if all(is_junk(path.name) for path in target.iterdir()):
            return
        content = self._peek(target)
        if content is None or content.get("format") != self.format:
            raise PersistenceError(
                f"{target} holds something other than a {self.noun} and is not overwritten; "
                "give another folder, or delete it yourself"
            )
        others = other_files(target, {self.file, *content.get("files", ())})
        if others:
            raise PersistenceError(
                f"{target} holds a {self.noun}, but also {others[:3]}, which would be lost; "
                "move that, or give another folder"
            )

    def _checked(self, content: Any, folder: Path) -> dict[str, Any]:
        if not isinstance(content, dict) or content.get("format") != self.format:
            raise PersistenceError(f"{folder} {self.foreign}")
        number = content.get("format_version")
        if type(number) is int and 0 < number < _NO_VERSION and number != self.version:
            age, advice = "a newer", "upgrade: pip install --upgrade fewshot"
            if number < self.version:
                age, advice = "an older", f"{self.again} with this one, or install that one"
            raise PersistenceError(
                f"{folder} was saved in format {number} by {age} fewshot "
                f"({str(content.get('versions'))[:200]}); this one reads format {self.version}; "
                f"{advice}"
            )
        expected = content.pop("sha256", None)
        problem = misfit(content, self.form, self.file, [])
        if content_sha256(content) != expected:
            problem = "its content is not what was signed"
        elif type(number) is not int or number != self.version:
            problem = f"format_version is {number!r:.20}, expected {self.version}"
        if problem is not None:
            raise PersistenceError(
                f"{folder / self.file} was altered after it was saved ({problem}); {self.again}, "
                "or copy the folder again from an intact one"
            )
        return content
