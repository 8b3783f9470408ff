"""Run the benchmarks: ``python -m benchmarks`` (``make bench``)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import memory, prediction

_TEXTS = Path(__file__).parents[2] / "shared" / "data" / "ag_news" / "official_test.jsonl"


def main() -> None:
    """Print one table per benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--texts", type=Path, default=_TEXTS, help="JSON lines with a field 'text' (AG News)"
    )
    parser.add_argument("--n-texts", type=int, default=1000, help="texts to time")
    parser.add_argument("--repeats", type=int, default=5, help="runs; the median counts")
    parser.add_argument("--n-short", type=int, default=100_000, help="texts of the memory test")
    arguments = parser.parse_args()
    if not arguments.texts.is_file():
        sys.exit(f"{arguments.texts} is missing; pass another file with --texts")
    for line in prediction.run(arguments.texts, arguments.n_texts, arguments.repeats):
        sys.stdout.write(line + "\n")
    for line in memory.run(arguments.n_short):
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
