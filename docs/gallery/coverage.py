"""Draw the accuracy on the texts that are answered against how many are."""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from fewshot import TfidfClassifier

DATA = Path(__file__).parents[1] / "data"
train, test = pd.read_csv(DATA / "train.csv"), pd.read_csv(DATA / "test.csv")
clf = TfidfClassifier().fit(train["text"], train["label"])  # it makes mistakes

proba = clf.predict_proba(test["text"])
order = np.argsort(proba.max(axis=1))[::-1]  # the surest first
right = clf.classes_[proba.argmax(axis=1)] == test["label"].to_numpy()
answered = np.arange(1, len(order) + 1)
accuracy = np.cumsum(right[order]) / answered

figure, ax = plt.subplots(figsize=(6, 3.2))
ax.plot(answered / len(order), accuracy, color="#00897b")
ax.set(xlabel="share of texts that are answered", ylabel="accuracy on these", ylim=(0, 1.03))
figure.tight_layout()
figure.savefig(Path(sys.argv[1]) / "coverage.png", dpi=110)
half = len(order) // 2
print(f"all {right.mean():.2f}, the surer half {accuracy[half - 1]:.2f}")
