"""A real server process on the loopback interface, and requests to it."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

HOST = "127.0.0.1"
JSON = {"Content-Type": "application/json"}
_ADDRESS = re.compile(r"serving on http://127\.0\.0\.1:(\d+)")


class Answer(NamedTuple):
    status: int
    content: Any  # parsed, if it is JSON
    headers: Mapping[str, str]


class Server:
    """`fewshot serve`, with its log in a file."""

    def __init__(self, log: Path, *arguments: object) -> None:
        self.log = log
        command = [sys.executable, "-m", "fewshot", "serve", *map(str, arguments), "--port", "0"]
        with log.open("wb") as file:
            self.process = subprocess.Popen(command, stderr=file)
        self.port = self._started()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(HOST, self.port, timeout=60)

    def get(self, path: str) -> Answer:
        return self._answer("GET", path, None, {})

    def predict(self, **content: Any) -> Answer:
        return self.post(json.dumps(content).encode())

    def post(self, body: Any, headers: Mapping[str, str] = JSON) -> Answer:
        return self._answer("POST", "/predict", body, headers)

    def metric(self, line: str) -> float:
        found = re.search(rf"^{re.escape(line)} (\S+)$", self.get("/metrics").content, re.MULTILINE)
        return 0.0 if found is None else float(found[1])

    def wait_until_texts_wait(self, model: str) -> None:
        until = time.monotonic() + 30
        while not self.metric(f'fewshot_waiting_texts{{model="{model}"}}'):
            assert time.monotonic() < until, "no text has come to wait"

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def _answer(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Answer:
        connection = self.connection()
        try:
            connection.request(method, path, body, dict(headers))
            return read_answer(connection)
        finally:
            connection.close()

    def _started(self) -> int:
        until = time.monotonic() + 300
        while time.monotonic() < until and self.process.poll() is None:
            found = _ADDRESS.search(self.log.read_text())
            if found is not None and self._listens(int(found[1])):
                return int(found[1])
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def _listens(self, port: int) -> bool:
        connection = http.client.HTTPConnection(HOST, port, timeout=60)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except ConnectionRefusedError:
            return False
        finally:
            connection.close()


def read_answer(connection: http.client.HTTPConnection) -> Answer:
    response = connection.getresponse()
    text = response.read().decode()
    is_json = response.headers.get("Content-Type", "").startswith("application/json")
    return Answer(response.status, json.loads(text) if is_json else text, response.headers)
