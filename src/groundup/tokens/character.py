"""The character tokenizer: one token for each different character of the training text."""

from __future__ import annotations

from collections.abc import Iterable

import tokenizers
from tokenizers import decoders, models

from groundup.tokens.special import END, PAD, UNKNOWN, with_special_tokens
from groundup.tokens.tokenizer import Tokenizer

SPECIAL_TOKENS = (END, UNKNOWN, PAD)


def train_character_tokenizer(texts: Iterable[str], byte_fallback: bool) -> Tokenizer:
    """A tokenizer whose tokens are the characters (code points) of the texts.

    Ids: the special tokens, with `byte_fallback` the 256 bytes, then the characters by code point; the same
    characters give the same tokenizer, byte for byte. A character that the texts don't have becomes one `<|unk|>`, or
    its UTF-8 bytes.

    In tokenizer.json it is a BPE model without merges and without a pre-tokenizer, which the `tokenizers` library,
    and so `AutoTokenizer`, runs with no code of ours.
    """
    characters: set[str] = set()
    for text in texts:
        characters.update(text)
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)] if byte_fallback else []
    tokens = [*SPECIAL_TOKENS, *byte_tokens, *sorted(characters)]
    vocab = {token: token_id for token_id, token in enumerate(tokens)}
    model = models.BPE(vocab=vocab, merges=[], unk_token=UNKNOWN, fuse_unk=False, byte_fallback=byte_fallback)
    tokenizer = tokenizers.Tokenizer(model)
    # Without a decoder, tokens would be joined with spaces between.
    fuse = decoders.Fuse()
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), fuse]) if byte_fallback else fuse
    return with_special_tokens(tokenizer, SPECIAL_TOKENS)
