"""Rounds: saved as they end, taken up again, never mixed up with those of another fit."""

from __future__ import annotations

import numpy as np
import pytest

from fewshot.errors import CheckpointError
from fewshot.rounds import Checkpoint, seed_of, started

CONFIGURATION = {"n_repetitions": "1", "labelled data": "abc"}


def begun(folder, configuration=CONFIGURATION, seed=3) -> Checkpoint:
    checkpoint = Checkpoint(folder)
    checkpoint.begin(seed, configuration)
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

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint.json",
        "round-0.round.safetensors",
    ]


def test_a_checkpoint_of_another_configuration_is_refused_and_told(tmp_path):
    begun(tmp_path)

    with pytest.raises(CheckpointError, match=r"differs in n_repetitions \(1 there, 2 here\)"):
        begun(tmp_path, CONFIGURATION | {"n_repetitions": "2"})


def test_a_checkpoint_of_another_seed_is_refused(tmp_path):
    begun(tmp_path, seed=3)

    with pytest.raises(CheckpointError, match=r"seed \(3 there, 4 here\)"):
        begun(tmp_path, seed=4)


def test_a_fit_without_a_seed_of_its_own_goes_on_with_the_first_one(tmp_path):
    begun(tmp_path, seed=3)

    assert Checkpoint(tmp_path).seed(77, is_fixed=False) == 3
    assert Checkpoint(tmp_path).seed(77, is_fixed=True) == 77
    assert Checkpoint(None).seed(77, is_fixed=False) == 77


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")

    with pytest.raises(CheckpointError, match=r"holds \['thesis.txt'\], which are no checkpoint"):
        Checkpoint(tmp_path)


def test_a_file_is_no_checkpoint_folder(tmp_path):
    (tmp_path / "file").write_text("mine")

    with pytest.raises(CheckpointError, match="is a file"):
        Checkpoint(tmp_path / "file")


@pytest.mark.parametrize("content", ["{", "{}", '{"format": "fewshot checkpoint"}'])
def test_a_manifest_that_cannot_be_used_is_refused(tmp_path, content):
    (tmp_path / "checkpoint.json").write_text(content)

    with pytest.raises(CheckpointError):
        Checkpoint(tmp_path)


def test_a_damaged_round_is_told(tmp_path):
    checkpoint = begun(tmp_path)
    checkpoint.save("round-0", {"value": np.array(1)})
    (tmp_path / "round-0.round.safetensors").write_bytes(b"half")

    with pytest.raises(CheckpointError, match=r"'round-0'.*cannot be read"):
        checkpoint.load("round-0")


def test_what_a_kill_left_half_written_does_not_count(tmp_path):
    (tmp_path / "checkpoint.json.unfinished").write_text("{")
    (tmp_path / "round-0.round.safetensors.unfinished").write_bytes(b"half")

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


def test_a_chain_goes_on_from_its_last_state(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        Counter(stop_at=3).run(tmp_path)
    again = Counter()

    again.run(tmp_path)

    assert again.done == [3, 4]
    assert again.total == 0 + 1 + 2 + 3 + 4


def test_a_chain_keeps_one_state_only(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        Counter(stop_at=3).run(tmp_path)

    assert [p.name for p in tmp_path.glob("*.safetensors")] == ["epoch-2.round.safetensors"]


def test_the_bar_tells_rounds_and_remaining_time(capfd):
    with started(Checkpoint(None), 4, "PET", show_progress=True) as rounds:
        rounds._bar.delay = 0
        rounds.run("generation-0-member-0", dict)
        rounds._bar.refresh()

    assert "1/4" in capfd.readouterr().err


def test_stages_have_seeds_of_their_own():
    seeds = {seed_of(seed, *stage) for seed in (0, 1) for stage in ((0,), (1,), (1, 0), (0, 1))}

    assert len(seeds) == 8
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert seed_of(5, 1, 2) == seed_of(5, 1, 2)
