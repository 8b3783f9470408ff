"""Rounds: saved as they end, taken up again, never mixed up with those of another fit."""

from __future__ import annotations

import numpy as np
import pytest

from fewshot import rounds
from fewshot.errors import CheckpointError
from fewshot.rounds import Checkpoint, seed_of, started

CONFIGURATION = {"n_repetitions": "1", "labelled data": "abc"}


OWN = "fit-one"  # the subfolder


@pytest.fixture(autouse=True)
def _as_in_a_new_process(monkeypatch):
    monkeypatch.setattr(rounds, "_USED", set())


def begun(folder, configuration=CONFIGURATION, seed=3, fit="one") -> Checkpoint:
    checkpoint = Checkpoint(folder, fit)
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

    assert sorted(path.name for path in (tmp_path / OWN).iterdir()) == [
        "checkpoint.json",
        "round-0.round.safetensors",
        "running.lock",
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

    assert Checkpoint(tmp_path, "one").seed(77, is_fixed=False) == 3
    assert Checkpoint(tmp_path, "one").seed(77, is_fixed=True) == 77
    assert Checkpoint(tmp_path, "two").seed(77, is_fixed=False) == 77
    assert Checkpoint(None, "one").seed(77, is_fixed=False) == 77


def test_fits_in_one_folder_do_not_see_each_other(tmp_path):
    one = begun(tmp_path, {"labelled data": "A"})
    two = begun(tmp_path, {"labelled data": "B"}, fit="two")

    one.save("round-0", {"value": np.array(1)})

    assert two.load("round-0") is None
    assert one.load("round-0")["value"] == 1
    one.clear()
    assert [path.name for path in tmp_path.iterdir()] == ["fit-two"]


def test_the_same_fit_at_the_same_time_is_refused(tmp_path):
    running = begun(tmp_path)

    with pytest.raises(CheckpointError, match="the same fit is running"):
        begun(tmp_path)

    running.release()
    begun(tmp_path)


def test_a_fit_that_another_process_began_meanwhile_is_not_mixed_up(tmp_path):
    late = Checkpoint(tmp_path, "one")
    begun(tmp_path, CONFIGURATION | {"unlabelled texts": "x"})

    with pytest.raises(CheckpointError, match=r"unlabelled texts \(x there, none here\)"):
        late.begin(3, CONFIGURATION)


# ---- Other settings ---------------------------------------------------------------------------

SETTINGS = {"class": "PET", "labelled data": "A", "n_repetitions": "1"}
CHANGED = SETTINGS | {"n_repetitions": "2"}


def interrupted(folder, configuration=SETTINGS, fit="one") -> None:
    begun(folder, configuration, fit=fit).release()


def test_changed_settings_are_refused_where_one_interrupted_fit_is(tmp_path):
    interrupted(tmp_path)

    with pytest.raises(CheckpointError, match=r"in n_repetitions \(1 there, 2 here\)\. Fit with"):
        begun(tmp_path, CHANGED, fit="two", seed=77)

    assert [path.name for path in tmp_path.iterdir()] == [OWN]


@pytest.mark.parametrize("name", ["class", "labelled data"])
def test_a_fit_of_something_else_begins_beside_an_interrupted_one(tmp_path, name):
    interrupted(tmp_path)

    begun(tmp_path, CHANGED | {name: "other"}, fit="two")


def test_a_candidate_begins_beside_one_that_is_running(tmp_path):
    running = begun(tmp_path, SETTINGS)

    begun(tmp_path, CHANGED, fit="two")

    running.release()


def test_a_search_that_was_interrupted_can_be_repeated(tmp_path, monkeypatch):
    begun(tmp_path, SETTINGS | {"labelled data": "fold 1"}).clear()
    interrupted(tmp_path, CHANGED | {"labelled data": "fold 1"}, fit="two")
    monkeypatch.setattr(rounds, "_USED", set())

    begun(tmp_path, SETTINGS | {"labelled data": "fold 1"}).clear()
    begun(tmp_path, CHANGED | {"labelled data": "fold 1"}, fit="two").clear()

    assert list(tmp_path.iterdir()) == []


def test_after_an_error_other_settings_may_be_tried(tmp_path):
    with pytest.raises(ValueError, match="too sure"):
        run(begun(tmp_path, SETTINGS), lambda _: int("too sure"))

    begun(tmp_path, CHANGED, fit="two")


def test_a_random_state_that_has_moved_on_is_told(tmp_path):
    interrupted(tmp_path, SETTINGS | {"random_state": "ab"})

    with pytest.raises(CheckpointError, match="A RandomState differs after each fit; an int does"):
        begun(tmp_path, SETTINGS | {"random_state": "cd"}, fit="two")


# ---- Folders ----------------------------------------------------------------------------------


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")

    with pytest.raises(CheckpointError, match=r"holds \['thesis.txt'\], which are no checkpoint"):
        Checkpoint(tmp_path, "one")


def test_a_file_is_no_checkpoint_folder(tmp_path):
    (tmp_path / "file").write_text("mine")

    with pytest.raises(CheckpointError, match="is a file"):
        Checkpoint(tmp_path / "file", "one")


_HEAD = '"format": "fewshot checkpoint", "format_version": 2'


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "{}",
        "[]",
        "null",
        '{"format": "fewshot checkpoint"}',
        f"{{{_HEAD}}}",
        f'{{{_HEAD}, "seed": 1}}',
        f'{{{_HEAD}, "seed": "1", "configuration": {{}}}}',
        f'{{{_HEAD}, "seed": 1, "configuration": []}}',
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused(tmp_path, content):
    (tmp_path / OWN).mkdir()
    (tmp_path / OWN / "checkpoint.json").write_text(content)

    with pytest.raises(CheckpointError):
        Checkpoint(tmp_path, "one")


def test_a_damaged_round_is_told(tmp_path):
    checkpoint = begun(tmp_path)
    checkpoint.save("round-0", {"value": np.array(1)})
    (tmp_path / OWN / "round-0.round.safetensors").write_bytes(b"half")

    with pytest.raises(CheckpointError, match=r"'round-0'.*cannot be read"):
        checkpoint.load("round-0")


def test_what_a_kill_left_half_written_does_not_count(tmp_path):
    (tmp_path / OWN).mkdir()
    (tmp_path / OWN / "checkpoint.json.unfinished").write_text("{")
    (tmp_path / OWN / "round-0.round.safetensors.unfinished").write_bytes(b"half")

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

    assert [p.name for p in tmp_path.rglob("*.safetensors")] == ["epoch-2.round.safetensors"]


def test_the_bar_tells_rounds_and_remaining_time(capfd):
    with started(Checkpoint(None, "one"), 4, "PET", show_progress=True) as rounds:
        rounds._bar.delay = 0
        rounds.run("generation-0-member-0", dict)
        rounds._bar.refresh()

    assert "1/4" in capfd.readouterr().err


def test_stages_have_seeds_of_their_own():
    seeds = {seed_of(seed, *stage) for seed in (0, 1) for stage in ((0,), (1,), (1, 0), (0, 1))}

    assert len(seeds) == 8
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert seed_of(5, 1, 2) == seed_of(5, 1, 2)
