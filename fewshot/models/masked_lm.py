"""A masked language model that computes only states at masks, and logits of chosen tokens."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers
from torch import Tensor, nn

from fewshot.data.cache import BoundedCache
from fewshot.models.added_modules import AddedModules, Stacked, detach
from fewshot.models.changes import weights_state
from fewshot.models.mask_head import MaskHead
from fewshot.models.model_checks import check_fits, check_runs, is_half
from fewshot.models.packing import can_pack, plan_packed, run_packed, split_packed
from fewshot.models.parts import check_max_length, default_batch_tokens, position_limit
from fewshot.models.peft import merge_adapters
from fewshot.models.precision import (
    Precision,
    check_precision,
    in_bf16,
    uses_bf16,
    with_bf16_products,
)
from fewshot.models.reproducible import map_single_threaded, n_copies, plain_torch
from fewshot.models.state_cache import MaskStates, StateCache
from fewshot.prompting.prompts import TEXTS_REMEMBERED, Prompts, Rows, TokenCache, plan_batches

if TYPE_CHECKING:
    from peft import PeftModel


_LONGEST = 512  # tokens; longer only when asked for


@dataclass
class EncoderCounts:
    """The work of an encoder, which speed gates count instead of seconds."""

    prompts: int = 0
    tokens: int = 0


class MaskedLM:
    """A masked language model and its tokenizer, ready to score label words.

    Pass one as ``model=`` of an estimator to use a model that you have loaded or trained yourself,
    or to choose the device. It works with nearly every ``AutoModelForMaskedLM`` that has a mask
    token (not with Reformer and Perceiver): the encoder runs on batches of similar length, the
    model's own MLM head only on the states at the masks, and the decoder only on the rows of label
    words. The weights are never changed: tuning works on a :meth:`copy`, so clones of an estimator
    and folds of a search share one object (``copy.deepcopy`` returns the object itself).

    A model in float32 that is on the device already shares its numbers, and what changes them in
    place (an optimizer, ``load_state_dict``) counts from the next call on. What replaces tensors or
    modules (``to``, ``half``, ``assign=True``) leaves this object as it is: wrap the model again.
    A model in half precision is computed in float32, on a copy. Computing does not depend on the
    caller's autocast, inference mode or default device.

    Parameters
    ----------
    model : PreTrainedModel or PeftModel
        A model with an MLM head, such as ``BertForMaskedLM``. Adapters of peft that it carries
        become part of the weights of a copy; the model itself stays as it is.
    tokenizer : PreTrainedTokenizerBase
        Its tokenizer.
    device : str, optional
        Where to run, such as ``"cpu"`` or ``"cuda"``; by default a GPU when there is one.
    batch_tokens : int, optional
        The tokens that fill a batch; by default 1,024 on a CPU, where every thread has a batch of
        its own, and 16,384 on a GPU.
    name : str, optional
        Hub id or folder of the model, for messages and saved estimators.
    precision : {"mixed", "auto", "float32", "bf16"}, default="mixed"
        Of the encoder's products; weights, sums, norms and the MLM head stay in float32. ``"auto"``
        computes in bf16 where the processor (AVX512-BF16, AMX) or the GPU has it and it is faster,
        which is measured in a few milliseconds; ``"mixed"`` does so in tuning only, and predicts in
        float32, whose probabilities are the same on other machines up to rounding. ``"float32"``
        and ``"bf16"`` are for tuning and prediction on any machine that has them.

    Attributes
    ----------
    counts : EncoderCounts
        Prompts and tokens encoded so far.
    added : AddedModules or None
        Modules that tuning has put beside the model's own.
    tokens : BoundedCache
        Token ids of texts; shared with copies.
    mask_head : MaskHead
        Computes logits from states at masks.

    Raises
    ------
    ModelError
        If the tokenizer has no mask token or more tokens than the model has embeddings, weights
        are not finite, the MLM head cannot be run on chosen states, the model has adapters that
        cannot become part of its weights, such as prompts, or the machine lacks the precision.

    See Also
    --------
    load_masked_lm : loads one by name.

    Examples
    --------
    >>> from fewshot import MaskedLM, PromptClassifier
    >>> lm = MaskedLM(model, tokenizer, device="cuda")  # doctest: +SKIP
    >>> PromptClassifier(model=lm).fit(X, y)  # doctest: +SKIP
    """

    @plain_torch()
    def __init__(
        self,
        model: transformers.PreTrainedModel | PeftModel,
        tokenizer: transformers.PreTrainedTokenizerBase,
        *,
        device: str | None = None,
        batch_tokens: int | None = None,
        name: str | None = None,
        precision: Precision = "mixed",
    ) -> None:
        model = merge_adapters(model)
        check_fits(model, tokenizer, name or type(model).__name__)
        self.tokenizer = tokenizer
        self.name = name
        self.counts = EncoderCounts()
        self.tokens: TokenCache = BoundedCache(TEXTS_REMEMBERED)
        own = _own(model, device).eval()
        check_runs(own, tokenizer.mask_token_id, name or type(model).__name__)
        check_precision(precision, own, next(own.parameters()).device)
        self.precision: Precision = precision
        self._set_model(own, None)
        default = default_batch_tokens(self.device)
        self.batch_tokens = default if batch_tokens is None else batch_tokens

    def _set_model(self, model: transformers.PreTrainedModel, added: AddedModules | None) -> None:
        self.model, self.added = model.eval(), added
        detach(model)  # a copy comes with the hooks of the original
        if added is not None:
            added.eval()
            added.attach(model)
        self.mask_head = MaskHead(model)
        self._cache = StateCache()
        self._half: transformers.PreTrainedModel | None = None  # see with_bf16_products
        self._can_pack: bool | None = None  # not known yet
        self._weights = self.weights_state()

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        device: torch.device = next(self.model.parameters()).device
        return device

    @property
    def state_size(self) -> int:
        """Width of the states at the mask."""
        return self.mask_head.width if self._runs_head else int(self.model.config.hidden_size)

    @property
    def max_length(self) -> int:
        """The most tokens of a prompt by default."""
        return min(self._longest, _LONGEST)

    def checked_max_length(self, max_length: int | None) -> int:
        """Return a number of tokens that the model takes, by default :attr:`max_length`.

        Raises
        ------
        ModelError
            If the model takes fewer tokens.
        """
        if max_length is None:
            return self.max_length
        check_max_length(max_length, self._longest)
        return max_length

    def states(self, prompts: Prompts) -> MaskStates:
        """Encode prompts, each once: states that are known come from a bounded cache.

        On a CPU the states of a prompt do not depend on the other prompts, to the last bit.

        Parameters
        ----------
        prompts : Prompts

        Returns
        -------
        MaskStates
        """
        weights = self.weights_state()
        if weights != self._weights:  # the caller trained the model that was wrapped
            self._cache, self._half, self._weights = StateCache(), None, weights
        return self._cache.fill(prompts, self._encode)

    def forward(self, prompts: Prompts) -> tuple[Tensor, Tensor]:
        """Run one batch; gradients flow if the caller lets them.

        Parameters
        ----------
        prompts : Prompts

        Returns
        -------
        mask : Tensor of shape (n_prompts, n_masks, hidden)
            See :class:`~fewshot.models.state_cache.MaskStates`.
        mean : Tensor of shape (n_prompts, hidden)
        """
        return self._forward(prompts, self.model)

    def _forward(
        self, prompts: Prompts, model: transformers.PreTrainedModel
    ) -> tuple[Tensor, Tensor]:
        hidden, attention = self._hidden(prompts, model)
        is_padded = attention.numel() > int(prompts.lengths.sum())
        rows = torch.arange(len(prompts), device=self.device)[:, None]
        positions = torch.from_numpy(prompts.mask_positions).to(self.device)
        at_mask = hidden[rows, positions]  # [n, masks, hidden]
        share = attention[..., None].to(hidden.dtype)
        mean = (hidden * share).sum(1) / share.sum(1) if is_padded else hidden.mean(1)
        return (self.mask_head.transform(at_mask) if self._runs_head else at_mask), mean

    def run(
        self, ids: Tensor, positions: Tensor, soft_positions: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Run prompts of one length, on tensors alone, so that a trace can follow.

        Parameters
        ----------
        ids : Tensor of shape (n_prompts, length)
        positions : Tensor of shape (n_prompts, n_masks)
            Of the masks.
        soft_positions : Tensor of shape (n_prompts, n_soft), or None
            Of virtual tokens.

        Returns
        -------
        mask, mean : Tensor
            As :meth:`forward` returns them.
        """
        attention = torch.ones_like(ids)
        # In float32: what runs the graph has precisions of its own.
        hidden = self._run_encoder(self.model, ids, attention, soft_positions, is_padded=False)
        at_mask = hidden.gather(1, positions[..., None].expand(-1, -1, hidden.shape[-1]))
        # A reduction gives a single row other bits in ONNX Runtime than one of several.
        mean = (torch.ones_like(hidden[:, None, :, 0]) @ hidden)[:, 0] / hidden.shape[1]
        return (self.mask_head.run(at_mask) if self._runs_head else at_mask), mean

    def logits_at(self, prompts: Prompts, rows: Rows, positions: Rows) -> Tensor:
        """Run one batch, and the MLM head with the whole decoder at chosen positions only.

        Parameters
        ----------
        prompts : Prompts
        rows, positions : ndarray of shape (n_positions,)
            The chosen tokens.

        Returns
        -------
        Tensor of shape (n_positions, vocabulary)
        """
        hidden, _ = self._hidden(prompts, self.model)
        chosen = hidden[torch.from_numpy(rows), torch.from_numpy(positions)]
        with in_bf16(self.device, enabled=self.uses_bf16(tunes=torch.is_grad_enabled())):
            return self.mask_head.logits(chosen).to(hidden)

    def uses_bf16(self, *, tunes: bool) -> bool:
        """Return whether the encoder computes in bf16, in tuning or in prediction."""
        return uses_bf16(self.precision, self.model, self.device, tunes=tunes)

    def tokens_per_second(self, prompts: Prompts, *, tunes: bool = False) -> float:
        """Measure how fast the encoder runs on a few of these prompts, as in tuning or not."""
        rows = next(plan_batches(prompts.lengths, self.batch_tokens))
        sample = prompts.take(rows)
        # Frozen weights: no gradients are kept.
        with torch.enable_grad() if tunes else torch.inference_mode():
            self.forward(sample)[1].cpu()  # warms up
            started = time.perf_counter()
            self.forward(sample)[1].cpu()  # a copy waits until a GPU is done
        return float(sample.lengths.sum()) / (time.perf_counter() - started)

    def copy(self, tuned: Callable[[str], bool], added: AddedModules | None = None) -> MaskedLM:
        """Return a copy for tuning.

        Parameters
        ----------
        tuned : callable
            Takes the name of a parameter (all names of a tied one), and returns whether it is to
            be tuned. These are copied and take gradients; all others are shared and frozen.
        added : AddedModules, optional
            New modules for the copy, all of them tuned; they act after those that this model has.

        Returns
        -------
        MaskedLM
        """
        memo: dict[int, Any] = {id(buffer): buffer for buffer in self._buffers()}
        # A tied matrix has several names; XLM-R's embeddings come first as the decoder's.
        for name, parameter in self.named_parameters(remove_duplicate=False):
            if not tuned(name):
                is_frozen = not parameter.requires_grad
                memo[id(parameter)] = parameter if is_frozen else _frozen(parameter)
        for _, parameter in self.named_parameters():
            if id(parameter) not in memo:
                memo[id(parameter)] = nn.Parameter(parameter.detach().clone())
        twin = self._same_but_counts()
        below: AddedModules | None = copy.deepcopy(self.added, memo)
        if added is not None:
            added.to(next(self.model.parameters()))
            below = added if below is None else Stacked(below, added)
        twin._set_model(copy.deepcopy(self.model, memo), below)
        return twin

    def without_added(self) -> MaskedLM:
        """Return the model alone, with the parameters of this one."""
        bare = self._same_but_counts()
        shared = {id(tensor): tensor for tensor in (*self.model.parameters(), *self._buffers())}
        bare._set_model(copy.deepcopy(self.model, dict[int, Any](shared)), None)
        return bare

    def with_precision(self, precision: Precision) -> MaskedLM:
        """Return the model with the same weights in another precision; itself if it has that.

        Parameters
        ----------
        precision : {"mixed", "auto", "float32", "bf16"}

        Returns
        -------
        MaskedLM

        Raises
        ------
        ModelError
            If the machine lacks the precision.
        """
        if precision == self.precision:
            return self
        check_precision(precision, self.model, self.device)
        twin = self.copy(lambda _name: False)
        twin.precision = precision
        return twin

    def named_parameters(
        self, *, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """Return the model's parameters and those of added modules, as ``"added.<name>"``.

        Parameters
        ----------
        remove_duplicate : bool, default=True
            Whether a tied parameter comes once, or under each of its names.

        Yields
        ------
        name : str
        parameter : Parameter
        """
        yield from self.model.named_parameters(remove_duplicate=remove_duplicate)
        if self.added is not None:
            yield from self.added.named_parameters("added", remove_duplicate=remove_duplicate)

    def tuned_parameters(self) -> dict[str, nn.Parameter]:
        """Return the parameters that take gradients, by name."""
        return {name: p for name, p in self.named_parameters() if p.requires_grad}

    def train(self, mode: bool = True) -> None:
        """Switch dropout on or off, as in :class:`torch.nn.Module`."""
        self.model.train(mode)
        self.mask_head.train(mode)
        if self.added is not None:
            self.added.train(mode)

    def weights_state(self) -> int:
        """Return a number that differs after a change of the weights in place."""
        return weights_state(parameter for _, parameter in self.named_parameters())

    def freeze(self) -> None:
        """End tuning: no more gradients, and states of the old weights are forgotten."""
        for _, parameter in self.named_parameters():
            parameter.requires_grad = False
        self.train(mode=False)
        self._cache, self._half = StateCache(), None

    def _same_but_counts(self) -> MaskedLM:
        # Not copy.copy: __setstate__ probes, and sets the hooks of the model that is shared anew.
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.counts = EncoderCounts()
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> MaskedLM:
        return self

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        for name in ("mask_head", "_cache", "_half", "_can_pack", "tokens"):  # made again
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.tokens = BoundedCache(TEXTS_REMEMBERED)
        self._set_model(state["model"], state["added"])

    def __repr__(self) -> str:
        return f"MaskedLM({self.name or type(self.model).__name__!r})"

    def _run_encoder(
        self,
        model: transformers.PreTrainedModel,
        ids: Tensor,
        attention: Tensor,
        soft_positions: Tensor | None,
        *,
        is_padded: bool,
    ) -> Tensor:
        """Return the last states of the prompts' tokens."""
        if self.added is None or not self.added.changes_embeddings:
            last: Tensor = model.base_model(
                input_ids=ids, attention_mask=attention if is_padded else None
            )[0]
            return last
        vectors = self.model.get_input_embeddings()(ids)
        if soft_positions is not None:
            vectors = self.added.place(vectors, soft_positions)
        embedded = self.added.embed(ids, attention, vectors)
        states: Tensor = model.base_model(
            inputs_embeds=embedded.embeddings,
            attention_mask=embedded.attention if is_padded else None,
        )[0]
        if embedded.n_inserted == 0:
            return states
        return torch.cat([states[:, :1], states[:, 1 + embedded.n_inserted :]], 1)

    @property
    def _runs_head(self) -> bool:
        """Whether states at masks are those after the transform of the MLM head."""
        return self.mask_head.has_rows and not (self.added is not None and self.added.skips_head)

    @property
    def _longest(self) -> int:
        n_inserted = 0 if self.added is None else self.added.n_inserted
        limit = position_limit(self.model)
        longest = min(self.tokenizer.model_max_length, _LONGEST if limit is None else limit)
        return int(longest) - n_inserted

    def _buffers(self) -> Iterator[Tensor]:
        yield from self.model.buffers()
        if self.added is not None:
            yield from self.added.buffers()

    def _encode(self, prompts: Prompts) -> MaskStates:
        order, masks, means = [], [], []
        for rows, (mask, mean) in self._run(prompts):
            order.append(rows)
            masks.append(mask.float().cpu().numpy())
            means.append(mean.float().cpu().numpy())
        back = np.argsort(np.concatenate(order))
        self._count(prompts)
        return MaskStates(np.concatenate(masks)[back], np.concatenate(means)[back])

    def _run(self, prompts: Prompts) -> Iterator[tuple[Rows, tuple[Tensor, Tensor]]]:
        model, packs, is_cpu = self._model_of_products(), self._packs(), self.device.type == "cpu"
        lengths = prompts.lengths

        def run(rows: Rows) -> tuple[Rows, tuple[Tensor, Tensor]]:
            copies = n_copies(int(lengths[rows].sum())) if is_cpu else 1
            is_mixed = packs and np.ptp(lengths[rows]) > 0
            forward = self._forward_packed if is_mixed else self._forward
            with torch.inference_mode():
                mask, mean = forward(prompts.take(np.tile(rows, copies)), model)
            return rows, (mask[: len(rows)], mean[: len(rows)])

        if packs:
            batches = plan_packed(lengths, self.batch_tokens, torch.get_num_threads())
        else:
            batches = plan_batches(lengths, self.batch_tokens, "none" if is_cpu else "batch")
        return map_single_threaded(run, batches) if is_cpu else map(run, batches)

    def _forward_packed(
        self, prompts: Prompts, model: transformers.PreTrainedModel
    ) -> tuple[Tensor, Tensor]:
        """Do what :meth:`_forward` does to prompts of any lengths, without padding."""
        hidden = run_packed(model, prompts.ids)
        starts = prompts.lengths.cumsum() - prompts.lengths
        at_mask = hidden[torch.from_numpy(starts[:, None] + prompts.mask_positions)]
        mean = torch.cat([part.mean(1) for part in split_packed(hidden, prompts.ids)])
        return (self.mask_head.transform(at_mask) if self._runs_head else at_mask), mean

    def _packs(self) -> bool:
        if self.added is not None or self.device.type != "cpu" or self.uses_bf16(tunes=False):
            return False
        if self.model.config._attn_implementation != "sdpa":  # users may change it at any time
            return False
        if self._can_pack is None:
            self._can_pack = can_pack(self.model)
        return self._can_pack

    def _model_of_products(self) -> transformers.PreTrainedModel:
        """Return the model for prediction; in bf16 one whose weights are cast already."""
        # The hooks of added modules are on the model itself, which casts its weights every time.
        own: transformers.PreTrainedModel = self.model
        if self.added is not None or not self.uses_bf16(tunes=False):
            return own
        if self._half is None:
            self._half = with_bf16_products(self.model)
        return self._half

    def _hidden(
        self, prompts: Prompts, model: transformers.PreTrainedModel
    ) -> tuple[Tensor, Tensor]:
        """Return the last states of the prompts' tokens [n, length, hidden], and which are real."""
        ids, attention = _pad(prompts, self.tokenizer.pad_token_id, self.device)
        is_padded = ids.numel() > int(prompts.lengths.sum())
        soft = prompts.soft_positions
        soft_positions = None if soft is None else torch.from_numpy(soft).to(self.device)
        is_half = self.uses_bf16(tunes=torch.is_grad_enabled())
        with in_bf16(self.device, enabled=is_half):
            states = self._run_encoder(model, ids, attention, soft_positions, is_padded=is_padded)
        return (states.float() if is_half else states), attention

    def _count(self, prompts: Prompts) -> None:
        self.counts.prompts += len(prompts)
        self.counts.tokens += int(prompts.lengths.sum())


def _own(model: transformers.PreTrainedModel, device: str | None) -> transformers.PreTrainedModel:
    """Return the model on a device, with modules of its own and frozen parameters."""
    # A model that stays as it is shares its numbers; one that moves or is in half precision is
    # copied, since `to` would change the caller's tensors. Half precision gives NaN in training.
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    wanted, now = torch.device(device), next(model.parameters()).device
    is_there = now.type == wanted.type and wanted.index in (None, now.index)
    is_ready = is_there and not is_half(model) and not next(model.parameters()).is_inference()
    if not is_ready:
        moved: transformers.PreTrainedModel = copy.deepcopy(model)
        if is_half(model):
            moved.float().config.dtype = torch.float32
        moved.to(torch.device(device))  # type: ignore[arg-type]  # decorated without types
        return moved.requires_grad_(requires_grad=False)
    memo: dict[int, Any] = {id(buffer): buffer for buffer in model.buffers()}
    memo |= {id(p): _frozen(p) for p in model.parameters()}
    return copy.deepcopy(model, memo)


def _frozen(parameter: nn.Parameter) -> nn.Parameter:
    return nn.Parameter(parameter.detach(), requires_grad=False)


def _pad(prompts: Prompts, pad_id: int | None, device: torch.device) -> tuple[Tensor, Tensor]:
    longest = int(prompts.lengths.max())
    ids = np.full((len(prompts), longest), 0 if pad_id is None else pad_id, dtype=np.int64)
    attention = np.zeros((len(prompts), longest), dtype=np.int64)
    for row, tokens in enumerate(prompts.ids):
        ids[row, : len(tokens)] = tokens
        attention[row, : len(tokens)] = 1
    return torch.from_numpy(ids).to(device), torch.from_numpy(attention).to(device)
