"""A tokenizer of the kind that the settings ask for, learned from texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from groundup.tokens.byte_pair import train_byte_pair_tokenizer
from groundup.tokens.character import train_character_tokenizer
from groundup.tokens.existing import find_tokenizer
from groundup.tokens.settings import TokenizerSettings
from groundup.tokens.tokenizer import Tokenizer
from groundup.tokens.word import train_word_tokenizer


def train_tokenizer(texts: Iterable[str], settings: TokenizerSettings) -> Tokenizer:
    """Learn a tokenizer, or read the one that the settings name. The same texts and settings give the same one, byte for byte."""
    if settings.kind == "existing":
        return find_tokenizer(settings.path)
    if settings.kind == "bpe":
        return train_byte_pair_tokenizer(texts, settings.vocab_size, settings.min_frequency, settings.pre_tokenizer)
    if settings.kind == "word":
        return train_word_tokenizer(texts, settings.vocab_size, settings.min_frequency)
    return train_character_tokenizer(texts, settings.byte_fallback)


def train_with_special_tokens(texts: Iterable[str], settings: TokenizerSettings, tokens: Sequence[str]) -> Tokenizer:
    """A tokenizer as the settings ask for, and in it `tokens`: within its size, if it has one; at its end, if it lacks them."""
    if settings.kind in ("word", "bpe"):
        settings = replace(settings, vocab_size=settings.vocab_size - len(tokens))
    return with_special_tokens(train_tokenizer(texts, settings), tokens)


def with_special_tokens(tokenizer: Tokenizer, tokens: Sequence[str]) -> Tokenizer:
    """The tokenizer with those of `tokens` at its end that it lacks."""
    missing = [token for token in tokens if tokenizer.token_id(token) is None]
    return tokenizer.with_special_tokens(missing) if missing else tokenizer
