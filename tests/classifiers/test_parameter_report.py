"""The account of tuning: what was tuned, what it weighs, what it took."""

from __future__ import annotations

import pickle

import pytest

from fewshot import PromptClassifier
from fewshot.classifiers.parameter_report import ParameterReport
from fewshot.models.hardware import measured_memory
from fewshot.models.masked_lm import MaskedLM
from fewshot.tuning import Adapter, BitFit, Full, LoRA

TEXTS = ["the football team", "a goal", "an election vote", "the law"]
LABELS = ["sports", "sports", "politics", "politics"]


def report_of(tiny, tuning, texts=TEXTS, labels=LABELS) -> ParameterReport:
    clf = PromptClassifier(
        "{mask} news: {text}",
        {"politics": ["politics", "law"], "sports": ["sports", "game"]},
        model=MaskedLM(*tiny, device="cpu"),
        tuning=tuning,
        calibration="domain",
        random_state=0,
        verbose=0,
    )
    return clf.fit(texts, labels).parameter_report_


def n_parameters(tiny) -> int:
    return sum(parameter.numel() for parameter in tiny[0].parameters())


def test_low_rank_updates(tiny_bert):
    report = report_of(tiny_bert, LoRA(rank=4, num_epochs=1))

    total = n_parameters(tiny_bert) + 1024
    assert report.n_tuned == 1024
    assert report.n_head == 2 * 2 * 32  # on mean states, and on states at the mask
    assert report.n_total == total
    assert report.tuned_share == pytest.approx(1024 / total)
    assert report.tuned_bytes == 1024 * 4 + 2 * 2 * 32 * 8
    assert report.saved_bytes == total * 4 - report.tuned_bytes
    assert report.step_seconds > 0


@pytest.mark.parametrize(
    ("strategy", "n_tuned"),
    [
        (Adapter(num_epochs=1), 2 * 162),
        # Attention 4 x 32, feed-forward 64 + 32, norms 2 x 32; of the embeddings' norm 32; of the
        # head 32 + 32 + 330.
        (BitFit(num_epochs=1), 2 * (128 + 96 + 64) + 32 + 32 + 32 + 330),
    ],
)
def test_the_number_of_tuned_parameters(tiny_bert, strategy, n_tuned):
    assert report_of(tiny_bert, strategy).n_tuned == n_tuned


def test_full_tuning_leaves_out_the_embeddings(tiny_bert):
    report = report_of(tiny_bert, Full(num_epochs=1))

    tables = (330 + 97 + 2) * 32
    assert report.n_tuned == n_parameters(tiny_bert) - tables
    assert report.n_total == n_parameters(tiny_bert)


def test_tied_embeddings_count_once(tiny_bert):
    report = report_of(tiny_bert, Full(num_epochs=1, embeddings="tuned"))

    assert report.n_tuned == report.n_total == n_parameters(tiny_bert)
    assert report.tuned_share == 1.0


def test_zero_shot_tunes_nothing(tiny_bert):
    report = report_of(tiny_bert, "none")

    assert (report.n_tuned, report.n_head, report.tuned_bytes) == (0, 0, 0)
    assert report.step_seconds is None
    assert report.saved_bytes == n_parameters(tiny_bert) * 4


def test_a_head_has_its_coefficients_only(tiny_bert):
    report = report_of(tiny_bert, "head")

    assert (report.n_tuned, report.n_head) == (0, 2 * 2 * 32)
    assert report.step_seconds is None


def test_what_an_earlier_tuning_changed_is_not_counted_again(tiny_bert):
    clf = PromptClassifier(
        "{mask} news: {text}",
        {"politics": ["politics"], "sports": ["sports"]},
        model=MaskedLM(*tiny_bert, device="cpu"),
        tuning=Full(num_epochs=1),
        calibration="domain",
        verbose=0,
    ).fit(TEXTS, LABELS)

    again = clf.set_params(model=clf.model_, tuning=LoRA(rank=4, num_epochs=1)).fit(TEXTS, LABELS)

    assert again.parameter_report_.n_tuned == 1024


def test_memory_is_reported_only_within_a_measurement(tiny_bert):
    assert report_of(tiny_bert, LoRA(num_epochs=1)).peak_memory_bytes is None

    with measured_memory():
        assert report_of(tiny_bert, LoRA(num_epochs=1)).peak_memory_bytes is not None


def test_a_fit_resets_no_counter_of_the_process(tiny_bert, monkeypatch):
    resets = []
    monkeypatch.setattr("fewshot.models.hardware._reset_peak", lambda: resets.append(1))

    report_of(tiny_bert, LoRA(num_epochs=1))

    assert not resets


def test_it_reads_as_text():
    report = ParameterReport(
        n_tuned=1024,
        n_head=64,
        n_total=32_000,
        tuned_bytes=4608,
        saved_bytes=123_392,
        peak_memory_bytes=3 * 2**20,
        step_seconds=0.0123,
    )

    assert repr(report) == (
        "tuned 1,024 of 32,000 parameters (3.20%) and 64 beside the model\n"
        "keeps 4.5 KiB for this task, 120 KiB less than a copy of the model\n"
        "took 3 MiB of memory at the peak\n"
        "took 12 ms per step"
    )
    assert pickle.loads(pickle.dumps(report)) == report


def test_what_is_not_known_is_left_out():
    report = ParameterReport(n_tuned=0, n_head=0, n_total=10, tuned_bytes=0, saved_bytes=40)

    assert repr(report) == (
        "tuned 0 of 10 parameters (0.00%) and 0 beside the model\n"
        "keeps 0 B for this task, 40 B less than a copy of the model"
    )
