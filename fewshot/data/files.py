"""Files as users name them: read with bounds, written whole or not at all, errors that say why."""

from __future__ import annotations

import codecs
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fewshot.errors import FewShotError, FileError, InputError

_MARK = "fewshot-saving"  # in the name of what is written beside its place
_BLOCK = 2**20  # bytes
OLD = "-old"  # ends the name of what stood there before
_ADVICE = {
    errno.ENOENT: "there is no such file; check the path",
    errno.EACCES: "it is not permitted; change the permissions, or give another path",
    errno.EROFS: "the file system is read-only; give a path on another one",
    errno.ENOSPC: "the disk is full; make room, or give a path on another one",
    errno.EDQUOT: "the disk quota is used up; make room, or give a path on another disk",
    errno.EFBIG: "the file is larger than the system allows; give a path on another disk",
}
_OS_ERROR = re.compile(r"\(os error (\d+)\)")  # as libraries written in Rust report it
# What file managers, editors and notebooks leave in folders.
_JUNK = re.compile(
    r"\.DS_Store|\._.*|\.directory|Thumbs\.db|desktop\.ini|__MACOSX|\.ipynb_checkpoints"
    r"|\.~lock\..*#|~\$.*|\.#.*|#.*#|.*~|.*\.(swp|swo)|\.(nfs|fuse_hidden).*",
    re.IGNORECASE,
)


def user_path(path: str | os.PathLike[str]) -> Path:
    """Return the path that a user gave; ``~`` is a home folder, as in a shell."""
    given: Any = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(given, str) or "\0" in given:
        raise InputError(f"expected a path of a file or folder, got {path!r}")
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise InputError(f"{given!r} names no home folder: {error}; write the path out") from error


def is_junk(name: str) -> bool:
    """Return whether a file is what file managers and editors leave."""
    return _JUNK.fullmatch(name) is not None


@contextmanager
def disk_errors(
    path: Path, problem: str = "cannot be read", kind: type[FileError] = FileError
) -> Iterator[None]:
    """Raise what the system, or a library that asked it, says of a file as our own error."""
    try:
        yield
    except FewShotError:
        raise
    except Exception as error:  # tokenizers and safetensors have no OSError
        code = _error_number(error)
        if code is None:
            raise
        why = _ADVICE.get(code) or f"{os.strerror(code)}; check the path"
        raise _numbered(kind(f"{path} {problem}: {why}"), code) from error


def read_bytes(path: Path, limit: int | None = None) -> bytes:
    """Read a regular file that is not larger than `limit`; devices and pipes may never end."""
    with disk_errors(path):
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags)
        try:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode):
                what = "a folder" if stat.S_ISDIR(state.st_mode) else "a device or a pipe"
                raise FileError(f"{path} cannot be read: it is {what}; give the path of a file")
            if limit is not None and state.st_size > limit:
                raise FileError(
                    f"{path} cannot be read: it has {state.st_size} bytes, expected {limit} at most"
                )
            with open(descriptor, "rb", closefd=False) as stream:
                return stream.read(state.st_size)
        finally:
            os.close(descriptor)


def read_text(path: Path, kind: type[FewShotError]) -> str:
    """Read a file of UTF-8, or of UTF-16 that says so in its first bytes."""
    return decode_text(read_bytes(path), path, kind)


def decode_text(content: bytes, path: Path, kind: type[FewShotError]) -> str:
    """Decode text; an error of `kind` names the line and the way out."""
    is_marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if is_marked else "utf-8-sig")
        start, reason = text.find("\0"), "it holds zero bytes"
    except UnicodeDecodeError as error:
        start, reason = error.start, error.reason
    if start < 0:
        return text
    line = content[:start].count(b"\n") + 1
    encoding = "utf-16" if is_marked else "utf-16le" if b"\0" in content else "windows-1252"
    raise kind(
        f"{path}, line {line}: not UTF-8 text ({reason}); save the file as UTF-8, "
        f"for example: iconv -f {encoding} -t utf-8 {path.name} > utf8{path.suffix}"
    )


def parse_json(text: str | bytes, **options: Any) -> Any:  # JSON holds anything
    """Parse JSON, or raise ValueError, also for what is nested too deeply."""
    try:
        return json.loads(text, **options)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def content_sha256(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of JSON, whatever the order of its keys."""
    try:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def write_whole(path: Path, content: str | bytes, kind: type[FileError] = FileError) -> Path:
    """Write bytes, or text as UTF-8 with its line ends as they are; return the path."""
    with disk_errors(path, "cannot be written", kind), file_aside(path) as aside:
        aside.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@contextmanager
def file_aside(path: Path) -> Iterator[Path]:
    """Yield a file to write to, which takes the place of another if all goes well; links stay."""
    path = path.resolve()
    with made_aside(path) as aside:
        yield aside
        flush(aside)
        aside.replace(path)


@contextmanager
def made_aside(path: Path, *, is_folder: bool = False) -> Iterator[Path]:
    """Yield a new file or folder to be moved to a path; what killed writers left there goes."""
    for left in path.parent.glob(f".{_escaped(path.name)}.{_MARK}-*"):
        if not left.name.endswith(OLD):
            _clear_abandoned(left)
    aside, held = _begin(path, is_folder=is_folder)
    try:
        yield aside
    finally:
        if held is not None:
            os.close(held)
        remove(aside)


def left_aside(path: Path) -> list[Path]:
    """Return former contents of a place that a crash left between two renames."""
    return sorted(path.parent.glob(f".{_escaped(path.name)}.{_MARK}-*{OLD}"))


def flush(path: Path) -> None:
    """Have the operating system put a file or a folder on the disk."""
    if path.is_dir() and os.name == "nt":  # Windows opens no folders
        return
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(file: Path) -> str:
    """Return the digest of a file, read in blocks."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def remove(path: Path) -> None:
    """Delete a file, or a folder with all that it holds, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _numbered(error: FileError, code: int) -> FileError:
    # Not in disk_errors: a frame that holds its own error keeps all callers' values alive.
    error.errno = code
    return error


def _error_number(error: Exception) -> int | None:
    if isinstance(error, OSError):
        return error.errno
    found = _OS_ERROR.search(str(error))
    return None if found is None else int(found[1])


def _escaped(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


def _hold(path: Path) -> int | None:
    """Lock a file or folder until the process ends or closes it; None where there are no locks."""
    if sys.platform == "win32":
        return None
    import fcntl

    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException as error:
        os.close(descriptor)
        if isinstance(error, OSError) and not isinstance(error, BlockingIOError):
            return None  # the file system has no locks
        raise
    return descriptor


def _begin(path: Path, *, is_folder: bool) -> tuple[Path, int | None]:
    while True:
        aside = path.with_name(f".{path.name}.{_MARK}-{secrets.token_hex(8)}")
        aside.mkdir() if is_folder else aside.touch(exist_ok=False)
        # Until it is locked another writer may take it for abandoned, and delete it.
        with suppress(FileNotFoundError, BlockingIOError):
            held = _hold(aside)
            if aside.exists():
                return aside, held
            if held is not None:
                os.close(held)


def _clear_abandoned(path: Path) -> None:
    """Delete what was written aside by a process that is dead: the system has released its lock."""
    with suppress(OSError):
        held = _hold(path)
        if held is not None:
            remove(path)
            os.close(held)
