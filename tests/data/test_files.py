"""Files: written whole or not at all, read with bounds, and errors that say why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fewshot.data.files import is_junk, read_bytes, read_text, user_path, write_whole
from fewshot.errors import FileError, InputError
from tests.disks import make_read_only, small_disk, small_files


@pytest.mark.parametrize("content", ["new ≈\n", "new ≈\n".encode()])
def test_a_file_is_written_whole_and_replaces_an_older_one(tmp_path, content):
    path = tmp_path / "demo.html"
    path.write_text("old")

    assert write_whole(path, content) == path

    assert path.read_bytes() == "new ≈\n".encode()
    assert [entry.name for entry in tmp_path.iterdir()] == ["demo.html"]


def test_a_file_that_cannot_be_written_leaves_the_older_one(tmp_path):
    path = tmp_path / "demo.html"
    path.write_text("old")

    with (
        small_files(1000),
        pytest.raises(FileError, match=r"demo\.html cannot be written.*large"),
    ):
        write_whole(path, "x" * 2000)

    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["demo.html"]


def test_a_full_and_a_read_only_disk_are_told_apart(tmp_path):
    with small_disk(tmp_path / "disk", 64) as disk:
        with pytest.raises(FileError, match="the disk is full; make room") as full:
            write_whole(disk / "a", b"x" * 100_000)
        assert list(disk.iterdir()) == []
        make_read_only(disk)
        with pytest.raises(FileError, match="the file system is read-only") as read_only:
            write_whole(disk / "a", b"x")

    assert isinstance(full.value, OSError)
    assert [found.value.errno for found in (full, read_only)] == [28, 30]


def test_what_a_killed_writer_left_goes_with_the_next_one(tmp_path):
    script = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from fewshot.data.files import made_aside\n"
        "with made_aside(Path('a.txt')): os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = str(Path(__file__).parents[2])
    killed = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1

    write_whole(tmp_path / "a.txt", "whole")

    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "there is no such file; check the path"),
        (lambda path: path.mkdir(), "it is a folder"),
        (lambda path: os.mkfifo(path), "it is a device or a pipe"),
        (lambda path: path.symlink_to("/dev/zero"), "it is a device or a pipe"),
        (lambda path: path.symlink_to(path), "Too many levels"),
        (lambda path: path.write_bytes(b"x" * 11), "it has 11 bytes, expected 10 at most"),
    ],
    ids=["missing", "folder", "pipe", "device", "loop", "large"],
)
def test_only_regular_files_of_a_bounded_size_are_read(tmp_path, make, message):
    make(tmp_path / "a")

    with pytest.raises(FileError, match=message):
        read_bytes(tmp_path / "a", 10)


def test_the_home_folder_may_be_written_as_in_a_shell(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))

    assert user_path("~/m") == tmp_path / "m"
    assert user_path(Path("~")) == tmp_path
    assert user_path("a/~") == Path("a/~")


@pytest.mark.parametrize("path", [None, 3, "a\0b", b"a", "~nobody of this name/a"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(InputError, match=r"path|home folder"):
        user_path(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_is_read_as_editors_save_it(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes("Zürich".encode(encoding))

    assert read_text(tmp_path / "a.txt", InputError) == "Zürich"


@pytest.mark.parametrize(
    ("encoding", "advice"),
    [("cp1252", "iconv -f windows-1252"), ("utf-16-le", "iconv -f utf-16le")],
)
def test_text_in_another_encoding_is_refused_with_the_line_and_the_way_out(
    tmp_path, encoding, advice
):
    (tmp_path / "a.txt").write_bytes("\nZürich".encode(encoding))

    with pytest.raises(InputError, match=rf"a\.txt, line \d: not UTF-8 text .*{advice}"):
        read_text(tmp_path / "a.txt", InputError)


def test_what_file_managers_and_editors_leave_is_known():
    junk = [".DS_Store", "Thumbs.db", "desktop.ini", "._a.json", "a.txt~", ".a.swp", "~$a.csv"]

    assert all(map(is_junk, junk))
    assert not any(map(is_junk, ["a.json", "notes.md", ".env", "round-0.round", "notes.bak"]))


def test_a_link_stays_and_what_it_names_is_written(tmp_path: Path) -> None:
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    link.symlink_to(real)

    write_whole(link, "new")

    assert link.is_symlink()
    assert real.read_text() == "new"
