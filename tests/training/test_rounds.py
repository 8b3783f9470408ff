"""Rounds: saved as they end, shown while they run, resumed."""

from __future__ import annotations

import numpy as np
import pytest

from fewshot.errors import InputError
from fewshot.training.checkpoint import Checkpoint
from fewshot.training.rounds import seed_of, started

OWN = "fit-one"  # the subfolder


def begun(folder) -> Checkpoint:
    checkpoint = Checkpoint(folder, "one")
    checkpoint.begin(3, {})
    return checkpoint


def run(checkpoint, work, n_rounds=3):
    with started(checkpoint, n_rounds, "test", show_progress=False) as rounds:
        return [
            int(rounds.run(f"round-{i}", lambda i=i: {"value": np.array(work(i))})["value"])
            for i in range(n_rounds)
        ]


def break_at(number):
    def work(i):
        if i == number:
            raise KeyboardInterrupt
        return 10 * i

    return work


def test_of_the_last_round_nothing_is_written(tmp_path):
    with started(begun(tmp_path), 1, "test", show_progress=False) as rounds:
        before = sorted(tmp_path.rglob("*"))
        result = rounds.finish("final", lambda: {"value": np.array(1)})
        after = sorted(tmp_path.rglob("*"))

    assert result == {"value": 1}
    assert after == before


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert run(begun(None), lambda i: 10 * i) == [0, 10, 20]

    assert list(tmp_path.iterdir()) == []


def test_an_interruption_loses_the_round_in_work_only(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(begun(tmp_path), break_at(2))
    done = []

    def work(i):
        done.append(i)
        return 10 * i

    assert run(begun(tmp_path), work) == [0, 10, 20]
    assert done == [2]


def test_a_fit_that_ended_leaves_no_checkpoint(tmp_path):
    run(begun(tmp_path), lambda i: i)

    assert list(tmp_path.iterdir()) == []


def test_an_error_in_a_round_is_raised_and_earlier_rounds_stay(tmp_path):
    def work(i):
        if i == 1:
            raise ValueError("out of memory")
        return i

    with pytest.raises(ValueError, match="out of memory"):
        run(begun(tmp_path), work)

    assert sorted(path.name for path in (tmp_path / OWN).iterdir()) == [
        "checkpoint.json",
        "round-0.round",
        "running.lock",
    ]


def test_of_a_fit_that_its_input_ends_nothing_stays(tmp_path):
    def work(i):
        if i == 1:
            raise InputError("no text is sure enough")
        return i

    with pytest.raises(InputError, match="sure enough"):
        run(begun(tmp_path), work)

    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_left_half_written_does_not_count(tmp_path):
    (tmp_path / OWN).mkdir()
    (tmp_path / OWN / ".checkpoint.json.fewshot-saving-0123").write_text("{")
    (tmp_path / OWN / ".round-0.round.fewshot-saving-0123").write_bytes(b"half")

    assert run(begun(tmp_path), lambda i: i) == [0, 1, 2]
    assert list(tmp_path.iterdir()) == []


class Counter:
    """Rounds that add their number; the state is the sum."""

    def __init__(self, stop_at=None):
        self.total, self.done, self.stop_at = 0, [], stop_at

    def work(self, number):
        if number == self.stop_at:
            raise KeyboardInterrupt
        self.total += number
        self.done.append(number)

    def state(self):
        return {"total": np.array(self.total)}

    def restore(self, arrays):
        self.total = int(arrays["total"])

    def run(self, folder, n_rounds=5):
        with started(begun(folder), n_rounds, "test", show_progress=False) as rounds:
            rounds.run_chain("epoch", n_rounds, self.work, self.state, self.restore)


def test_a_chain_resumes_from_its_last_state(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        Counter(stop_at=3).run(tmp_path)
    again = Counter()

    again.run(tmp_path)

    assert again.done == [3, 4]
    assert again.total == 0 + 1 + 2 + 3 + 4


def test_a_chain_keeps_one_state_only(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        Counter(stop_at=3).run(tmp_path)

    assert [p.name for p in tmp_path.rglob("*.round")] == ["epoch-2.round"]


def test_the_bar_shows_rounds_and_remaining_time(capfd):
    with started(Checkpoint(None, "one"), 4, "PET", show_progress=True) as rounds:
        rounds._bar.delay = 0
        rounds.run("generation-0-member-0", dict)
        rounds._bar.refresh()

    assert "1/4" in capfd.readouterr().err


def test_the_last_round_counts_for_the_bar(capfd):
    with started(Checkpoint(None, "one"), 2, "PET", show_progress=True) as rounds:
        rounds._bar.delay = 0
        rounds.run("generation-0-member-0", dict)
        rounds.finish("final", lambda: None)
        rounds._bar.refresh()

    assert "2/2" in capfd.readouterr().err


def test_rounds_that_another_fit_has_spared_count_once(capfd):
    with started(Checkpoint(None, "one"), 9, "PCP", show_progress=True) as rounds:
        rounds._bar.delay = 0
        rounds.run("scores", dict)
        rounds.skip_to(5)
        rounds.skip_to(3)
        rounds._bar.refresh()

    assert "5/9" in capfd.readouterr().err


def test_stages_have_seeds_of_their_own():
    seeds = {seed_of(seed, *stage) for seed in (0, 1) for stage in ((0,), (1,), (1, 0), (0, 1))}

    assert len(seeds) == 8
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert seed_of(5, 1, 2) == seed_of(5, 1, 2)
