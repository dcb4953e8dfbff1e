"""Byte-level byte-pair encoding: tokens are frequent strings of bytes, so any text can be written and read back."""

from __future__ import annotations

from collections.abc import Iterable

import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

from groundup.tokens.patterns import CL100K, QWEN2, QWEN35
from groundup.tokens.settings import PreTokenizer
from groundup.tokens.special import END, PAD, with_special_tokens
from groundup.tokens.tokenizer import Tokenizer

SPECIAL_TOKENS = (END, PAD)


def train_byte_pair_tokenizer(
    texts: Iterable[str], vocab_size: int, min_frequency: int = 2, pre_tokenizer: PreTokenizer = "qwen2"
) -> Tokenizer:
    """Start from the 256 bytes and join the most frequent pair of neighbours again and again (Sennrich et al. 2016, §3.2; on
    bytes: Radford et al. 2019, §2.2), until there are `vocab_size` tokens or no pair occurs `min_frequency` times.

    No token reaches over the borders that `pre_tokenizer` draws. Any text is `decode(encode(text))`.
    """
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = cut_by(pre_tokenizer)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return with_special_tokens(tokenizer, SPECIAL_TOKENS)


def cut_by(name: PreTokenizer) -> pre_tokenizers.PreTokenizer:
    """The pre-tokenizer that llama.cpp knows by this name, bytes spelled as characters after it."""
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    if name == "gpt-2":
        return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    if name == "smollm":  # each digit by itself, then as GPT-2
        digits = pre_tokenizers.Digits(individual_digits=True)
        return pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    pattern = {"qwen2": QWEN2, "qwen35": QWEN35, "llama-bpe": CL100K}[name]
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), byte_level])
