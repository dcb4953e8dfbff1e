"""MinHash signatures: a few hundred bytes that tell how much of two documents' word sequences is shared.

The share of equal numbers in two signatures estimates the Jaccard similarity of the two sets of word sequences
(Broder 1997, On the resemblance and containment of documents): each number is the least of the set under one random
permutation, and two sets agree in their least element as often as they share elements.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.text.duplicates.settings import DuplicateSettings
from groundup.text.duplicates.words import sequence_hashes, windows

NO_WORDS = np.uint32(2**32 - 1)
"""Every number of the signature of a text without words."""
TOGETHER = 4096
"""Word sequences that are permuted at a time: a few megabytes, whatever the length of a text."""


def signature(text: str, settings: DuplicateSettings) -> NDArray[np.uint32]:
    """The signature of a text: (num_permutations,). A text of fewer words than `shingle_words` is one sequence.

    It is a pure function of the text and the settings; the memory it takes doesn't grow with the text.
    """
    length = settings.shingle_words
    factors, offsets = _permutations(settings.num_permutations, settings.seed)
    least = np.full(settings.num_permutations, NO_WORDS, np.uint32)
    hashes = np.empty(0, np.uint64)
    whole = True  # in the last window
    for words in windows(text, length - 1):
        hashes = words.hashes
        whole &= len(hashes) < length
        _lower(least, sequence_hashes(hashes, length), factors, offsets)
    if whole and len(hashes):
        _lower(least, sequence_hashes(hashes, len(hashes)), factors, offsets)
    return least


def _lower(
    least: NDArray[np.uint32],
    sequences: NDArray[np.uint64],
    factors: NDArray[np.uint32],
    offsets: NDArray[np.uint32],
) -> None:
    """Take the permutations of some sequences into the least values so far, in place."""
    numbers = (sequences >> np.uint64(32)).astype(np.uint32)
    # One piece of memory for all pieces: fresh memory would cost more than the sums.
    space = np.empty((len(least), min(TOGETHER, len(numbers))), np.uint32)
    for begin in range(0, len(numbers), TOGETHER):
        some = numbers[begin : begin + TOGETHER]
        permuted = np.multiply(factors, some, out=space[:, : len(some)])  # (P, 1) * (T,) -> (P, T), modulo 2^32
        permuted += offsets
        np.minimum(least, permuted.min(axis=1), out=least)


@cache
def _permutations(count: int, seed: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The permutations x -> a * x + b modulo 2^32 with a odd: (count, 1) each. Philox's bits are the same in each numpy."""
    bits = np.random.Philox(key=seed).random_raw(count)
    factors = (bits >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
    return factors[:, None], bits.astype(np.uint32)[:, None]


def open_signatures(path: Path, settings: DuplicateSettings) -> NDArray[np.uint32]:
    """A file to which signatures were appended one after the other (their `tobytes()`), mapped into memory:
    (N, num_permutations). What is read of it the system can drop again.

    Raises `DataError` when the file doesn't hold whole signatures.
    """
    try:
        size = path.stat().st_size
        if size % (4 * settings.num_permutations):
            raise DataError(
                f"{path} holds {size:,} bytes, which are no whole signatures of {4 * settings.num_permutations} bytes: "
                f"delete it, so that it is made again"
            )
        if not size:
            return np.empty((0, settings.num_permutations), np.uint32)
        return np.memmap(path, np.uint32, "r").reshape(-1, settings.num_permutations)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror or error}): delete it, so that it is made again"
        ) from error
