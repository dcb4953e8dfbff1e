"""Settings of the [tokenizer] section."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from groundup.config import require

Kind = Literal["character", "word", "bpe"]
PreTokenizer = Literal["qwen2", "llama-bpe", "gpt-2", "smollm"]
FEWEST_BYTE_PAIR_TOKENS = 258  # the bytes, the end of a text, padding
FEWEST_WORDS = 4  # the end of a text, the unknown, padding, and a word
MOST_TOKENS = 2**20


@dataclass(frozen=True)
class TokenizerSettings:
    """How text becomes tokens. It is learned from the training text alone."""

    kind: Kind = "character"
    """character: each different character; word: each word, space and sign; bpe: frequent strings of bytes (byte-pair encoding)."""
    vocab_size: int = 8192
    """Of kind word or bpe: at most how many tokens, the special ones counted. A small text gives fewer."""
    byte_fallback: bool = False
    """Of kind character: spell what the training text lacks as UTF-8 bytes (256 more tokens) instead of one `<|unk|>`."""
    min_frequency: int = 2
    """Of kind word or bpe: how often a word or pair must occur to become a token."""
    pre_tokenizer: PreTokenizer = "qwen2"
    """Of kind bpe: which pieces no token crosses, by the name that GGUF files have for it."""

    def __post_init__(self) -> None:
        fewest = {"character": 1, "word": FEWEST_WORDS, "bpe": FEWEST_BYTE_PAIR_TOKENS}[self.kind]
        require(
            fewest <= self.vocab_size <= MOST_TOKENS,
            "tokenizer.vocab_size",
            self.vocab_size,
            f"use a whole number from {fewest} to {MOST_TOKENS:,} for tokenizer.kind = {self.kind!r}",
        )
        require(
            self.min_frequency >= 1, "tokenizer.min_frequency", self.min_frequency, "use a whole number of at least 1"
        )

    def used(self) -> dict[str, str | int | bool]:
        """The settings that this kind looks at, but for the size, of which a text may give less."""
        names = {"character": ["byte_fallback"], "word": ["min_frequency"], "bpe": ["min_frequency", "pre_tokenizer"]}
        return {"kind": self.kind, **{name: getattr(self, name) for name in names[self.kind]}}
