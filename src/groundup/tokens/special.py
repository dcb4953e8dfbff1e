"""The special tokens of a tokenizer that we train, and the configuration that other programs read beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tokenizers
from tokenizers import AddedToken

from groundup.tokens.tokenizer import Tokenizer

END, UNKNOWN, PAD = "<|endoftext|>", "<|unk|>", "<|pad|>"


def with_special_tokens(tokenizer: tokenizers.Tokenizer, tokens: Sequence[str]) -> Tokenizer:
    """A trained tokenizer, whose vocabulary holds these special tokens already, as ours.

    Which of `END`, `UNKNOWN` and `PAD` are among them is told to whoever opens its directory.
    """
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in tokens])
    roles = {"eos_token": END, "unk_token": UNKNOWN, "pad_token": PAD}
    config = tokenizer_config({role: token for role, token in roles.items() if token in tokens})
    special_ids = {
        name: tokenizer.token_to_id(token) for name, token in (("end", END), ("unknown", UNKNOWN), ("pad", PAD))
    }
    return Tokenizer(tokenizer.to_str(pretty=True).encode("utf-8"), config, special_ids)


def tokenizer_config(roles: Mapping[str, str]) -> dict[str, Any]:
    """What tokenizer_config.json says, so that transformers 4 and 5 give our ids. `roles`: `eos_token` and the like, and its token."""
    return {
        # transformers 5 would write "TokenizersBackend", which 4.x doesn't know; both read this name.
        "tokenizer_class": "PreTrainedTokenizerFast",
        **roles,
        "clean_up_tokenization_spaces": False,
        # Without this transformers 4 hands token_type_ids to `generate`, which refuses them.
        "model_input_names": ["input_ids", "attention_mask"],
        # `<|endoftext|>` written out in a text stays text.
        "split_special_tokens": True,
    }
