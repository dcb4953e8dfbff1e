"""A corpus with made near-duplicates: passages of real text, and copies of them edited to a known degree."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

PASSAGE_WORDS = 300
SHARES = (0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Passage:
    """One document of the corpus."""

    text: str
    original: int | None
    """The place of the passage that it is an edited copy of."""
    edit: str
    """How much was edited and how, e.g. `5 % scattered`."""


def make_corpus(texts: Sequence[str], copies: int, seed: int = 1) -> list[Passage]:
    """All passages of the texts, then `copies` edited ones of each: words replaced by others of the corpus, scattered or
    in one piece, 2, 5, 10 or 20 % of them."""
    rng = random.Random(seed)
    words = [word for text in texts for word in text.split()]
    originals = [words[begin : begin + PASSAGE_WORDS] for begin in range(0, len(words), PASSAGE_WORDS)]
    originals = [passage for passage in originals if len(passage) == PASSAGE_WORDS]
    corpus = [Passage(" ".join(passage), None, "") for passage in originals]
    kinds = [(share, how) for how in ("scattered", "in one piece") for share in SHARES]
    for number in range(copies):
        for place, passage in enumerate(originals):
            share, how = kinds[(place + number) % len(kinds)]
            count = round(share * len(passage))
            begin = rng.randrange(len(passage) - count + 1)
            edited = list(passage)
            for index in rng.sample(range(len(passage)), count) if how == "scattered" else range(begin, begin + count):
                edited[index] = rng.choice(words)
            corpus.append(Passage(" ".join(edited), place, f"{share:.0%} {how}".replace("%", " %")))
    return corpus


def similarities(sets: Sequence[frozenset[object]]) -> dict[tuple[int, int], float]:
    """The exact Jaccard similarity of each pair that shares anything, by brute force over who holds what."""
    holders: dict[object, list[int]] = {}
    for index, elements in enumerate(sets):
        for element in elements:
            holders.setdefault(element, []).append(index)
    exact = {}
    for index, elements in enumerate(sets):
        shared = Counter(other for element in elements for other in holders[element] if other < index)
        for other, count in shared.items():
            exact[other, index] = count / (len(elements) + len(sets[other]) - count)
    return exact
