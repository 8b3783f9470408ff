"""Show what calibration does: how often zero-shot classifiers predict each class."""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from fewshot import PromptClassifier

tickets = pd.read_csv(Path(__file__).parents[1] / "data" / "test.csv")
WORDS = {
    "refund request": ["refund"],
    "login problem": ["login"],
    "delivery delay": ["delivery"],
    "invoice question": ["invoice"],
    "cancel subscription": ["subscription"],
    "technical bug": ["bug"],
}

figure, ax = plt.subplots(figsize=(7, 3.2))
places = np.arange(len(WORDS))
for shift, calibration in ((-0.2, "none"), (0.2, "generic")):
    clf = PromptClassifier(
        verbalizer=WORDS, tuning="none", calibration=calibration, name_weight=0
    ).fit()
    found = clf.predict(tickets["text"])
    counts = [int((found == label).sum()) for label in WORDS]
    right = (found == tickets["label"]).mean()
    ax.bar(places + shift, counts, 0.4, label=f'calibration="{calibration}", {right:.2f} right')
    print(f"{calibration}: {counts}, {right:.2f} right")
ax.axhline(len(tickets) / len(WORDS), color="grey", linewidth=1, linestyle="--")
ax.set_xticks(places, [label.replace(" ", "\n") for label in WORDS])
ax.set_ylabel("texts predicted as this")
ax.legend()
figure.tight_layout()
figure.savefig(Path(sys.argv[1]) / "calibration.png", dpi=110)
