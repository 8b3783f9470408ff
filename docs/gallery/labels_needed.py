"""Draw accuracy against the labels per class, on support tickets, for three classifiers."""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from fewshot import EmbeddingClassifier, KShotSplit, PromptClassifier, TfidfClassifier

DATA = Path(__file__).parents[1] / "data"
tickets = pd.concat([pd.read_csv(DATA / "train.csv"), pd.read_csv(DATA / "test.csv")])
X, y = tickets["text"].tolist(), tickets["label"].tolist()
SHOTS = [1, 2, 4, 6]
CLASSIFIERS = {
    "prompt, head": PromptClassifier(tuning="head", random_state=0, verbose=0),
    "embeddings": EmbeddingClassifier(),
    "bag of words": TfidfClassifier(),
}

figure, ax = plt.subplots(figsize=(6, 3.4))
for name, clf in CLASSIFIERS.items():
    means, spreads = [], []
    for k in SHOTS:
        scores = []
        for train, test in KShotSplit(k=k, n_splits=5, random_state=0).split(X, y):
            clf.fit([X[i] for i in train], [y[i] for i in train])
            scores.append(clf.score([X[i] for i in test], [y[i] for i in test]))
        means.append(np.mean(scores))
        spreads.append(np.std(scores))
    ax.errorbar(SHOTS, means, spreads, label=name, capsize=3, marker="o")
    print(name, *(f"{mean:.2f}" for mean in means))
ax.set(xlabel="labels per class", ylabel="accuracy, 5 draws", xticks=SHOTS, ylim=(0, 1))
ax.legend()
figure.tight_layout()
figure.savefig(Path(sys.argv[1]) / "labels_needed.png", dpi=110)
