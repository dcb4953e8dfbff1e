"""Byte-pair encoding: begin with bytes, and join the most frequent pair of neighbours again and again."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable

Pair = tuple[int, int]

# No token crosses the border of these pieces: a word with the space before it, punctuation likewise, or space.
PUNCTUATION, SPACE = r"!-/:-@\[-`{-~", r" \t\r\n"
PIECES = f" ?[^{SPACE}{PUNCTUATION}]+| ?[{PUNCTUATION}]+|[{SPACE}]+"
# GPT-2's order of the 256 bytes: those that print come first.
PRINTED = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
BYTES = [bytes([byte]) for byte in (*PRINTED, *sorted(set(range(256)) - set(PRINTED)))]


class BytePairTokenizer:
    """Tokens are strings of bytes that occur often (Sennrich et al. 2016, §3.2). Any text can be written, since bytes are tokens.

    >>> tokenizer = BytePairTokenizer("aab aab aab ab", vocab_size=260)
    >>> tokenizer.tokens[257:]
    [b'ab', b'aab', b' aab']
    >>> tokenizer.encode("aab aab")
    [258, 259]
    """

    eos_token = "<|endoftext|>"
    eos_token_id = 0
    pattern = PIECES

    def __init__(self, text: str, vocab_size: int, min_frequency: int = 2) -> None:
        """Learn merges from `text` until there are `vocab_size` tokens or no pair occurs `min_frequency` times."""
        if vocab_size < 257:
            raise ValueError(
                f"vocab_size = {vocab_size} is too small: the 256 bytes and the end of a text are 257 tokens."
            )
        self.tokens = [self.eos_token.encode(), *BYTES]
        self._byte_ids = {token[0]: token_id for token_id, token in enumerate(BYTES, start=1)}
        self.merges: dict[Pair, int] = {}  # a pair, and the token that takes its place: first learned, first applied
        words = Counter(re.findall(self.pattern, text))
        spelled = {word: self._spell(word) for word in words}
        while len(self.tokens) < vocab_size:
            counts: Counter[Pair] = Counter()
            for word, times in words.items():
                for pair in itertools.pairwise(spelled[word]):
                    counts[pair] += times
            if not counts:
                break
            best = min(
                counts, key=lambda pair: (-counts[pair], pair)
            )  # of equally frequent pairs, the one with the lower ids
            if counts[best] < min_frequency:
                break
            self.merges[best] = len(self.tokens)
            self.tokens.append(self.tokens[best[0]] + self.tokens[best[1]])
            spelled = {word: merge(ids, best, self.merges[best]) for word, ids in spelled.items()}

    @property
    def vocab_size(self) -> int:
        """How many different ids there are."""
        return len(self.tokens)

    def _spell(self, word: str) -> list[int]:
        return [self._byte_ids[byte] for byte in word.encode()]

    def encode(self, text: str) -> list[int]:
        """The ids of a text: each piece spelled in bytes, then joined by the merges in the order in which they were learned."""
        ids = []
        for word in re.findall(self.pattern, text):
            spelled = self._spell(word)
            while known := [pair for pair in itertools.pairwise(spelled) if pair in self.merges]:
                first = min(known, key=lambda pair: self.merges[pair])
                spelled = merge(spelled, first, self.merges[first])
            ids += spelled
        return ids

    def decode(self, ids: Iterable[int], skip_special_tokens: bool = True) -> str:
        """The text of ids. Bytes that are no valid UTF-8, as a model may write, become U+FFFD."""
        numbers = [int(index) for index in ids]
        for index in numbers:
            if not 0 <= index < self.vocab_size:
                raise ValueError(f"The id {index} is not in the vocabulary: ids go from 0 to {self.vocab_size - 1}.")
        kept = [index for index in numbers if not (skip_special_tokens and index == self.eos_token_id)]
        return b"".join(self.tokens[index] for index in kept).decode("utf-8", errors="replace")


def merge(ids: list[int], pair: Pair, token: int) -> list[int]:
    """`ids` with every occurrence of `pair`, from the left, replaced by `token`.

    >>> merge([5, 5, 5, 7], (5, 5), 9)
    [9, 5, 7]
    """
    merged: list[int] = []
    place = 0
    while place < len(ids):
        if tuple(ids[place : place + 2]) == pair:
            merged.append(token)
            place += 2
        else:
            merged.append(ids[place])
            place += 1
    return merged
