"""Files that appear whole or not at all, and their digests."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BLOCK = 2**20  # bytes


@contextmanager
def file_aside(path: Path) -> Iterator[Path]:
    """Yield a file to write to, which takes the place of another if all goes well."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        yield aside
        flush(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write bytes, or text as UTF-8 with its line ends as they are; return the path."""
    with file_aside(path) as aside:
        aside.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


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
