"""How much of a text is repetition (Rae et al. 2021, table A1). All shares are of the text's characters unless they say lines.

Words are compared by 64-bit hashes, and n-grams by a polynomial of these modulo 2^64: that two different ones are taken for
equal happens once in some 10^9 documents of a million words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying loses nothing
_line_ends = re.compile("\n+")
_paragraph_ends = re.compile("\n{2,}")


def lines_of(text: str) -> list[str]:
    """The lines that hold anything but line ends."""
    return [line for line in text.split("\n") if line]


def paragraphs_of(text: str) -> list[str]:
    """What stands between blank lines."""
    return [paragraph for paragraph in _paragraph_ends.split(text.strip()) if paragraph]


def duplicates(pieces: Sequence[str]) -> tuple[int, int]:
    """How many pieces stood there before, and how many characters these have."""
    distinct = set(pieces)
    if len(distinct) == len(pieces):
        return 0, 0
    return len(pieces) - len(distinct), sum(map(len, pieces)) - sum(map(len, distinct))


def word_hashes(words: Sequence[str]) -> Hashes:
    """A 64-bit hash of each word (of this process; not to be kept)."""
    return np.fromiter(map(hash, words), np.int64, len(words)).view(np.uint64)


def ngram_hashes(hashes: Hashes, n: int) -> Hashes:
    """A hash of each n words that follow each other: shape [words - n + 1]."""
    combined = hashes[: max(0, len(hashes) - n + 1)].copy()
    for offset in range(1, n):
        combined = combined * BASE + hashes[offset : offset + len(combined)]
    return combined


def top_ngram_share(words: Sequence[str], hashes: Hashes, n: int, characters: int) -> float:
    """The share of the characters that is in the most frequent n-gram, its spaces counted; 0 when none occurs twice.

    Of several that are equally frequent, the first in the text is taken.
    """
    grams = ngram_hashes(hashes, n)
    ordered = np.sort(grams)
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1], [True])))
    counts = np.diff(starts)
    most = int(counts.max(initial=0))
    if most < 2:
        return 0.0
    candidates = ordered[starts[:-1][counts == most]]
    first = int(np.flatnonzero(np.isin(grams, candidates))[0])
    length = sum(map(len, words[first : first + n])) + n - 1
    return most * length / characters


def repeated_positions(hashes: Hashes, n: int, among: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Where an n-gram starts that occurs more than once, ascending. `among` are these places for a smaller n, to look at no others."""
    grams = ngram_hashes(hashes, n)
    places = np.arange(len(grams)) if among is None else among[among < len(grams)]
    grams = grams[places]
    ordered = np.sort(grams)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(repeated):
        return places[:0]
    nearest = np.minimum(np.searchsorted(repeated, grams), len(repeated) - 1)
    found: NDArray[np.int64] = places[repeated[nearest] == grams]
    return found


def duplicate_ngram_characters(hashes: Hashes, lengths: NDArray[np.int64], n: int, places: NDArray[np.int64]) -> int:
    """How many characters stand in n-grams that stood there before, none counted twice.

    The text is read from its start; behind an n-gram that stood there before, reading goes on after its last word. `lengths`
    are the words' in characters, `places` those of `repeated_positions`.
    """
    ends = np.concatenate(([0], np.cumsum(lengths)))
    grams = ngram_hashes(hashes, n)
    seen: set[int] = set()
    total = after = 0
    for place, gram in zip(places.tolist(), grams[places].tolist(), strict=True):
        if place < after:
            continue
        if gram in seen:
            total += int(ends[place + n] - ends[place])
            after = place + n
        else:
            seen.add(gram)
    return total


def covered_characters(lengths: NDArray[np.int64], n: int, places: NDArray[np.int64]) -> int:
    """How many characters stand in n-grams that start at these places: never fewer than `duplicate_ngram_characters`, and cheap."""
    changes = np.zeros(len(lengths) + 1, np.int64)
    changes[places] += 1
    changes[places + n] -= 1
    return int(lengths[np.cumsum(changes[:-1]) > 0].sum())
