import pytest

from fewshot.data.files import file_aside, write_whole


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

    def write():
        with file_aside(path) as aside:
            aside.write_text("half of the n")
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        write()

    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["demo.html"]
