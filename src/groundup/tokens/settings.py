"""Settings of the [tokenizer] section."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from groundup.config import require

TrainedKind = Literal["character", "word", "bpe"]
Kind = Literal[TrainedKind, "existing"]
PreTokenizer = Literal["qwen2", "qwen35", "llama-bpe", "gpt-2", "smollm"]
FEWEST_BYTE_PAIR_TOKENS = 258  # the bytes, the end of a text, padding
FEWEST_WORDS = 4  # the end of a text, the unknown, padding, and a word
MOST_TOKENS = 2**20
USED_BY_KIND: dict[str, tuple[str, ...]] = {
    "character": ("byte_fallback",),
    "word": ("vocab_size", "min_frequency"),
    "bpe": ("vocab_size", "min_frequency", "pre_tokenizer"),
    "existing": ("path",),
}
"""Which settings each kind looks at."""


@dataclass(frozen=True)
class TokenizerSettings:
    """How text becomes tokens. It is learned from the training text alone, unless it is an existing one."""

    kind: Kind = "character"
    """character: each different character; word: each word, space and sign; bpe: frequent strings of bytes (byte-pair encoding);
    existing: the one at `tokenizer.path`."""
    path: str = ""
    """Of kind existing: a folder with a tokenizer.json, such a file, tiktoken's *.tiktoken, SentencePiece's *.model, a folder
    with GPT-2's vocab.json and merges.txt, or `hf://owner/name` (or `hf://owner/name@revision`) for one of the Hugging Face hub."""
    vocab_size: int = 8192
    """Of kind word or bpe: at most how many tokens, the special ones counted. A small text gives fewer."""
    byte_fallback: bool = False
    """Of kind character: spell what the training text lacks as UTF-8 bytes (256 more tokens) instead of one `<|unk|>`."""
    min_frequency: int = 2
    """Of kind word or bpe: how often a word or pair must occur to become a token."""
    pre_tokenizer: PreTokenizer = "qwen2"
    """Of kind bpe: which pieces no token crosses, by the name that GGUF files have for it. qwen2: each digit by itself; qwen35: that,
    and words whole with their marks, for Hindi, Thai and the like; llama-bpe: up to three digits; gpt-2; smollm: that, and each digit."""

    def __post_init__(self) -> None:
        require(
            bool(self.path) == (self.kind == "existing"),
            "tokenizer.path",
            self.path,
            "name a tokenizer there with tokenizer.kind = 'existing', and leave it empty with any other kind",
        )
        fewest = {"word": FEWEST_WORDS, "bpe": FEWEST_BYTE_PAIR_TOKENS}.get(self.kind, 1)
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
        names = USED_BY_KIND[self.kind]
        return {"kind": self.kind, **{name: getattr(self, name) for name in names if name != "vocab_size"}}
