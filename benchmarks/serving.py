"""Load a server with many clients; check every answer, and compare its speed with ``predict``.

``python -m benchmarks.serving TEXTS.jsonl`` (JSON lines with a field "text", such as AG News).
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from fewshot import PromptClassifier, load, load_task

_HOST = "127.0.0.1"


class _Served(NamedTuple):
    text: str
    proba: list[float]
    seconds: float


class _Texts:
    """Texts that clients share, each once."""

    def __init__(self, texts: list[str]) -> None:
        self._texts, self._lock = iter(texts), Lock()

    def until(self, end: float) -> Iterator[str]:
        while time.perf_counter() < end:
            with self._lock:
                text = next(self._texts, None)
            if text is None:
                raise SystemExit("the file has too few texts for so much time")
            yield text


def main() -> None:
    """Print requests per second, percentiles of their times, and speed against ``predict``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("texts", type=Path)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--options", default="", help="of the server, such as '--max-batch 32'")
    given = parser.parse_args()
    lines = given.texts.read_text(encoding="utf-8").splitlines()
    texts = list(dict.fromkeys(json.loads(line)["text"] for line in lines))
    with tempfile.TemporaryDirectory() as name:
        folder, task = Path(name) / "model", load_task("ag_news")
        PromptClassifier(task.templates[0], task.verbalizer, tuning="none").fit().save(folder)
        served, wall, cpu = _load(folder, texts, given)
        classifier: Any = load(folder).set_params(verbose=0)
    started, started_cpu = time.perf_counter(), time.process_time()
    expected = classifier.predict_proba([one.text for one in served])
    batch_wall, batch_cpu = time.perf_counter() - started, time.process_time() - started_cpu
    wrong = int((np.array([one.proba for one in served]) != expected).any(1).sum())
    p50, p99 = np.percentile([one.seconds for one in served], [50, 99])
    n = len(served)
    print(f"{n} answers, {wrong} that differ from predict_proba; p50 {p50:.2f} s, p99 {p99:.2f} s")
    for name, own, batch in (("second", wall, batch_wall), ("processor second", cpu, batch_cpu)):
        print(f"{n / own:.1f} texts per {name}, predict {n / batch:.1f}: {batch / own:.2f}")


def _load(
    folder: Path, texts: list[str], given: argparse.Namespace
) -> tuple[list[_Served], float, float]:
    """Return what clients got, and the seconds and processor seconds of the server."""
    command = [sys.executable, "-m", "fewshot", "serve", str(folder), "--port", "0"]
    command.extend(given.options.split())
    process: Any = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    with ThreadPoolExecutor(given.clients + 1) as pool:
        try:
            lines = iter(process.stderr)
            port = int(next(found[1] for line in lines if (found := re.search(r":(\d+) \(", line))))
            pool.submit(lambda: [None for _ in lines])  # reads the log on, until the server ends
            _client(port, iter(["The first text takes longer."] * 3))
            cpu, started = _cpu(port), time.perf_counter()
            shared, end = _Texts(texts), started + given.seconds
            clients = [pool.submit(_client, port, shared.until(end)) for _ in range(given.clients)]
            served = [one for client in clients for one in client.result()]
            wall, cpu = time.perf_counter() - started, _cpu(port) - cpu
            process.terminate()
            return served, wall, cpu
        finally:
            process.kill()


def _client(port: int, texts: Iterator[str]) -> list[_Served]:
    """Send one text after the other, each as soon as the one before is answered."""
    connection, served = _connected(port), []
    for text in texts:
        started = time.perf_counter()
        body = json.dumps({"text": text, "proba": True})
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = json.loads(response.read())
        if response.status != 200:
            raise SystemExit(f"{response.status}: {content}")
        proba = list(content["predictions"][0]["proba"].values())
        served.append(_Served(text, proba, time.perf_counter() - started))
    connection.close()
    return served


def _connected(port: int) -> http.client.HTTPConnection:
    """Return a connection; the server listens a moment after it has named its port."""
    while True:
        connection = http.client.HTTPConnection(_HOST, port, timeout=120)
        try:
            connection.connect()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return connection


def _cpu(port: int) -> float:
    connection = http.client.HTTPConnection(_HOST, port)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return float(re.findall(r"^process_cpu_seconds_total (\S+)", text, re.MULTILINE)[0])


if __name__ == "__main__":
    main()
