"""Pairs of answers for tests of preference tuning, and the batches made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Pair(NamedTuple):
    """Ids: what is asked, and the better and the worse answer."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]


def random_pairs(count: int, vocab_size: int, seed: int = 0, longest: int = 6) -> list[Pair]:
    """Prompts of 1 to 5 tokens, answers of 1 to `longest`."""
    draw = np.random.default_rng(seed)
    lengths = [(draw.integers(1, 6), *draw.integers(1, longest + 1, 2)) for _ in range(count)]
    return [Pair(*(draw.integers(2, vocab_size, length).tolist() for length in some)) for some in lengths]


def pair_batch(pairs: Sequence[Pair], numbers: Sequence[int], length: int = 0, padding: int = 0) -> NDArray[np.int64]:
    """(B, 2, L+2): the pair's number, then its marked ids, filled up to L+1 = `length`, or the longest row's."""
    rows = [[[~token for token in pairs[number].prompt] + answer for answer in pairs[number][1:]] for number in numbers]
    width = length or max(len(row) for pair in rows for row in pair)
    filled = [
        [[number, *row, *[~padding] * (width - len(row))] for row in pair]
        for number, pair in zip(numbers, rows, strict=True)
    ]
    return np.array(filled, dtype=np.int64)
