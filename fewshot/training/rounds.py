"""Long fits in rounds: shown while they run, saved as they end, taken up after an interruption.

A round is a function that returns arrays. With a folder its arrays are written when it is over,
so that an interruption, even ``kill -9``, loses the round in work and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from tqdm.auto import tqdm

from fewshot.training.checkpoint import Arrays, Checkpoint

_Result = TypeVar("_Result")

_BAR_DELAY = 2.0  # seconds; a short run shows no bar


class Rounds:
    """The rounds of one fit, with a bar that tells how many there are and the time that is left.

    Parameters
    ----------
    checkpoint : Checkpoint
    bar : tqdm
    """

    def __init__(self, checkpoint: Checkpoint, bar: tqdm) -> None:  # type: ignore[type-arg]
        self.checkpoint = checkpoint
        self._bar = bar

    def run(self, name: str, work: Callable[[], Arrays]) -> Arrays:
        """Do the work of a round, unless it was done before the fit was interrupted.

        Parameters
        ----------
        name : str
            Of the round and of its file, such as ``"generation-0-member-3"``.
        work : callable

        Returns
        -------
        dict of str to ndarray
        """
        self._bar.set_postfix_str(name, refresh=False)
        arrays = self.checkpoint.load(name)
        if arrays is None:
            arrays = work()
            self.checkpoint.save(name, arrays)
        self._bar.update()
        return arrays

    def finish(self, name: str, work: Callable[[], _Result]) -> _Result:
        """Do the last round, of which nothing is written: with it the fit is over.

        Parameters
        ----------
        name : str
        work : callable

        Returns
        -------
        object
            What `work` returns.
        """
        self._bar.set_postfix_str(name, refresh=False)
        result = work()
        self._bar.update()
        return result

    def reach(self, number: int) -> None:
        """Count as done what another fit has spared this one.

        Parameters
        ----------
        number : int
            Of rounds that are done now.
        """
        self._bar.update(max(0, number - self._bar.n))

    def run_chain(
        self,
        name: str,
        n_rounds: int,
        work: Callable[[int], None],
        state: Callable[[], Arrays],
        restore: Callable[[Arrays], None],
    ) -> None:
        """Run rounds that build on each other; only the state after the last one is kept.

        Parameters
        ----------
        name : str
        n_rounds : int
        work : callable
            Does the round of a number.
        state : callable
            Returns all that the rounds up to now have made.
        restore : callable
            Goes back to such a state.
        """
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
    """Give the rounds of a fit; when all went well, the checkpoint is cleared, else it stays.

    Parameters
    ----------
    checkpoint : Checkpoint
    n_rounds : int
    name : str
        Of the method, for the bar.
    show_progress : bool

    Yields
    ------
    Rounds
    """
    with tqdm(total=n_rounds, disable=not show_progress, desc=name, delay=_BAR_DELAY) as bar:
        try:
            yield Rounds(checkpoint, bar)
            checkpoint.clear()
        except Exception:
            checkpoint.fail()
            raise
        finally:
            checkpoint.release()


def seed_of(seed: int, *stage: int) -> int:
    """Return the seed of a stage: each has its own, so that none depends on those before it.

    Parameters
    ----------
    seed : int
    stage : int
        Numbers of the stage, such as generation and member.

    Returns
    -------
    int
        From 0 to 2**31 - 1.
    """
    # With their number: zeros at the end would not count.
    return int(np.random.SeedSequence([seed, len(stage), *stage]).generate_state(1)[0] >> 1)
