"""Tiny random masked language models, built in memory: no network, no files, the same every time.

Three tokenizer families (WordPiece, byte-level BPE, unigram) over one small vocabulary, and a tiny
model of every architecture that the library supports. Weights are large enough for logits to
differ visibly between texts and words, and every bias is non-zero, so a forgotten one shows.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import transformers as hf
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

if TYPE_CHECKING:
    Tiny = tuple[hf.PreTrainedModel, hf.PreTrainedTokenizerFast]

# Whole-word tokens of every tokenizer.
WORDS = (  # noqa: SIM905
    "great terrible good bad fine awful best worst nice poor positive negative happy sad "
    "sports sport business politics technology tech entertainment world news science health "
    "economy football match team player goal game win money market bank stock company price "
    "government election vote law computer software phone internet film movie music star actor "
    "yes no maybe true false right wrong also however "
    "it was is this that the a an and or not but of in on to for with about by at from as all "
    "what which who how are were be has have had very really just so too i you he she they we "
    "text review article question answer topic category label class sentence example "
    "person place number thing reason entity animal plant "
    "one two three four five first second new old big small day year time man woman"
).split()
# Words that every tokenizer splits in two: the first part and the rest.
SPLIT_WORDS = {
    "wonderful": ("wonder", "ful"),
    "dreadful": ("dread", "ful"),
    "basketball": ("basket", "ball"),
    "unhelpful": ("un", "helpful"),
}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_PUNCTUATION = ".,:;!?'\"()[]<>-/&"
N_FEATURES, N_BINS = 10, 9
NUMERIC_WORDS = tuple(f"f{f}b{b}" for f in range(N_FEATURES) for b in range(N_BINS))

# The words around the mask outweigh the mask's own embedding by this much.
_VALUE_SCALE = 4.0
_HIDDEN, _LAYERS, _HEADS, _POSITIONS = 32, 2, 2, 96


def numeric_word(feature: int, bin_index: int) -> str:
    """Write the token of one binned number, such as "f0b4"; bins run from 0 to 8."""
    return f"f{feature % N_FEATURES}b{bin_index}"


# ---- Tokenizers -------------------------------------------------------------------------------


def wordpiece_tokenizer(
    kind: type[hf.BertTokenizer] = hf.BertTokenizer,
) -> hf.PreTrainedTokenizerFast:
    """Build a lower-casing WordPiece tokenizer, as BERT, DistilBERT and ELECTRA have."""
    return kind(vocab=_wordpiece_vocab(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))


def byte_bpe_tokenizer() -> hf.PreTrainedTokenizerFast:
    """Build a cased byte-level BPE tokenizer as RoBERTa's: "great" and " great" differ."""
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    vocab, merges = _byte_bpe(specials)
    return hf.RobertaTokenizer(
        vocab=vocab, merges=merges, mask_token=AddedToken("<mask>", lstrip=True, special=True)
    )


def unigram_tokenizer() -> hf.PreTrainedTokenizerFast:
    """Build a cased unigram tokenizer with word-start marks, as XLM-R's."""
    return hf.XLMRobertaTokenizer(
        vocab=_unigram_vocab(["<s>", "<pad>", "</s>", "<unk>"], ["<mask>"]),
        mask_token=AddedToken("<mask>", lstrip=True, special=True),
    )


def _wordpiece_vocab(specials: Sequence[str]) -> dict[str, int]:
    pieces = [part for parts in SPLIT_WORDS.values() for part in (parts[0], f"##{parts[1]}")]
    single = [*_LETTERS, *"0123456789", *_PUNCTUATION]
    tokens = [*specials, *single, *(f"##{c}" for c in single if c.isalnum())]
    return _number([*tokens, *WORDS, *pieces, *NUMERIC_WORDS])


