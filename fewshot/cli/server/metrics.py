"""Numbers that Prometheus reads."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Requests, texts, predictions and batches of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self.requests = Counter(
            "fewshot_requests",
            "Requests answered.",
            ["path", "status"],
            registry=self._registry,
        )
        self.seconds = Histogram(
            "fewshot_request_seconds",
            "Time from the first byte of a request to the last of its answer.",
            ["path"],
            registry=self._registry,
        )
        self.predictions = Counter(
            "fewshot_predictions",
            "Texts predicted, by label.",
            ["model", "label"],
            registry=self._registry,
        )
        self.batches = Histogram(
            "fewshot_batch_texts",
            "Texts that were predicted together.",
            ["model"],
            buckets=_BATCHES,
            registry=self._registry,
        )
        self._waiting = Gauge(
            "fewshot_waiting_texts",
            "Texts that wait for a model.",
            ["model"],
            registry=self._registry,
        )

    def watch_waiting(self, model: str, n_waiting: Callable[[], float]) -> None:
        """Ask for the texts that wait for a model whenever the numbers are read."""
        self._waiting.labels(model).set_function(n_waiting)

    def text(self) -> bytes:
        """Return all numbers in Prometheus' format."""
        return generate_latest(self._registry)
