"""Near-duplicates by MinHash: a short list of numbers for each text, and texts are as alike as their lists."""

from __future__ import annotations

import hashlib
import random
import re
from collections import defaultdict
from collections.abc import Sequence

PRIME = 2**61 - 1  # x -> (a x + b) mod PRIME shuffles the numbers below it, differently for each a and b


def word_sequences(text: str, length: int = 5) -> set[str]:
    """All `length` words in a row, in lower case, without punctuation; a shorter text is one sequence.

    >>> sorted(word_sequences("To be, or not to be", length=5))
    ['be or not to be', 'to be or not to']
    """
    words = re.findall(r"\w+", text.lower())
    last = max(len(words) - length, 0) if words else -1
    return {" ".join(words[place : place + length]) for place in range(last + 1)}


def jaccard(left: set[str], right: set[str]) -> float:
    """What two sets share, as a part of all that is in either (Jaccard 1901); 0 when both are empty.

    >>> jaccard({"a", "b", "c"}, {"b", "c", "d"})
    0.5
    """
    return len(left & right) / len(left | right) if left or right else 0.0


def signature(sequences: set[str], num_hashes: int = 112, seed: int = 0) -> list[int]:
    """For each of `num_hashes` shuffles of all sequences that there could be, the number of the first one that is in the set.

    Of the sequences in either of two texts, each is equally likely to come first. When it is one that both have, the two lists agree
    in this place: so they agree in a share of places that estimates the Jaccard similarity (Broder 1997).
    """
    numbers = [int.from_bytes(hashlib.sha256(sequence.encode()).digest()[:7], "big") for sequence in sequences]
    chance = random.Random(seed)
    shuffles = [(chance.randrange(1, PRIME), chance.randrange(PRIME)) for _ in range(num_hashes)]
    return [min(((a * x + b) % PRIME for x in numbers), default=PRIME) for a, b in shuffles]


def estimate_similarity(one: Sequence[int], other: Sequence[int]) -> float:
    """The share of places in which two signatures agree."""
    return sum(left == right for left, right in zip(one, other, strict=True)) / len(one)


def chance_to_be_compared(similarity: float, bands: int = 14, rows: int = 8) -> float:
    """How likely it is that two texts of this similarity agree in all rows of at least one band: the S-curve
    (Leskovec, Rajaraman and Ullman, §3.4.2).

    >>> round(chance_to_be_compared(0.5), 3), round(chance_to_be_compared(0.9), 3)
    (0.053, 1.0)
    """
    return 1 - (1 - similarity**rows) ** bands


def near_duplicates(
    signatures: Sequence[Sequence[int]], threshold: float = 0.8, bands: int = 14, rows: int = 8
) -> list[int]:
    """For each text the first one that it hangs together with, which is itself if there is none before it.

    Only texts that agree in all rows of a band are compared; those whose estimate reaches the threshold are linked, and what is linked
    to them in turn belongs to them, too.
    """
    buckets: dict[tuple[int, tuple[int, ...]], list[int]] = defaultdict(list)
    for text, numbers in enumerate(signatures):
        for band in range(bands):
            buckets[band, tuple(numbers[band * rows : (band + 1) * rows])].append(text)
    first = list(range(len(signatures)))
    for together in buckets.values():
        for place, left in enumerate(together):
            for right in together[place + 1 :]:
                if first[left] != first[right] and (
                    estimate_similarity(signatures[left], signatures[right]) >= threshold
                ):
                    low, high = sorted((first[left], first[right]))
                    first = [low if cluster == high else cluster for cluster in first]
    return first
