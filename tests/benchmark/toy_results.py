"""Results made by hand, for the tests of summaries and reports."""

from __future__ import annotations

from typing import Any

from fewshot.benchmark.results import Cell, Header, Results


def cell(
    method: str, data_set: str, shots: int, seed: int, score: float | None, **changes: Any
) -> Cell:
    values: dict[str, Any] = {
        "status": "done",
        "metric": "accuracy",
        "title": data_set.title(),
        "scores": {"accuracy": score, "log_loss": None},
        "fit_seconds": 2.0,
        "predict_seconds": 0.5,
        "tokens": 1000,
        "trainable_parameters": 10,
        "peak_memory_mb": 800.0,
        "n_train": 2 * shots,
        "n_test": 100,
        "data_hash": "abc",
        "split": f"{shots} of each class",
        "versions": {"fewshot": "0.1.0", "python": "3.11.7"},
        "host": {"cores": 4, "device": "cpu"},
        "finished": f"2026-11-21T12:00:0{seed}+00:00",
    }
    return Cell(method, data_set, shots, seed, **(values | changes))


def failed(method: str, data_set: str, shots: int, seed: int, error: str) -> Cell:
    return cell(
        method, data_set, shots, seed, None, status="failed", error=error, scores={},
        fit_seconds=None, predict_seconds=None, tokens=None,
    )  # fmt: skip


def results(
    cells: list[Cell],
    *,
    methods: tuple[str, ...] = ("Zero", "Good", "Close", "Poor"),
    data_sets: tuple[str, ...] = ("news",),
    shots: tuple[int, ...] = (8,),
    seeds: tuple[int, ...] = (0, 1, 2),
    left_out: tuple[dict[str, Any], ...] = (),
    name: str = "Toy",
) -> Results:
    spec = {
        "name": name,
        "methods": [
            {"name": method, "estimator": "prompt", "settings": {}, "grid": {}}
            for method in methods
        ],
        "data_sets": [
            {"name": data_set, "shots": list(shots), "seeds": list(seeds)} for data_set in data_sets
        ],
        "left_out": list(left_out),
    }
    header = Header(
        spec=spec, spec_hash="123", created="2026-11-21T11:59:00+00:00", fewshot="0.1.0"
    )
    return Results(header, tuple(cells))


def seeds_of(
    method: str, scores: tuple[float | None, ...], data_set: str = "news", shots: int = 8
) -> list[Cell]:
    return [cell(method, data_set, shots, seed, score) for seed, score in enumerate(scores)]


def toy_cells() -> list[Cell]:
    """Good is the best, Close is tied, Poor and Zero are behind, by hand in test_summary."""
    return [
        *seeds_of("Good", (0.90, 0.92, 0.94)),
        *seeds_of("Close", (0.91, 0.89, 0.93)),
        *seeds_of("Poor", (0.80, 0.81, 0.83)),
        *seeds_of("Zero", (0.70, 0.70, 0.70)),
    ]
