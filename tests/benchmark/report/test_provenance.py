"""The origin of results: the spec can be run again."""

from __future__ import annotations

from pathlib import Path

from fewshot.benchmark.report.provenance import provenance, spec_yaml
from fewshot.benchmark.spec_reader import load_spec
from tests.benchmark.toy_results import cell, results


def test_the_spec_of_a_report_can_be_run_again(tmp_path: Path) -> None:
    spec = load_spec(
        {
            "name": "no: #1 ≈",
            "methods": [
                {
                    "name": "Prompt: LoRA",
                    "estimator": "prompt",
                    "settings": {"tuning": "lora", "tuning__rank": 8, "balanced": True, "a": None},
                    "grid": {"tuning__learning_rate": [1e-5, 0.1], "template": ["{mask}: {text}"]},
                }
            ],
            "data_sets": [
                "bbc_news",
                {"name": "mine", "path": "mine.csv", "text": "body", "seeds": [0], "test_size": 10,
                 "verbalizer": {"no": ["no", "1"], "yes": ["yes"]}, "metric": "macro_f1"},
            ],
            "shots": [0, 8],
            "seeds": [1, 2],
            "left_out": [{"method": "SetFit", "reason": "slow", "data_sets": ["mine"]}],
        }
    )  # fmt: skip
    path = tmp_path / "spec.yaml"
    path.write_text(spec_yaml(spec.to_dict()), encoding="utf-8")

    again = load_spec(path)

    assert again == spec
    assert again.hash == spec.hash


def test_versions_dates_and_machines_are_reported() -> None:
    cells = [
        cell("Good", "news", 8, 0, 0.5),
        cell("Good", "news", 8, 1, 0.5, versions={"python": "3.12.1"}, host={"cores": 2}),
    ]

    facts = dict(provenance(results(cells)))

    assert facts == {
        "Started": "2026-11-21T11:59:00+00:00",
        "Cells finished": "2026-11-21T12:00:00+00:00 to 2026-11-21T12:00:01+00:00",
        "Machines": "cores: 4, device: cpu; cores: 2",
        "Versions": "fewshot 0.1.0, python 3.11.7 and 3.12.1",
        "SHA-256 of the spec": "123",
    }