@cache
def _byte_bpe_merges() -> list[tuple[str, str]]:
    """Learn merges that make each word one token, with and without a space in front."""
    parts = [part for parts in SPLIT_WORDS.values() for part in parts]
    spaced = [*WORDS, *(word.capitalize() for word in WORDS), *(p[0] for p in SPLIT_WORDS.values())]
    words = [*spaced, *parts, *(f" {word}" for word in spaced)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=10_000,
        min_frequency=1,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    # Each word is its own "document", so that none is met with a space that it does not have.
    tokenizer.train_from_iterator(words, trainer)
    return _merges_of(tokenizer)


def _merges_of(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [(first, second) for first, second in merges]


def _byte_bpe(specials: Sequence[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    merges = _byte_bpe_merges()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = _number([*specials, *alphabet, *(first + second for first, second in merges)])
    return vocab, merges


def _byte_bpe_backend(specials: Sequence[str]) -> tuple[Tokenizer, dict[str, int]]:
    vocab, merges = _byte_bpe(specials)
    backend = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return backend, vocab


def _unigram_vocab(first: Sequence[str], last: Sequence[str]) -> list[tuple[str, float]]:
    parts = [(f"▁{head}", tail) for head, tail in SPLIT_WORDS.values()]
    cased = [*WORDS, *(word.capitalize() for word in WORDS)]
    characters = [*_LETTERS, *_LETTERS.upper(), *"0123456789", *_PUNCTUATION]
    scores = dict.fromkeys(first, 0.0)
    scores |= dict.fromkeys(["▁", *characters], -12.0)
    scores |= dict.fromkeys([piece for pair in parts for piece in pair], -6.0)
    scores |= dict.fromkeys([f"▁{word}" for word in [*cased, *NUMERIC_WORDS]], -3.0)
    scores |= dict.fromkeys(last, 0.0)
    return list(scores.items())


def _number(tokens: Sequence[str]) -> dict[str, int]:
    return {token: index for index, token in enumerate(dict.fromkeys(tokens))}


# ---- Models -----------------------------------------------------------------------------------


def tiny_bert() -> Tiny:
    """BERT, WordPiece."""
    tokenizer = wordpiece_tokenizer()
    return _random(hf.BertForMaskedLM, hf.BertConfig(**_sizes(tokenizer))), tokenizer


def tiny_roberta() -> Tiny:
    """RoBERTa, byte-level BPE, positions that start after the padding index."""
    tokenizer = byte_bpe_tokenizer()
    config = hf.RobertaConfig(**_sizes(tokenizer), type_vocab_size=1)
    return _random(hf.RobertaForMaskedLM, config), tokenizer


def tiny_distilbert() -> Tiny:
    """DistilBERT, WordPiece, no token types."""
    tokenizer = wordpiece_tokenizer(hf.DistilBertTokenizer)
    tokenizer.model_max_length = _POSITIONS
    config = hf.DistilBertConfig(
        vocab_size=len(tokenizer),
        dim=_HIDDEN,
        hidden_dim=2 * _HIDDEN,
        n_layers=_LAYERS,
        n_heads=_HEADS,
        max_position_embeddings=_POSITIONS,
        dropout=0.0,
        attention_dropout=0.0,
        pad_token_id=tokenizer.pad_token_id,
    )
    return _random(hf.DistilBertForMaskedLM, config), tokenizer


def tiny_albert() -> Tiny:
    """ALBERT, unigram, shared layers, embeddings narrower than the hidden states."""
    tokenizer = hf.AlbertTokenizer(
        vocab=_unigram_vocab(["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"], []),
        mask_token=AddedToken("[MASK]", lstrip=True, special=True),
    )
    config = hf.AlbertConfig(**_sizes(tokenizer), embedding_size=16)
    return _random(hf.AlbertForMaskedLM, config), tokenizer


def tiny_electra() -> Tiny:
    """ELECTRA generator, WordPiece, embeddings narrower than the hidden states."""
    tokenizer = wordpiece_tokenizer()
    config = hf.ElectraConfig(**_sizes(tokenizer), embedding_size=16)
    return _random(hf.ElectraForMaskedLM, config), tokenizer


def tiny_xlm_roberta() -> Tiny:
    """XLM-R, unigram."""
    tokenizer = unigram_tokenizer()
    config = hf.XLMRobertaConfig(**_sizes(tokenizer), type_vocab_size=1)
    return _random(hf.XLMRobertaForMaskedLM, config), tokenizer


def tiny_camembert() -> Tiny:
    """CamemBERT, unigram."""
    tokenizer = hf.CamembertTokenizer(
        vocab=_unigram_vocab(["<s>", "<pad>", "</s>", "<unk>"], ["<mask>"]),
        mask_token=AddedToken("<mask>", lstrip=True, special=True),
    )
    config = hf.CamembertConfig(**_sizes(tokenizer), type_vocab_size=1)
    return _random(hf.CamembertForMaskedLM, config), tokenizer


def tiny_deberta() -> Tiny:
    """DeBERTa, byte-level BPE, relative positions only."""
    vocab, merges = _byte_bpe(["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"])
    tokenizer = hf.DebertaTokenizer(
        vocab=vocab, merges=merges, mask_token=AddedToken("[MASK]", lstrip=True, special=True)
    )
    config = hf.DebertaConfig(
        **_sizes(tokenizer),
        type_vocab_size=0,
        relative_attention=True,
        pos_att_type=["c2p", "p2c"],
        position_biased_input=False,
    )
    return _random(hf.DebertaForMaskedLM, config), tokenizer


def tiny_deberta_v2() -> Tiny:
    """DeBERTa-v2 and v3 as transformers loads them by default (the "legacy" head), unigram."""
    return _tiny_deberta_v2(legacy=True)


def tiny_deberta_v2_tied() -> Tiny:
    """DeBERTa-v2 and v3 with `legacy=False`: the head multiplies by the input embeddings."""
    return _tiny_deberta_v2(legacy=False)


def _tiny_deberta_v2(legacy: bool) -> Tiny:
    specials = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    tokenizer = hf.DebertaV2Tokenizer(vocab=_unigram_vocab(specials, ["[MASK]"]))
    config = hf.DebertaV2Config(
        **_sizes(tokenizer),
        type_vocab_size=0,
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        position_buckets=8,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        position_biased_input=False,
        legacy=legacy,
    )
    return _random(hf.DebertaV2ForMaskedLM, config), tokenizer


def tiny_modernbert() -> Tiny:
    """ModernBERT, byte-level BPE, rotary positions, one global and one local layer."""
    backend, vocab = _byte_bpe_backend(["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"])
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])],
    )
    tokenizer = hf.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        mask_token=AddedToken("[MASK]", lstrip=True, special=True),
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=_POSITIONS,
    )
    config = hf.ModernBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=_HIDDEN,
        intermediate_size=2 * _HIDDEN,
        num_hidden_layers=_LAYERS,
        num_attention_heads=_HEADS,
        max_position_embeddings=_POSITIONS,
        global_attn_every_n_layers=2,
        local_attention=8,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
    )
    return _random(hf.ModernBertForMaskedLM, config), tokenizer


