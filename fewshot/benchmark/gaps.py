"""The gaps of a benchmark: cells that failed, were left out, or have not run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from fewshot.benchmark.results import Cell, Results


@dataclass(frozen=True, slots=True)
class Gap:
    """Cells without a score, and the reason."""

    kind: Literal["failed", "left out", "not run"]
    method: str
    data_set: str
    shots: int
    seeds: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Place:
    """A data set and a number of shots of the spec, with the cells that have run."""

    data_set: str
    shots: int
    seeds: tuple[int, ...]
    cells: tuple[Cell, ...]


def list_places(results: Results) -> list[Place]:
    """Return the data sets and shots of the spec, in its order."""
    return [
        Place(
            str(data["name"]),
            int(shots),
            tuple(data["seeds"]),
            tuple(
                cell
                for cell in results.cells
                if (cell.data_set, cell.shots) == (data["name"], shots)
            ),
        )
        for data in results.header.spec["data_sets"]
        for shots in data["shots"]
    ]


def find_gaps(results: Results, places: Sequence[Place], methods: Sequence[str]) -> Iterator[Gap]:
    """Yield the cells that have no score; seeds with the same reason share a gap."""
    reasons = {
        (entry["method"], name): str(entry["reason"])
        for entry in results.header.spec["left_out"]
        for name in entry["data_sets"] or {place.data_set for place in places}
    }
    with_no_shots = {cell.method for cell in results.cells if cell.shots == 0}
    with_shots = {cell.method for cell in results.cells if cell.shots > 0}
    for place in places:
        for method in methods:
            cells = [cell for cell in place.cells if cell.method == method]
            yield from _failures(cells)
            missing = tuple(seed for seed in place.seeds if seed not in {c.seed for c in cells})
            if not missing:
                continue
            place_of = method, place.data_set, place.shots, missing
            if place.shots == 0 and method in with_shots - with_no_shots:
                yield Gap("left out", *place_of, "learns from labels, so it has none at 0 shots")
            elif (method, place.data_set) in reasons:
                yield Gap("left out", *place_of, reasons[method, place.data_set])
            else:
                yield Gap("not run", *place_of, "not reached yet")


def _failures(cells: Sequence[Cell]) -> Iterator[Gap]:
    """Yield a gap for each error, with its seeds."""
    failed = sorted((cell for cell in cells if not cell.is_done), key=lambda cell: cell.seed)
    for error in dict.fromkeys(cell.error for cell in failed):
        same = [cell for cell in failed if cell.error == error]
        seeds = tuple(cell.seed for cell in same)
        yield Gap("failed", same[0].method, same[0].data_set, same[0].shots, seeds, error)
