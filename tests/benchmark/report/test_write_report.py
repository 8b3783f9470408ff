"""Reports of hand-made results: their texts and marks; well-formed, and always the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fewshot.benchmark.report import write_report
from fewshot.benchmark.results import Results
from fewshot.errors import FileError
from tests.benchmark.toy_results import cell, failed, results, seeds_of, toy_cells
from tests.html_checker import Checker, check


def html_of(known: Results, folder: Path) -> str:
    return write_report(known, folder)[0].read_text(encoding="utf-8")


def markdown_of(known: Results, folder: Path) -> str:
    return write_report(known, folder)[1].read_text(encoding="utf-8")


def text_of(html: str) -> str:
    return " ".join("".join(check(html).text).split())


def charts(checker: Checker) -> list[str]:
    labels = [svg.get("aria-label") for svg in checker.find("svg")]
    return [label.split(" on ")[0] for label in labels if label]


def test_the_best_is_bold_and_the_tied_is_marked(tmp_path: Path) -> None:
    lines = markdown_of(results(toy_cells()), tmp_path).splitlines()

    first = lines.index("| --- | ---: |") + 1
    assert lines[first : first + 4] == [
        "| Zero | 0.700 ± 0.000 |",
        "| Good | **0.920** ± 0.020 |",
        "| Close | 0.910 ± 0.020 ≈ |",
        "| Poor | 0.813 ± 0.015 |",
    ]


def test_the_page_has_the_same_marks(tmp_path: Path) -> None:
    html = html_of(results(toy_cells()), tmp_path)

    space = "\N{NO-BREAK SPACE}"
    assert f"<td><b>0.920</b> <span>±{space}0.020</span></td>" in html
    assert f"<td>0.910{space}≈ <span>±{space}0.020</span></td>" in html
    assert f"<td>0.700 <span>±{space}0.000</span></td>" in html


def test_details_hold_interval_difference_and_p(tmp_path: Path) -> None:
    text = markdown_of(results(toy_cells()), tmp_path)

    # 4.302653 * 0.02 / sqrt(3) = 0.0497; Close minus Good is -0.01, its t -0.01 / (0.02 / sqrt(3)).
    row = next(line for line in text.splitlines() if line.startswith("| Close | 8 | 3 of 3"))
    assert row == (
        "| Close | 8 | 3 of 3 | 0.860 to 0.960 | −0.010 | 0.478 ≈ | 0.910 ± 0.020 | – | – | – | – |"
    )


def test_memory_of_a_gpu_has_a_column_where_there_is_one(tmp_path: Path) -> None:
    cells = [cell("Good", "news", 8, 0, 0.5, peak_gpu_memory_mb=345.0)]

    text = markdown_of(results(cells, seeds=(0,)), tmp_path)

    assert "| Good | 8 | 16 | 0 | 2.00 | 0.50 | 1,000 | 10 | 800 | 345 |" in text


def test_the_page_is_well_formed_and_needs_nothing_from_outside(tmp_path: Path) -> None:
    html = html_of(results(toy_cells()), tmp_path)

    checker = check(html)
    assert not re.search(r"https?:|src=|url\(|@import|<script", html)
    assert all(a["href"].startswith("#part-") for a in checker.find("a"))
    assert {a["href"][1:] for a in checker.find("a")} <= {
        h["id"] for _, h in checker.tags if "id" in h
    }


def test_one_number_of_shots_has_no_learning_curve(tmp_path: Path) -> None:
    checker = check(html_of(results(toy_cells()), tmp_path))

    assert charts(checker) == ["Accuracy against seconds"]


def test_more_shots_have_learning_curves_with_bands(tmp_path: Path) -> None:
    cells = [
        *seeds_of("Good", (0.80, 0.82, 0.84), shots=8),
        *seeds_of("Good", (0.90, 0.92, 0.94), shots=16),
    ]

    checker = check(html_of(results(cells, methods=("Good",), shots=(8, 16)), tmp_path))

    assert charts(checker) == ["Accuracy against shots", "Accuracy against seconds"]
    assert len(checker.find("polygon")) == 1


def test_one_seed_has_neither_bands_nor_deviations_and_says_so(tmp_path: Path) -> None:
    cells = [cell(m, "news", k, 0, 0.8) for m in ("Good", "Poor") for k in (8, 16)]
    known = results(cells, methods=("Good", "Poor"), shots=(8, 16), seeds=(0,))

    html = html_of(known, tmp_path)

    assert not check(html).find("polygon")
    assert "With one seed there is no deviation, no interval and no test" in text_of(html)
    assert "| Good | **0.800** |" in markdown_of(known, tmp_path)


def test_what_is_missing_is_shown_with_its_reason(tmp_path: Path) -> None:
    cells = [
        *seeds_of("Good", (0.90, 0.92, 0.94)),
        *seeds_of("Close", (0.80, 0.83)),
        failed("Close", "news", 8, 2, "ValueError: the loss is not finite"),
        *(failed("Poor", "news", 8, seed, "MemoryError: ") for seed in range(3)),
    ]
    left_out = ({"method": "Zero", "data_sets": ["news"], "reason": "too slow"},)

    text = markdown_of(results(cells, left_out=left_out), tmp_path)

    assert "| Close | failed | News | 8 | 2 | ValueError: the loss is not finite |" in text
    assert "| Poor | failed | News | 8 | 0, 1, 2 | MemoryError: |" in text
    assert "| Zero | left out | News | 8 | 0, 1, 2 | too slow |" in text
    assert "| Poor | failed |\n" in text
    assert "| Close | 0.815 ± 0.021 (2 of 3 seeds)" in text
    assert "4 failed" in text


def test_methods_that_need_labels_share_a_row_of_what_is_missing(tmp_path: Path) -> None:
    cells = [cell("Zero", d, 0, 0, 0.5) for d in ("a", "b")]
    cells += [cell(m, d, 8, 0, 0.5) for m in ("Zero", "Good", "Poor") for d in ("a", "b")]
    known = results(
        cells, methods=("Zero", "Good", "Poor"), data_sets=("a", "b"), shots=(0, 8), seeds=(0,)
    )

    text = markdown_of(known, tmp_path)

    assert "| Good; Poor | left out | all | 0 | 0 | learns from labels" in text


def test_means_and_ranks_over_data_sets_are_shown(tmp_path: Path) -> None:
    cells = [
        *seeds_of("Good", (0.9, 0.9), "a"),
        *seeds_of("Good", (0.6, 0.6), "b"),
        *seeds_of("Close", (0.8, 0.8), "a"),
        *seeds_of("Close", (0.5, 0.5), "b"),
        *seeds_of("Poor", (0.1, 0.1), "a"),
    ]
    known = results(cells, methods=("Good", "Close", "Poor"), data_sets=("a", "b"), seeds=(0, 1))

    lines = markdown_of(known, tmp_path).splitlines()

    first = lines.index("| --- | ---: | ---: | ---: | ---: |") + 1
    assert [line.split(" | ")[-2:] for line in lines[first : first + 3]] == [
        ["**0.750**", "**1.0** |"],
        ["0.650", "2.0 |"],
        ["–", "– |"],
    ]


def test_what_varies_between_cells_is_warned_of(tmp_path: Path) -> None:
    cells = [
        cell("Good", "news", 8, 0, 0.9, host={"cores": 4}, data_hash="abc"),
        cell("Good", "news", 8, 1, 0.9, host={"cores": 64}, data_hash="def"),
    ]

    text = markdown_of(results(cells, methods=("Good",), seeds=(0, 1)), tmp_path)

    assert "do not compare seconds" in text
    assert "The texts changed between cells, so methods are not comparable: News" in text
    assert "cores: 4; cores: 64" in text


def test_warnings_that_differ_in_numbers_are_reported_once(tmp_path: Path) -> None:
    cells = [
        cell("Good", "news", 8, seed, 0.9, warnings=(f"TruncationWarning: cut {seed + 3} texts",))
        for seed in range(3)
    ]

    text = markdown_of(results(cells, methods=("Good",)), tmp_path)

    assert text.count("TruncationWarning") == 1
    assert "- Good, in 3 cells: TruncationWarning: cut 3 texts" in text


def test_chosen_settings_are_counted(tmp_path: Path) -> None:
    cells = [
        cell("Good", "news", 8, seed, 0.9, chosen={"C": value})
        for seed, value in enumerate((1.0, 0.1, 1.0))
    ]

    text = markdown_of(results(cells, methods=("Good",)), tmp_path)

    assert "- Good, 8 shots: C: 0.1 (1 seed)\n- Good, 8 shots: C: 1.0 (2 seeds)" in text


def test_the_margin_of_the_test_texts_is_that_computed_by_hand(tmp_path: Path) -> None:
    text = markdown_of(results(toy_cells()), tmp_path)

    assert "Test texts: 100. Other texts from the same source" in text
    assert "± 9.8 points (95 %)" in text  # 1.96 * sqrt(0.25 / 100)


def test_the_licence_of_a_known_data_set_is_reported(tmp_path: Path) -> None:
    cells = [cell("Good", "bbc_news", 8, 0, 0.9)]

    text = markdown_of(results(cells, methods=("Good",), data_sets=("bbc_news",)), tmp_path)

    assert re.search(r"- Licence of the data: .*non-commercial", text, re.IGNORECASE)


def test_a_run_that_has_not_begun_has_a_report(tmp_path: Path) -> None:
    html = html_of(results([]), tmp_path)

    assert "No cell is done yet" in text_of(html)
    assert "not reached yet" in text_of(html)


def test_scores_of_zero_and_no_seconds_can_be_drawn(tmp_path: Path) -> None:
    cells = [
        cell("Good", "news", k, s, 0.0, fit_seconds=seconds)
        for k in (0, 8)
        for s, seconds in ((0, 0.0), (1, None))
    ]

    html = html_of(results(cells, methods=("Good",), shots=(0, 8), seeds=(0, 1)), tmp_path)

    assert "nan" not in html
    assert len(charts(check(html))) == 2


def test_a_loss_as_the_metric_says_which_way_it_points(tmp_path: Path) -> None:
    cells = [
        cell("Good", "news", k, s, None, metric="log_loss", scores={"log_loss": 1.5 + s})
        for k in (8, 16)
        for s in (0, 1)
    ]

    known = results(cells, methods=("Good",), shots=(8, 16), seeds=(0, 1))

    assert "News (Log loss, lower is better, 16 labels)" in markdown_of(known, tmp_path)
    assert "Log loss against shots (lower is better)" in text_of(html_of(known, tmp_path))


def test_a_results_file_gives_the_same_report_as_its_results(tmp_path: Path) -> None:
    known = results(toy_cells())
    file = tmp_path / "results.jsonl"
    lines = [known.header.to_line(), *(entry.to_line() for entry in known.cells)]
    file.write_text("".join(lines), encoding="utf-8")

    from_file, again = write_report(file, tmp_path / "a"), write_report(known, tmp_path / "b")

    assert [path.name for path in again] == ["report.html", "report.md"]
    assert [path.read_bytes() for path in from_file] == [path.read_bytes() for path in again]


def test_files_that_cannot_be_written_or_read_are_errors(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(FileError, match="file cannot hold a report"):
        write_report(results(toy_cells()), tmp_path / "file")
    with pytest.raises(FileError, match="cannot be read"):
        write_report(tmp_path / "none.jsonl", tmp_path)
