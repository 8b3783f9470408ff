"""Measure the size of saved classifiers per tuning strategy: ``python -m benchmarks.saving``.

It takes a minute and leaves no files.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from fewshot import MaskedLM, PromptClassifier
from fewshot.models.loading import load_masked_lm
from fewshot.tuning import STRATEGIES

TEXTS = ["shares fell", "profits rose", "the team won", "a late goal"]
LABELS = ["business", "business", "sports", "sports"]


def main() -> None:
    mini = load_masked_lm("fewshot-mini")
    # Under another name it is saved whole, unless it is left out.
    lm = MaskedLM(mini.model, mini.tokenizer, device="cpu", name="backbone")
    print("| strategy | tuned parameters | share | saved whole | saved without the model |")
    print("|---|---|---|---|---|")
    for name, kind in STRATEGIES.items():
        strategy = kind()
        if "num_epochs" in strategy.get_params():
            strategy.set_params(num_epochs=1)
        clf = PromptClassifier(model=lm, tuning=strategy, calibration="contextual", verbose=0)
        clf.fit(TEXTS, LABELS)
        with tempfile.TemporaryDirectory() as folder:
            clf.save(Path(folder, "whole"))
            clf.save(Path(folder, "delta"), backbone=lm)
            whole, delta = (n_bytes(Path(folder, part)) for part in ("whole", "delta"))
        report = clf.parameter_report_
        print(
            f'| `"{name}"` | {report.n_tuned:,} | {report.tuned_share:.2%} | '
            f"{whole / 1e6:.1f} MB | {delta / 1e3:,.0f} kB |"
        )


def n_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
