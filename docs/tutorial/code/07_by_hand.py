"""Byte pairs by hand: begin with letters, join the most frequent pair of neighbours, and again."""

from __future__ import annotations

import itertools
from collections import Counter

TEXT = "lend lends lender lenders lent send sends sender senders sent"


def join(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    """The pieces of a word with the pair made one, wherever it stands."""
    joined: list[str] = []
    for piece in pieces:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


words = [list(word) for word in TEXT.split()]
merges: list[tuple[str, str]] = []
print(f"start           {' '.join('|'.join(word) for word in words)}")
for step in range(1, 8):
    counts = Counter(pair for word in words for pair in itertools.pairwise(word))
    best = min(counts, key=lambda pair: (-counts[pair], pair))  # of equally frequent ones, the first in the alphabet
    words = [join(word, best) for word in words]
    merges.append(best)
    print(f"{step}  {best[0]:>3} + {best[1]:3} {counts[best]:2}x  {' '.join('|'.join(word) for word in words)}")


def encode(word: str) -> list[str]:
    """A new word: the merges in the order in which they were learned."""
    pieces = list(word)
    for pair in merges:
        pieces = join(pieces, pair)
    return pieces


print("\nwords that it has never seen:")
for word in ("lending", "blender", "tender", "kite"):
    print(f"  {word:8} {'|'.join(encode(word))}")

assert merges[0] == ("e", "n")
assert all("".join(encode(word)) == word for word in ("lending", "blender", "tender", "kite"))
