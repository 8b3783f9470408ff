"""Runs: the same splits for all, failures that affect no other cell, resuming, parallel jobs."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from fewshot.benchmark import runner
from fewshot.benchmark.results import Cell, CellKey, read_results
from fewshot.errors import BenchmarkError, FewShotError, InputError
from tests.benchmark.specs import NO_SETFIT, Cyclic, Learning, Spy, several_spec, small_spec

SPECS = "tests.benchmark.specs"
run = partial(runner.run, allow_imports=True)
SPY = {"name": "Spy", "estimator": f"{SPECS}:Spy"}
FAILING = {"name": "Failing", "estimator": f"{SPECS}:Failing"}


def scores(cells: tuple[Cell, ...]) -> dict[CellKey, dict[str, float | None]]:
    return {cell.key: cell.scores for cell in cells}


def tiny_prompt(folder: Path, tiny: Any, **settings: Any) -> dict[str, Any]:
    model, tokenizer = tiny
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    settings = {"model": str(folder / "model"), "tuning": "none"} | settings
    return {"name": "Prompt", "estimator": "prompt", "settings": settings}


def only(name: str) -> dict[str, Any]:
    return {"name": name, "estimator": f"{SPECS}:{name}"}


def cells_of(folder: Path, *names: str, n_jobs: int = 1, **changes: Any) -> dict[str, list[Cell]]:
    results = run(small_spec(folder, *map(only, names), **changes), n_jobs=n_jobs, verbose=0)
    return {name: [cell for cell in results.cells if cell.method == name] for name in names}


# ---- Code that a spec names -------------------------------------------------------------------


@pytest.mark.parametrize("is_nested", [False, True])
def test_code_of_others_is_not_even_imported_unless_it_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_nested: bool
) -> None:
    (tmp_path / "evil_module.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    evil = {"estimator": "evil_module:Evil"}
    nested = {"estimator": "sklearn.pipeline:Pipeline", "settings": {"steps": [["a", evil]]}}
    method = {"name": "Evil"} | (nested if is_nested else evil)

    with pytest.raises(BenchmarkError, match=r"method 'Evil': 'evil_module:Evil' is code of nei"):
        runner.run(small_spec(tmp_path, method), verbose=0)

    assert not (tmp_path / "ran").exists()


# ---- Methods that do as they please -----------------------------------------------------------


def test_what_a_method_does_to_its_texts_is_not_seen_by_others(tmp_path: Path) -> None:
    found = cells_of(tmp_path, "Greedy", "Slow")

    assert [cell.error for cell in found["Greedy"]] == ["", ""]
    assert [cell.scores["accuracy"] for cell in found["Slow"]] == [0.5, 0.5]


def test_a_method_that_ends_the_program_fails_alone(tmp_path: Path) -> None:
    found = cells_of(tmp_path, "Exiting", "Slow")

    assert [cell.error for cell in found["Exiting"]] == ["SystemExit: enough"] * 2
    assert all(cell.is_done for cell in found["Slow"])


def test_global_random_states_start_at_the_seed_and_stay_as_they_were(tmp_path: Path) -> None:
    np.random.seed(3)
    before = np.random.get_state()[1].tolist()

    alone = cells_of(tmp_path, "Drawing")["Drawing"]
    after_others = cells_of(tmp_path, "Slow", "Drawing")["Drawing"]

    assert scores(tuple(alone)) == scores(tuple(after_others))
    assert np.random.get_state()[1].tolist() == before


def test_predictions_of_unknown_labels_are_wrong_and_reported(tmp_path: Path) -> None:
    (cell,) = cells_of(tmp_path, "Strange", seeds=[0], test_size=10)["Strange"]

    assert cell.scores["accuracy"] <= 0.5
    assert "1 of 10 predictions are not labels of the data set" in cell.warnings[0]
    assert "weather" in cell.warnings[0]


def test_predictions_that_are_no_list_fail(tmp_path: Path) -> None:
    (cell,) = cells_of(tmp_path, "Nested", seeds=[0], test_size=10)["Nested"]

    assert cell.error == "InputError: predict gives an array of shape (10, 1), expected labels"


def test_probabilities_of_nobody_knows_which_classes_do_not_count(tmp_path: Path) -> None:
    (cell,) = cells_of(tmp_path, "Nameless", seeds=[0])["Nameless"]

    assert cell.scores["accuracy"] == 0.5
    assert cell.scores["log_loss"] is None


# ---- Texts without labels ---------------------------------------------------------------------


def test_a_method_that_takes_unlabelled_texts_gets_others_than_train_and_test(
    tmp_path: Path,
) -> None:
    Learning.seen, Spy.seen = [], []

    (cell,) = cells_of(tmp_path, "Learning", "Spy", seeds=[0], unlabeled_texts=7)["Learning"]

    ((train, unlabeled),) = Learning.seen
    (_, spied, _), (_, test, _) = Spy.seen
    assert train == spied
    assert len(unlabeled) == cell.n_unlabeled == 7
    assert not set(unlabeled) & {*train, *test}


def test_a_grid_is_chosen_with_the_same_unlabelled_texts(tmp_path: Path) -> None:
    Learning.seen = []
    method = only("Learning") | {"grid": {"answer": [0, 1]}}

    run(small_spec(tmp_path, method, seeds=[0], unlabeled_texts=3), verbose=0)

    assert len(Learning.seen) == 2 * 4 + 1  # two settings on four splits, then all labels
    assert len({tuple(unlabeled) for _, unlabeled in Learning.seen}) == 1


@pytest.mark.parametrize("name", ["pet", "pcp"])
def test_self_training_and_pretraining_run_with_and_without_labels(
    tmp_path: Path, tiny_bert: Any, name: str
) -> None:
    prompt = tiny_prompt(tmp_path, tiny_bert)
    settings = {"estimator__model": prompt["settings"]["model"], "estimator__tuning": "head"}
    method = {"name": name, "estimator": name, "settings": settings}

    found = run(
        small_spec(tmp_path, method, shots=[0, 2], seeds=[0], unlabeled_texts=9), verbose=0
    ).cells

    cells = {cell.shots: cell for cell in found if cell.method == name}
    assert [(cells[k].error, cells[k].n_unlabeled) for k in (0, 2)] == [("", 9), ("", 9)]
    assert cells[2].tokens is None
    assert cells[2].trainable_parameters > 0


# ---- What a run is ----------------------------------------------------------------------------


def test_a_run_has_a_cell_for_each_method_data_set_shots_and_seed(tmp_path: Path) -> None:
    results = run(small_spec(tmp_path, shots=[1, 3]), verbose=0)

    assert {tuple(cell.key) for cell in results.cells} == {
        (method, "mine", shots, seed)
        for method in ("Majority", "TF-IDF")
        for shots in (1, 3)
        for seed in (0, 1)
    }
    assert all(cell.is_done for cell in results.cells)


def test_a_cell_says_how_it_came_about(tmp_path: Path) -> None:
    spec = small_spec(tmp_path, shots=[3], seeds=[1], test_size=10)

    (cell,) = [cell for cell in run(spec, verbose=0).cells if cell.method == "TF-IDF"]

    assert (cell.n_train, cell.n_test, cell.metric) == (6, 10, "accuracy")
    assert cell.estimator == "fewshot.classifiers.tfidf.TfidfClassifier"
    assert set(cell.scores) == {"accuracy", "macro_f1", "weighted_f1", "log_loss", "ece"}
    assert cell.scores["accuracy"] > 0.5
    assert cell.fit_seconds > 0
    assert cell.predict_seconds > 0
    assert cell.tokens == 0
    assert cell.peak_memory_mb > 10
    assert "drawn by seed" in cell.split
    assert "10 of" in cell.split
    assert len(cell.data_hash) == 64
    assert {"fewshot", "python", "numpy", "torch"} <= set(cell.versions)
    assert cell.host["threads"] >= 1
    assert cell.finished.endswith("+00:00")


def test_all_methods_meet_the_same_splits_and_train_and_test_are_disjoint(tmp_path: Path) -> None:
    Spy.seen = []
    run(small_spec(tmp_path, SPY, SPY | {"name": "Spy 2"}), verbose=0)

    of_seed = {
        seed: [(tuple(X), None if y is None else tuple(y)) for s, X, y in Spy.seen if s == seed]
        for seed in (0, 1)
    }
    for calls in of_seed.values():
        assert calls[:2] == calls[2:]
        assert len(calls[0][0]) == 4
        assert not set(calls[0][0]) & set(calls[1][0])
    assert of_seed[0][0] != of_seed[1][0], "the seeds draw other training texts"
    assert of_seed[0][1] == of_seed[1][1], "but the test is the same"


def test_only_a_method_that_needs_no_labels_has_cells_at_0_shots(
    tmp_path: Path, tiny_bert: Any
) -> None:
    spec = small_spec(tmp_path, tiny_prompt(tmp_path, tiny_bert), shots=[0, 2])

    cells = run(spec, verbose=0).cells

    at_0 = [cell for cell in cells if cell.shots == 0]
    assert {cell.method for cell in at_0} == {"Prompt"}
    assert all(cell.is_done and cell.n_train == 0 and cell.n_unlabeled > 8 for cell in at_0)
    of_prompt = [cell for cell in cells if cell.method == "Prompt" and cell.shots == 2]
    assert [(cell.n_train, cell.n_unlabeled) for cell in of_prompt] == [(4, 4), (4, 4)]


def test_labels_are_learned_by_what_could_do_without_them(tmp_path: Path, tiny_bert: Any) -> None:
    tiny_prompt(tmp_path, tiny_bert)
    embedding = {"name": "E", "estimator": "embedding", "settings": {"model": f"{tmp_path}/model"}}

    cells = run(small_spec(tmp_path, embedding), verbose=0).cells

    assert [(cell.n_train, cell.n_unlabeled) for cell in cells if cell.method == "E"] == [
        (4, 0)
    ] * 2


def test_a_metric_may_be_chosen_for_a_data_set(tmp_path: Path) -> None:
    spec = small_spec(tmp_path)
    spec["data_sets"][0]["metric"] = "macro_f1"

    assert {cell.metric for cell in run(spec, verbose=0).cells} == {"macro_f1"}


def test_a_prompt_of_the_spec_takes_the_place_of_the_data_sets_own(
    tmp_path: Path, tiny_bert: Any
) -> None:
    spec = small_spec(tmp_path, tiny_prompt(tmp_path, tiny_bert), seeds=[0])
    changed = small_spec(tmp_path, tiny_prompt(tmp_path, tiny_bert), seeds=[0])
    changed["data_sets"][0] |= {
        "template": "{mask} news : {text}",
        "verbalizer": {"sport": ["game"], "business": ["money"]},
    }

    first, second = (
        [cell for cell in run(content, verbose=0).cells if cell.method == "Prompt"]
        for content in (spec, changed)
    )

    assert first[0].is_done
    assert second[0].is_done
    assert first[0].scores["log_loss"] != second[0].scores["log_loss"]


def test_what_model_selection_chose_is_recorded_and_refitted(tmp_path: Path) -> None:
    grid = {"ngram_range": [[1, 1], [1, 2]], "C": [10.0, 1e-9]}
    methods = [{"name": "TF-IDF", "estimator": "tfidf", "grid": grid}]

    cells = run(small_spec(tmp_path, *methods, shots=[6], seeds=[0]), verbose=0).cells

    (cell,) = [cell for cell in cells if cell.method == "TF-IDF"]
    assert cell.chosen == {"ngram_range": [1, 1], "C": 10.0}
    fixed = [{"name": "TF-IDF", "estimator": "tfidf", "settings": cell.chosen}]
    again = run(small_spec(tmp_path, *fixed, shots=[6], seeds=[0]), verbose=0).cells
    assert scores(again) == scores(cells)


# ---- Failures ---------------------------------------------------------------------------------


def test_a_cell_that_fails_is_recorded_and_stops_nothing(tmp_path: Path) -> None:
    cells = run(small_spec(tmp_path, FAILING), verbose=0).cells

    (failed,) = [cell for cell in cells if not cell.is_done]
    assert tuple(failed.key) == ("Failing", "mine", 2, 1)
    assert failed.error == "RuntimeError: out of <luck>\nand more"
    assert "raise RuntimeError" in failed.traceback
    assert failed.scores == {}
    assert len(cells) == 6


def test_failed_cells_are_run_again_when_asked_only(tmp_path: Path) -> None:
    spec, path = small_spec(tmp_path, FAILING), tmp_path / "results.jsonl"
    run(spec, results=path, verbose=0)
    n_lines = len(path.read_text(encoding="utf-8").splitlines())

    run(spec, results=path, verbose=0)
    assert len(path.read_text(encoding="utf-8").splitlines()) == n_lines
    cells = run(spec, results=path, retry_failed=True, verbose=0).cells
    assert len(path.read_text(encoding="utf-8").splitlines()) == n_lines + 1
    assert len(cells) == 6


def test_an_interrupt_ends_the_run_and_keeps_what_was_done(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    methods = [{"name": "Interrupted", "estimator": f"{SPECS}:Interrupted"}]

    with pytest.raises(KeyboardInterrupt):
        run(small_spec(tmp_path, *methods), results=path, verbose=0)

    assert {cell.method for cell in read_results(path).cells} == {"Majority", "TF-IDF"}


def test_warnings_of_a_method_are_recorded_and_not_shown(
    tmp_path: Path, tiny_bert: Any, recwarn: pytest.WarningsRecorder
) -> None:
    spec = small_spec(tmp_path, tiny_prompt(tmp_path, tiny_bert, max_length=8), seeds=[0])

    cells = run(spec, verbose=0).cells

    warnings = {cell.method: cell.warnings for cell in cells}
    assert any(text.startswith("TruncationWarning: ") for text in warnings["Prompt"])
    assert warnings["Majority"] == ()
    assert not [entry for entry in recwarn if "were shortened" in str(entry.message)]


def test_what_a_cell_leaves_is_freed_before_the_next(tmp_path: Path) -> None:
    methods = [{"name": "Cyclic", "estimator": f"{SPECS}:Cyclic"}]
    Cyclic.known, Cyclic.alive = [], []
    n_frozen = gc.get_freeze_count()
    gc.disable()  # it would come by chance

    try:
        run(small_spec(tmp_path, *methods, seeds=[0, 1, 2]), verbose=0)
    finally:
        gc.enable()

    assert Cyclic.alive == [0, 0, 0]
    assert gc.get_freeze_count() == n_frozen


# ---- Resuming and jobs ------------------------------------------------------------------------


def test_a_run_that_is_done_repeats_nothing(tmp_path: Path) -> None:
    spec, path = small_spec(tmp_path, SPY), tmp_path / "results.jsonl"
    first = run(spec, results=path, verbose=0)
    Spy.seen, before = [], path.read_bytes()

    second = run(spec, results=path, verbose=0)

    assert Spy.seen == []
    assert path.read_bytes() == before
    assert second == first


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, to be fast")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_killed_at_five_random_moments_a_run_ends_as_if_it_had_not_been(
    tmp_path: Path, tiny_bert: Any
) -> None:
    slow = {"name": "Slow", "estimator": f"{SPECS}:Slow"}
    prompt = tiny_prompt(tmp_path, tiny_bert)
    spec = small_spec(tmp_path, slow, prompt, FAILING, shots=[1, 2, 3], seeds=[0, 1, 2])
    undisturbed = run(spec, verbose=0).cells
    path, rng, n_left = tmp_path / "results.jsonl", np.random.default_rng(0), []

    def attempt() -> None:
        run(spec, results=path, verbose=0)

    for _ in range(5):
        child = multiprocessing.get_context("fork").Process(target=attempt)
        child.start()
        time.sleep(rng.uniform(0.01, 0.4))
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        n_left.append(child.exitcode)
    attempt()

    assert n_left == [-signal.SIGKILL] * 5, "each was killed before it was done"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    keys = [(x["method"], x["data_set"], x["shots"], x["seed"]) for x in lines[1:]]
    assert len(keys) == len(set(keys)), "no cell was run twice"
    assert scores(read_results(path).cells) == scores(undisturbed)
    assert {c.key for c in read_results(path).cells if not c.is_done} == {
        c.key for c in undisturbed if not c.is_done
    }


@pytest.mark.slow
def test_one_job_and_two_give_identical_scores(tmp_path: Path, tiny_bert: Any) -> None:
    prompt = tiny_prompt(tmp_path, tiny_bert, tuning="full", tuning__num_epochs=2)
    grid = {"name": "TF-IDF", "estimator": "tfidf", "grid": {"C": [0.1, 10.0]}}
    tuned = {"name": "Fine-tuning", "estimator": "fine-tune", "settings": {"num_epochs": 2}}
    tuned["settings"]["model"] = prompt["settings"]["model"]
    drawing = {"name": "Drawing", "estimator": f"{SPECS}:Drawing"}
    spec = small_spec(tmp_path, prompt, grid, tuned, drawing, shots=[2, 4])

    one, two = (run(spec, n_jobs=n_jobs, verbose=0).cells for n_jobs in (1, 2))

    assert all(cell.is_done for cell in one)
    assert scores(one) == scores(two)
    assert {c.key: c.chosen for c in one} == {c.key: c.chosen for c in two}


@pytest.mark.slow
def test_a_worker_that_dies_takes_its_own_cell_down_only(tmp_path: Path) -> None:
    # Begins with the processes of the test before.
    methods = [{"name": "Dying", "estimator": f"{SPECS}:Dying"}]

    cells = run(small_spec(tmp_path, *methods), n_jobs=2, verbose=0).cells

    assert [tuple(cell.key) for cell in cells if not cell.is_done] == [("Dying", "mine", 2, 1)]
    assert len(cells) == 6
    assert next(c.error for c in cells if not c.is_done).startswith("TerminatedWorkerError: ")


def test_a_joblib_backend_takes_the_grid(tmp_path: Path) -> None:
    spec = small_spec(tmp_path)

    with joblib.parallel_config(backend="threading", n_jobs=2):
        cells = run(spec, verbose=0).cells

    assert scores(cells) == scores(run(spec, verbose=0).cells)
    assert len(cells) == 4


def test_progress_tells_each_cell_and_silence_tells_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(small_spec(tmp_path, FAILING), verbose=0)
    assert capsys.readouterr().err == ""

    run(small_spec(tmp_path, FAILING))
    lines = capsys.readouterr().err.splitlines()

    assert lines[0] == "Small: 6 cells, 0 done before"
    assert len(lines) == 7
    assert lines[1].startswith("1/6  mine, 2 shots, seed 0: Majority: accuracy 0.500, ")
    assert "6/6  mine, 2 shots, seed 1: Failing: failed: RuntimeError: out of <luck>" in lines


# ---- Bad input: reported before any work ---------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"shots": [11]}, InputError, "fewer than 11 shots"),
        ({"test_size": 1}, InputError, "test_size"),
        ({"data_sets": ["bbc_newz"]}, InputError, "did you mean 'bbc_news'"),
        ({"methods": ["promt"]}, BenchmarkError, "did you mean 'prompt'"),
        (
            {"methods": [{"name": "P", "estimator": "prompt", "settings": {"model": "./none"}}]},
            BenchmarkError,
            "method 'P': there is no folder './none'",
        ),
        (
            {
                "methods": [{"name": "T", "estimator": "tfidf", "grid": {"C": [1, 2]}}],
                "shots": [1, 2],
            },
            BenchmarkError,
            "method 'T' has a grid, and 1 shots per class of 'mine'.*use 2 or more",
        ),
    ],
)
def test_a_mistake_is_reported_before_any_cell_runs(
    tmp_path: Path, changes: dict[str, Any], error: type[FewShotError], message: str
) -> None:
    Spy.seen = []
    spec = small_spec(tmp_path, SPY) | changes
    spec["methods"] = [SPY, *[m for m in spec["methods"] if m != SPY]]

    with pytest.raises(error, match=message):
        run(spec, results=tmp_path / "results.jsonl", verbose=0)

    assert Spy.seen == []


def test_a_data_folder_that_is_missing_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FEWSHOT_DATA", raising=False)
    spec = {"methods": ["majority"], "data_sets": ["list_rte"], "shots": [10], "seeds": [1]}

    with pytest.raises(InputError, match="FEWSHOT_DATA"):
        run(spec | {"left_out": NO_SETFIT}, verbose=0)
    with pytest.raises(InputError, match="nowhere"):
        run(spec | {"left_out": NO_SETFIT}, data_dir=tmp_path / "nowhere", verbose=0)


def test_results_of_other_texts_are_refused(tmp_path: Path) -> None:
    spec, path = small_spec(tmp_path), tmp_path / "results.jsonl"
    run(spec, results=path, verbose=0)
    texts = tmp_path / "texts.csv"
    texts.write_text(texts.read_text(encoding="utf-8") + "one more game,sport\n", encoding="utf-8")

    with pytest.raises(BenchmarkError, match="the texts of 'mine' differ from those"):
        run(spec, results=path, verbose=0)


@pytest.mark.parametrize("n_jobs", [0, "2", 1.5, True])
def test_a_number_of_jobs_that_is_none_is_reported_before_anything_is_loaded(n_jobs: Any) -> None:
    with pytest.raises(BenchmarkError, match="n_jobs is the number of parallel cells"):
        run(
            {"methods": ["majority"], "data_sets": ["x"], "shots": [1], "seeds": [0]}, n_jobs=n_jobs
        )


@pytest.mark.parametrize("name", ["", "."])
def test_results_do_not_go_to_a_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(BenchmarkError, match="this is a folder; name a file"):
        run(small_spec(tmp_path), results=name, verbose=0)


def test_a_spec_without_any_cell_is_reported(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="the spec has no cell to run"):
        run(small_spec(tmp_path, shots=[0]), verbose=0)


# ---- Several labels for a text ----------------------------------------------------------------


def test_methods_learn_several_labels_whatever_form_they_take(tmp_path: Path) -> None:
    others = {"name": "One-vs-rest", "estimator": f"{SPECS}:one_vs_rest"}

    results = run(several_spec(tmp_path, others, seeds=[0]), verbose=0)
    found = {cell.method: cell for cell in results.cells}

    assert [cell.error for cell in results.cells] == [""] * 3
    assert {cell.metric for cell in results.cells} == {"macro_f1"}
    names = ["macro_f1", "weighted_f1", "micro_f1", "average_precision", "subset_accuracy"]
    assert all(list(cell.scores) == names for cell in results.cells)
    assert 4 <= found["TF-IDF"].n_train <= 8  # some have both labels
    # 8 of the 16 test texts have each label, which is the precision where all texts are equal.
    assert found["Majority"].scores["average_precision"] == pytest.approx(0.5)
    assert found["TF-IDF"].scores["average_precision"] > 0.7
    assert found["One-vs-rest"].scores["average_precision"] > 0.7


def test_without_labels_a_method_knows_that_there_are_several(
    tmp_path: Path, tiny_bert: Any
) -> None:
    spec = several_spec(tmp_path, tiny_prompt(tmp_path, tiny_bert), shots=[0], seeds=[0])

    (cell,) = run(spec, verbose=0).cells

    assert cell.error == ""
    assert cell.scores["micro_f1"] is not None


def test_a_metric_of_one_label_is_refused_for_several(tmp_path: Path) -> None:
    spec = several_spec(tmp_path)
    spec["data_sets"][0]["metric"] = "accuracy"

    with pytest.raises(InputError, match="'mine': a text may have several labels, for which there"):
        run(spec, verbose=0)


def test_several_labels_need_a_test_part(tmp_path: Path) -> None:
    spec = several_spec(tmp_path)
    del spec["data_sets"][0]["test"]

    with pytest.raises(InputError, match="need a test part of their own"):
        run(spec, verbose=0)
