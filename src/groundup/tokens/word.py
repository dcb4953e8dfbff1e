"""The word tokenizer: a token for each word, stretch of space, and other sign of the training text."""

from __future__ import annotations

from collections.abc import Iterable

import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

from groundup.errors import DataError
from groundup.tokens.special import END, PAD, UNKNOWN, with_special_tokens
from groundup.tokens.tokenizer import Tokenizer

SPECIAL_TOKENS = (END, UNKNOWN, PAD)
# Letters, their marks and numbers; spaces; any other sign by itself. Every character is one of these, so that decoding only joins.
PIECES = r"[\p{L}\p{M}\p{N}_]+|[\p{Z}\t-\r]+|[^\p{L}\p{M}\p{N}_\p{Z}\t-\r]"


def train_word_tokenizer(texts: Iterable[str], vocab_size: int, min_frequency: int = 2) -> Tokenizer:
    """The most frequent words as tokens: at most `vocab_size` with the special ones, each at least `min_frequency` times.

    What is left becomes one `<|unk|>` each; a text without any is `decode(encode(text))`. Raises `DataError` when no word is
    frequent enough.
    """
    tokenizer = tokenizers.Tokenizer(models.WordLevel(vocab={UNKNOWN: 0}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(PIECES), "isolated")
    tokenizer.decoder = decoders.Fuse()
    trainer = trainers.WordLevelTrainer(
        vocab_size=vocab_size, min_frequency=min_frequency, special_tokens=list(SPECIAL_TOKENS), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() == len(SPECIAL_TOKENS):
        raise DataError(
            f"no word of the text occurs tokenizer.min_frequency = {min_frequency} times: lower it, or give more text"
        )
    return with_special_tokens(tokenizer, SPECIAL_TOKENS)