def tiny_mpnet() -> Tiny:
    """MPNet, WordPiece with RoBERTa's special tokens, relative position buckets."""
    tokenizer = hf.MPNetTokenizer(
        vocab=_wordpiece_vocab(["<s>", "<pad>", "</s>", "[UNK]", "<mask>"])
    )
    config = hf.MPNetConfig(**_sizes(tokenizer), relative_attention_num_buckets=32)
    return _random(hf.MPNetForMaskedLM, config), tokenizer


# Families whose MLM head does more than multiply with rows of a decoder.
WHOLE_HEADS = {"deberta_v2_tied"}

FAMILIES: dict[str, Callable[[], Tiny]] = {
    "bert": tiny_bert,
    "roberta": tiny_roberta,
    "distilbert": tiny_distilbert,
    "albert": tiny_albert,
    "electra": tiny_electra,
    "xlm_roberta": tiny_xlm_roberta,
    "camembert": tiny_camembert,
    "deberta": tiny_deberta,
    "deberta_v2": tiny_deberta_v2,
    "deberta_v2_tied": tiny_deberta_v2_tied,
    "modernbert": tiny_modernbert,
    "mpnet": tiny_mpnet,
}


def tiny_causal() -> Tiny:
    """GPT-2: a causal model whose tokenizer has no mask token, for the error tests."""
    backend, _ = _byte_bpe_backend(["<|endoftext|>"])
    end = "<|endoftext|>"
    tokenizer = hf.PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token=end, bos_token=end, eos_token=end, pad_token=end
    )
    config = hf.GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=_HIDDEN,
        n_layer=1,
        n_head=_HEADS,
        n_positions=_POSITIONS,
        bos_token_id=0,
        eos_token_id=0,
    )
    return _random(hf.GPT2LMHeadModel, config), tokenizer


