"""A tokenizer without transformers, which ``fewshot.prompting`` calls like one of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer

from fewshot.runtime.manifest import TokenizerSettings


class PlainTokenizer:
    """A tokenizer of the tokenizers library, with the special tokens' roles."""

    is_fast = True

    def __init__(self, content: bytes, settings: TokenizerSettings) -> None:
        self._tokenizer: Any = Tokenizer.from_buffer(content)  # which `copy.copy` may replace
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._side = settings["truncation_side"]
        self.special_tokens_map = settings["roles"]
        self.all_special_tokens = [
            *dict.fromkeys([*settings["roles"].values(), *settings["added"]])
        ]
        self.all_special_ids = self.convert_tokens_to_ids(self.all_special_tokens)

    @property
    def backend_tokenizer(self) -> Any:
        """The tokenizer itself."""
        return self._tokenizer

    @property
    def mask_token(self) -> str | None:
        """The token that a label word takes the place of."""
        return self.special_tokens_map.get("mask_token")

    @property
    def sep_token(self) -> str | None:
        """The token between two texts."""
        return self.special_tokens_map.get("sep_token")

    @property
    def mask_token_id(self) -> int | None:
        """The id of the mask token."""
        return self._id(self.mask_token)

    @property
    def unk_token_id(self) -> int | None:
        """The id of the token for what is unknown."""
        return self._id(self.special_tokens_map.get("unk_token"))

    def convert_tokens_to_ids(self, tokens: Sequence[str]) -> list[int]:
        """Return the ids of tokens."""
        return [self._tokenizer.token_to_id(token) for token in tokens]

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str | None]:
        """Return tokens by id."""
        return [self._tokenizer.id_to_token(number) for number in ids]

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def __call__(
        self,
        text: str | list[str],
        text_pair: list[str] | None = None,
        *,
        add_special_tokens: bool = True,
        truncation: bool = False,
        max_length: int | None = None,
        padding: bool = False,
        split_special_tokens: bool = False,
        return_attention_mask: bool = False,
        return_token_type_ids: bool = False,
        verbose: bool = False,
    ) -> dict[str, Any]:
        """Return the ids of a text, or of several, as the tokenizers of transformers do."""
        del padding, return_attention_mask, return_token_type_ids, verbose
        backend = self._tokenizer
        backend.encode_special_tokens = split_special_tokens
        if truncation and max_length is not None:
            backend.enable_truncation(max_length, direction=self._side)
        else:
            backend.no_truncation()
        if isinstance(text, str):
            return {"input_ids": backend.encode(text, add_special_tokens=add_special_tokens).ids}
        inputs: Sequence[Any] = (
            text if text_pair is None else list(zip(text, text_pair, strict=True))
        )
        found = backend.encode_batch_fast(inputs, add_special_tokens=add_special_tokens)
        return {"input_ids": [encoding.ids for encoding in found]}

    def _id(self, token: str | None) -> int | None:
        found: int | None = None if token is None else self._tokenizer.token_to_id(token)
        return found
