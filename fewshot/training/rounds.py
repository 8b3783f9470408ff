"""Long fits in rounds: shown while they run, saved as they end, resumed after an interruption."""

# A round is a function that returns arrays. They are written when it ends, so that an interruption,
# even `kill -9`, loses the current round only.

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from tqdm.auto import tqdm

from fewshot.errors import InputError
from fewshot.training.checkpoint import Arrays, Checkpoint

_Result = TypeVar("_Result")

_BAR_DELAY = 2.0  # seconds; a short run shows no bar


class Rounds:
    """The rounds of one fit, with a progress bar."""

    def __init__(self, checkpoint: Checkpoint, bar: tqdm) -> None:  # type: ignore[type-arg]
        self.checkpoint = checkpoint
        self._bar = bar

    def run(self, name: str, work: Callable[[], Arrays]) -> Arrays:
        """Run a round, unless it was finished before the fit was interrupted."""
        self._bar.set_postfix_str(name, refresh=False)
        arrays = self.checkpoint.load(name)
        if arrays is None:
            arrays = work()
            self.checkpoint.save(name, arrays)
        self._bar.update()
        return arrays

    def finish(self, name: str, work: Callable[[], _Result]) -> _Result:
        """Run the final round. Its result is not checkpointed."""
        self._bar.set_postfix_str(name, refresh=False)
        result = work()
        self._bar.update()
        return result

    def skip_to(self, number: int) -> None:
        """Count so many rounds as done: another fit has spared this one the work."""
        self._bar.update(max(0, number - self._bar.n))

    def run_chain(
        self,
        name: str,
        n_rounds: int,
        work: Callable[[int], None],
        state: Callable[[], Arrays],
        restore: Callable[[Arrays], None],
    ) -> None:
        """Run rounds that build on each other; only the state after the last one is kept."""
        first = self.checkpoint.latest(name) + 1
        if first:
            restore(self.checkpoint.load(f"{name}-{first - 1}") or {})
            self._bar.update(first)
        for number in range(first, n_rounds):
            self._bar.set_postfix_str(f"{name}-{number}", refresh=False)
            work(number)
            if self.checkpoint.is_kept:
                self.checkpoint.save(f"{name}-{number}", state())
                self.checkpoint.forget(f"{name}-{number - 1}")
            self._bar.update()


@contextmanager
def started(
    checkpoint: Checkpoint, n_rounds: int, name: str, *, show_progress: bool
) -> Iterator[Rounds]:
    """Yield the rounds of a fit; its checkpoint stays if it is interrupted."""
    with tqdm(total=n_rounds, disable=not show_progress, desc=name, delay=_BAR_DELAY) as bar:
        try:
            yield Rounds(checkpoint, bar)
            checkpoint.clear()
        except InputError:  # the same fit would end in it again
            checkpoint.clear()
            raise
        finally:
            checkpoint.release()


def seed_of(seed: int, *stage: int) -> int:
    """Return the seed of a stage (such as generation and member), independent of all others."""
    # With their number: zeros at the end would not count.
    return int(np.random.SeedSequence([seed, len(stage), *stage]).generate_state(1)[0] >> 1)