def tiny_numeric_model(hidden: int = 128) -> Tiny:
    """BERT over the words of binned numbers, whose state at the mask tells which words are there.

    One layer with uniform attention and a value matrix near the identity: the state at the mask
    is the mean of the words' embeddings, through the layer norms. A word's embedding is its
    feature's direction times its bin, plus noise of its own, so a linear classifier on the state
    can learn both a slope and any step.
    """
    tokenizer = wordpiece_tokenizer()
    sizes = _sizes(tokenizer) | {
        "hidden_size": hidden,
        "num_hidden_layers": 1,
        "intermediate_size": hidden,
    }
    model = _random(hf.BertForMaskedLM, hf.BertConfig(**sizes))
    generator = torch.Generator().manual_seed(1)
    embeddings, layer = model.bert.embeddings, model.bert.encoder.layer[0]
    attention = layer.attention
    head = model.cls.predictions.transform
    with torch.no_grad():
        for silenced in (
            embeddings.position_embeddings.weight,
            embeddings.token_type_embeddings.weight,
            attention.self.query.weight,
            attention.self.key.weight,
        ):
            silenced.zero_()
        noise = torch.randn(model.config.vocab_size, hidden, generator=generator)
        slopes = torch.randn(N_FEATURES, hidden, generator=generator)
        for feature in range(N_FEATURES):
            for bin_index in range(N_BINS):
                row = tokenizer.convert_tokens_to_ids(numeric_word(feature, bin_index))
                noise[row] += slopes[feature] * (bin_index - N_BINS // 2) / 2
        embeddings.word_embeddings.weight.copy_(noise)
        attention.self.value.weight.copy_(_VALUE_SCALE * torch.eye(hidden))
        for passed_on in (attention.output.dense, head.dense):
            passed_on.weight.copy_(torch.eye(hidden))
        layer.output.dense.weight.mul_(0.1)
    return model, tokenizer


def save_tiny(folder: str | Path, family: str = "bert") -> Path:
    """Write one family's model and tokenizer to a folder, as `from_pretrained` reads them."""
    model, tokenizer = tiny_causal() if family == "causal" else FAMILIES[family]()
    folder = Path(folder)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def noting(tokenizer: hf.PreTrainedTokenizerFast) -> tuple[hf.PreTrainedTokenizerFast, list[str]]:
    """Copy a tokenizer; return the copy, and a list of the texts that it is given from then on."""
    twin, texts, plain = copy.deepcopy(tokenizer), [], type(tokenizer)

    class Noting(plain):
        def __call__(self, text=None, *args, **kwargs):
            texts.extend(text if isinstance(text, list) else [text])
            return plain.__call__(self, text, *args, **kwargs)

    twin.__class__ = Noting
    return twin, texts


def _sizes(tokenizer: hf.PreTrainedTokenizerFast) -> dict[str, int | float]:
    # RoBERTa-like models keep the positions up to the padding index for themselves.
    offset = tokenizer.pad_token_id + 1
    tokenizer.model_max_length = _POSITIONS
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": _HIDDEN,
        "intermediate_size": 2 * _HIDDEN,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": _HEADS,
        "max_position_embeddings": _POSITIONS + offset,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
    }


def _random(
    kind: type[hf.PreTrainedModel], config: hf.PretrainedConfig, seed: int = 0
) -> hf.PreTrainedModel:
    """Make a model with large seeded weights; the global random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        model = kind(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_norm_scale = parameter.ndim == 1 and name.endswith("weight")
            parameter.copy_(1 + 0.1 * noise if is_norm_scale else 0.3 * noise)
    return model.float().eval()
