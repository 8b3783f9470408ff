"""Show which label words a model expects at the mask, for three texts."""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

from fewshot import PromptClassifier

TEXTS = ["The striker scored twice.", "Parliament passed the bill.", "Shares fell by a tenth."]
WORDS = ["football", "team", "government", "election", "market", "economy"]

clf = PromptClassifier(verbalizer={word: [word] for word in WORDS}, tuning="none", name_weight=0)
shares = clf.fit().predict_proba(TEXTS)

figure, axes = plt.subplots(1, 3, figsize=(9, 2.6), sharex=True, sharey=True)
for ax, text, row in zip(axes, TEXTS, shares, strict=True):
    ax.barh(clf.classes_, row, color="#00897b")
    ax.set_title(text, fontsize=10)
    ax.set_xlabel("share of the words")
    print(f"{text} {clf.classes_[row.argmax()]}")
figure.tight_layout()
figure.savefig(Path(sys.argv[1]) / "words_at_the_mask.png", dpi=110)
