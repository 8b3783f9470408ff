"""A process that serves saved classifiers until it is told to stop."""

from __future__ import annotations

import logging
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fewshot.classifiers.batch_predictor import BatchPredictor
from fewshot.cli.server.limits import Limits
from fewshot.errors import InputError, MissingExtraError, ServerError

_GRACE = 30  # seconds that requests in work may take when the server stops
_LOG = logging.getLogger("fewshot.serving")


def serve(folders: Sequence[Path], host: str, port: int, limits: Limits) -> None:
    """Serve saved classifiers, each under the name of its folder, until SIGTERM or SIGINT."""
    try:
        import uvicorn

        from fewshot.cli.server.app import create_app
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            'serving needs fastapi, uvicorn and prometheus-client: pip install "fewshot[serve]"'
        ) from error
    with _stopped_by_sigterm(), _bound(host, port) as listener:  # before models are loaded
        app = create_app(_classifiers(folders), limits)
        address = listener.getsockname()
        _LOG.info("serving on http://%s:%d (Ctrl-C stops)", _shown(address[0]), address[1])
        config = uvicorn.Config(
            app,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=limits.connections,
            timeout_graceful_shutdown=_GRACE,
        )
        uvicorn.Server(config).run(sockets=[listener])


def _classifiers(folders: Sequence[Path]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for folder in folders:
        predictor = BatchPredictor(folder)
        name = Path(predictor.folder).name
        if name in found:
            raise InputError(f"two folders are named {name!r}; rename one: models go by names")
        found[name] = predictor.classifier()
        _LOG.info("loaded %s", name)
    return found


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket that has the port, and does not listen yet."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it would share a port that is in use
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ServerError(
            f"port {port} of {host} cannot be used: {error.strerror}; give another --port or --host"
        ) from error
    return listener


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """End with exit code 0 at SIGTERM, also as the first process of a container."""
    before = signal.signal(signal.SIGTERM, _stop)  # there the default is to ignore it
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(*_: object) -> None:
    raise SystemExit(0)
