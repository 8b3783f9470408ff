"""Checkpoints: rounds of a fit on the disk, never mixed up with those of another fit."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from fewshot.errors import CheckpointError, CheckpointWarning
from fewshot.training.checkpoint import Checkpoint, check_folder
from tests.disks import make_read_only, small_disk

CONFIGURATION = {"n_repetitions": "1", "labelled data": "abc"}


OWN = "fit-one"  # the subfolder


def begun(folder, configuration=CONFIGURATION, seed=3, fit="one") -> Checkpoint:
    checkpoint = Checkpoint(folder, fit)
    checkpoint.begin(seed, configuration)
    return checkpoint


def test_a_checkpoint_of_another_configuration_is_refused_and_the_difference_named(tmp_path):
    begun(tmp_path).release()

    with pytest.raises(CheckpointError, match=r"differs in n_repetitions \(1 then, 2 now\)"):
        begun(tmp_path, CONFIGURATION | {"n_repetitions": "2"})


def test_a_checkpoint_of_another_seed_is_refused(tmp_path):
    begun(tmp_path, seed=3).release()

    with pytest.raises(CheckpointError, match=r"seed \(3 then, 4 now\)"):
        begun(tmp_path, seed=4)


def test_a_fit_without_a_seed_of_its_own_resumes_with_the_first_one(tmp_path):
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

    with pytest.raises(CheckpointError, match="a fit with these settings and texts is running"):
        begun(tmp_path)

    running.release()
    begun(tmp_path)


def test_a_fit_that_another_process_began_meanwhile_is_not_mixed_up(tmp_path):
    late = Checkpoint(tmp_path, "one")
    begun(tmp_path, CONFIGURATION | {"unlabelled texts": "x"}).release()

    with pytest.raises(CheckpointError, match=r"unlabelled texts \(x then, none now\)"):
        late.begin(3, CONFIGURATION)


# ---- Other settings ---------------------------------------------------------------------------

SETTINGS = {"class": "PET", "labelled data": "A", "n_repetitions": "1"}
CHANGED = SETTINGS | {"n_repetitions": "2"}


def interrupted(folder, configuration=SETTINGS, fit="one") -> None:
    begun(folder, configuration, fit=fit).release()


def test_a_fit_with_other_settings_starts_anew_and_names_the_difference(tmp_path):
    interrupted(tmp_path)

    with pytest.warns(CheckpointWarning, match=r"'fit-one' differs in n_repetitions \(1 then, 2 n"):
        begun(tmp_path, CHANGED, fit="two", seed=77).clear()

    assert [path.name for path in tmp_path.iterdir()] == [OWN]


def test_of_several_interrupted_fits_the_closest_is_named(tmp_path):
    interrupted(tmp_path)
    with pytest.warns(CheckpointWarning):
        interrupted(tmp_path, CHANGED | {"class": "LiST"}, fit="two")

    with pytest.warns(CheckpointWarning, match=r"beside 2 interrupted.*fit-one' differs in cl"):
        begun(tmp_path, SETTINGS | {"class": "PCP"}, fit="three")


def test_a_fit_beside_one_that_is_running_does_not_warn(tmp_path):
    running = begun(tmp_path, SETTINGS)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        begun(tmp_path, CHANGED, fit="two")

    running.release()


def test_a_fit_that_is_resumed_does_not_warn(tmp_path):
    interrupted(tmp_path)
    with pytest.warns(CheckpointWarning):
        interrupted(tmp_path, CHANGED, fit="two")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        begun(tmp_path, SETTINGS)


def test_a_warning_that_is_an_error_leaves_nothing_behind(tmp_path):
    interrupted(tmp_path)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CheckpointWarning):
            begun(tmp_path, CHANGED, fit="two")

    assert [path.name for path in tmp_path.iterdir()] == [OWN]


def test_a_random_state_that_has_moved_on_is_named(tmp_path):
    interrupted(tmp_path, SETTINGS | {"random_state": "ab"})

    with pytest.warns(CheckpointWarning, match="A RandomState differs after each fit; an int does"):
        begun(tmp_path, SETTINGS | {"random_state": "cd"}, fit="two")


# ---- Folders ----------------------------------------------------------------------------------


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")

    with pytest.raises(CheckpointError, match=r"holds \['thesis.txt'\], which are not checkpoints"):
        Checkpoint(tmp_path, "one")


def test_a_file_is_no_checkpoint_folder(tmp_path):
    (tmp_path / "file").write_text("mine")

    with pytest.raises(CheckpointError, match="is a file"):
        Checkpoint(tmp_path / "file", "one")


_HEAD = '"format": "fewshot checkpoint", "format_version": 3'


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


def test_a_damaged_round_is_named(tmp_path):
    checkpoint = begun(tmp_path)
    checkpoint.save("round-0", {"value": np.array(1)})
    file = tmp_path / OWN / "round-0.round"
    data = file.read_bytes()

    for damaged in (b"half", b"", data[:-1], data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]):
        file.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"'round-0'.*damaged.*delete round-0\.round"):
            checkpoint.load("round-0")


def test_a_round_of_another_place_is_refused(tmp_path):
    checkpoint = begun(tmp_path)
    checkpoint.save("round-0", {"value": np.array(1)})
    (tmp_path / OWN / "round-0.round").rename(tmp_path / OWN / "round-1.round")

    with pytest.raises(CheckpointError, match=r"'round-1'.*its SHA-256 is another"):
        checkpoint.load("round-1")


def test_a_manifest_that_was_altered_is_refused(tmp_path):
    begun(tmp_path).release()
    file = tmp_path / OWN / "checkpoint.json"
    file.write_text(file.read_text().replace('"seed": 3', '"seed": 4'))

    with pytest.raises(CheckpointError, match=r"checkpoint\.json was altered.*delete its folder"):
        Checkpoint(tmp_path, "one")


def test_a_full_and_a_read_only_disk_are_errors_of_the_checkpoint(tmp_path):
    with small_disk(tmp_path / "disk", 64) as disk:
        checkpoint = begun(disk / "c")
        checkpoint.save("round-0", {"value": np.zeros(10)})
        with pytest.raises(CheckpointError, match="the disk is full; make room") as found:
            checkpoint.save("round-1", {"value": np.zeros(100_000)})
        assert isinstance(found.value, OSError)
        assert checkpoint.load("round-1") is None
        assert checkpoint.load("round-0")["value"].tolist() == [0] * 10
        checkpoint.release()
        make_read_only(disk)
        for call in (lambda: begun(disk / "c"), lambda: begun(disk / "d")):
            with pytest.raises(CheckpointError, match="read-only"):
                call()


def test_what_file_managers_leave_is_no_hindrance(tmp_path):
    checkpoint = begun(tmp_path)
    for name in (".DS_Store", f"{OWN}/Thumbs.db", f"{OWN}/epoch-1 (copy).round"):
        (tmp_path / name).write_bytes(b"")

    assert Checkpoint(tmp_path, "one").latest("epoch") == -1
    checkpoint.clear()

    assert [path.name for path in tmp_path.iterdir()] == [".DS_Store"]


def test_a_nested_checkpoint_is_cleared_with_the_fit_around_it(tmp_path):
    outer = begun(tmp_path)
    inner = begun(outer.nested, fit="two")
    inner.save("round-0", {"value": np.array(1)})
    inner.release()

    assert outer.nested == tmp_path / OWN / "estimator"
    outer.clear()

    assert list(tmp_path.iterdir()) == []


def test_without_a_folder_nothing_is_nested():
    assert begun(None).nested is None


def test_a_folder_is_checked_without_beginning_a_fit(tmp_path):
    check_folder(None)
    check_folder(tmp_path / "missing")
    begun(tmp_path)
    check_folder(str(tmp_path))
    (tmp_path / "thesis.txt").touch()

    with pytest.raises(CheckpointError, match=r"thesis\.txt"):
        check_folder(tmp_path)
