"""What every request passes: the log, the metrics, and the limits of bodies."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Collection

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fewshot.cli.server.limits import Limits
from fewshot.cli.server.metrics import Metrics

_LOG = logging.getLogger("fewshot.serving")
_OTHER = "other"  # paths that are not ours: their names come from outside
_LEFT = 499  # as nginx counts clients that leave before the answer
_DRAIN_SECONDS = 2.0  # a client that still sends does not read our refusal


class Gate:
    """Reads bodies within the limits, then passes requests on; counts and logs them."""

    def __init__(
        self, app: ASGIApp, limits: Limits, metrics: Metrics, paths: Collection[str]
    ) -> None:
        self._app = app
        self._limits = limits
        self._metrics = metrics
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), _LEFT

        async def note_status(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._pass(scope, receive, note_status)
        finally:
            seconds = time.perf_counter() - started
            path = scope["path"] if scope["path"] in self._paths else _OTHER
            self._metrics.requests.labels(path, status).inc()
            self._metrics.seconds.labels(path).observe(seconds)
            _LOG.info("%s %s %d %.1f ms", scope["method"], path, status, seconds * 1000)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        limits = self._limits
        try:
            body = await asyncio.wait_for(self._read(scope, receive), limits.body_seconds)
        except ClientDisconnect:
            return
        except asyncio.TimeoutError:
            detail = f"the body was not there after {limits.body_seconds} seconds; send it at once"
            await _refusal(408, detail)(scope, receive, send)
            return
        if body is None:
            detail = (
                f"the body has more than {limits.body_bytes} bytes; send fewer texts per request"
            )
            await _refusal(413, detail)(scope, receive, send)
            return
        is_read = False

        async def replay() -> Message:
            nonlocal is_read
            if is_read:
                return await receive()
            is_read = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """Return the whole body; None if it is too large."""
        headers = dict(scope["headers"])
        announced = int(headers.get(b"content-length", b"0"))
        if announced > self._limits.body_bytes and b"expect" in headers:
            return None  # the client asks before it sends
        body, parts = bytearray(), _parts(receive)
        async for part in parts:
            body += part
            if len(body) > self._limits.body_bytes:
                body.clear()
                await _drain(parts)
                return None
        return bytes(body)


def _refusal(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, {"Connection": "close"})


async def _parts(receive: Receive) -> AsyncIterator[bytes]:
    """Yield a body part by part."""
    is_over = False
    while not is_over:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        yield message.get("body", b"")
        is_over = not message.get("more_body", False)


async def _drain(parts: AsyncIterator[bytes]) -> None:
    """Read on for a while without keeping anything."""
    until = time.monotonic() + _DRAIN_SECONDS
    async for _ in parts:
        if time.monotonic() > until:
            return
