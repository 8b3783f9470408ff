"""Time prediction against the bare encoder, and against the usual way of prompt toolkits."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import torch

from fewshot import PromptClassifier, Template, load_task
from fewshot.data.examples import read_examples
from fewshot.models.loading import load_masked_lm
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.reproducible import map_single_threaded
from fewshot.prompting.prompts import Prompts, build_prompts, plan_batches, tokenize_slots

_USUAL_LENGTH = 128  # the padding of OpenPrompt's and LM-BFF's scripts for topic data sets
_USUAL_BATCH = 32


def run(file: Path, n_texts: int, repeats: int) -> Iterator[str]:
    """Yield lines of a report."""
    texts = [json.loads(line)["text"] for line in file.open(encoding="utf-8")]
    task = load_task("ag_news")
    template = task.templates[0]
    lm = load_masked_lm("fewshot-mini")
    yield from _report_padding(lm, template, texts)
    prompts = _prompts(lm, template, texts[:n_texts])
    clf = PromptClassifier(
        template, task.verbalizer, tuning="none", calibration="contextual", verbose=0
    ).fit()
    runs: dict[str, Callable[[], object]] = {
        "predict_proba": lambda: _fresh(lm, lambda: clf.predict_proba(texts[:n_texts])),
        "bare encoder, one length": lambda: bare_encoder(lm, prompts),
        "padded to 128, logits everywhere": lambda: _usual_way(lm, prompts),
    }
    seconds = _interleaved(runs, repeats)
    yield f"\nPrediction of {n_texts} texts, {torch.get_num_threads()} threads, median of {repeats}"
    for name, taken in seconds.items():
        ratio = seconds["bare encoder, one length"] / taken
        yield f"{name:34s} {taken:7.2f} s   {ratio:5.2f} of the bare encoder's speed"


def _report_padding(lm: MaskedLM, template: Template, texts: list[str]) -> Iterator[str]:
    lengths = _prompts(lm, template, texts).lengths
    yield f"Encoder tokens for {len(texts)} texts, by the real tokens ({int(lengths.sum())})"
    for padding in ("none", "batch"):
        batches = plan_batches(lengths, lm.batch_tokens, padding)
        n_padded = sum(len(rows) * int(lengths[rows].max()) for rows in batches)
        yield f"padding={padding!r:24s} {n_padded / int(lengths.sum()):12.3f}"
    yield f"padding to {_USUAL_LENGTH:<23d} {len(texts) * _USUAL_LENGTH / int(lengths.sum()):12.3f}"


def prompts_of(lm: MaskedLM, texts: list[str]) -> Prompts:
    """Put texts into the first template of AG News."""
    return _prompts(lm, load_task("ag_news").templates[0], texts)


def _prompts(lm: MaskedLM, template: Template, texts: list[str]) -> Prompts:
    slots = tokenize_slots(lm.tokenizer, [template], read_examples(texts))
    return build_prompts(lm.tokenizer, template, slots, max_length=lm.max_length)


def _fresh(lm: MaskedLM, predict: Callable[[], object]) -> object:
    lm.freeze()  # forgets the states of the previous run
    return predict()


def bare_encoder(lm: MaskedLM, prompts: Prompts) -> None:
    """Run the encoder of torch alone over the batches of prediction."""

    def encode(rows: object) -> None:
        batch = prompts.take(rows)
        ids = torch.tensor([tokens.tolist() for tokens in batch.ids])
        with torch.inference_mode():
            lm.model.base_model(input_ids=ids)

    for _ in map_single_threaded(encode, plan_batches(prompts.lengths, lm.batch_tokens, "none")):
        pass


def _usual_way(lm: MaskedLM, prompts: Prompts) -> None:
    """Pad to a fixed length and compute logits for the whole vocabulary at every position."""
    for start in range(0, len(prompts), _USUAL_BATCH):
        rows = prompts.ids[start : start + _USUAL_BATCH]
        ids = torch.zeros(len(rows), _USUAL_LENGTH, dtype=torch.int64)
        attention = torch.zeros_like(ids)
        for row, tokens in enumerate(rows):
            cut = torch.from_numpy(tokens[:_USUAL_LENGTH]).long()
            ids[row, : len(cut)], attention[row, : len(cut)] = cut, 1
        with torch.inference_mode():
            lm.model(input_ids=ids, attention_mask=attention)


def _interleaved(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Time the runs in turn, so that other load on the machine affects all alike."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, call in runs.items():
            started = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - started)
    return {name: median(seconds) for name, seconds in taken.items()}
