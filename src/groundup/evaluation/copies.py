"""Whether a text holds a long stretch of another word for word: what a model has learned by heart.

All stretches of `LENGTH` characters of the texts are hashed at once: with powers B^i of an odd number and the sums P_i of the first i
characters' c_j B^j, all modulo 2^64, (P_{i+LENGTH} - P_i) / B^i depends on the stretch alone (Karp and Rabin 1987). A hash that is
found is held against the texts themselves, so that no chance counts.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

LENGTH = 50
_BASE = 0x9E3779B97F4A7C15  # odd, so it has an inverse modulo 2^64
_SEPARATOR = "\0"


class Copies:
    """The stretches of `LENGTH` characters of some texts."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._whole = _SEPARATOR.join(texts)
        self._hashes = np.unique(_hashes(self._whole))

    def first_in(self, text: str) -> str | None:
        """The first stretch of the text that one of the texts holds, too; None if there is none."""
        hashes = _hashes(text)
        if not len(hashes) or not len(self._hashes):
            return None
        places = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        for start in np.flatnonzero(self._hashes[places] == hashes).tolist():
            stretch = text[start : start + LENGTH]
            if _SEPARATOR not in stretch and stretch in self._whole:
                return stretch
        return None


def _hashes(text: str) -> NDArray[np.uint64]:
    """A number for each stretch of `LENGTH` characters: (characters - LENGTH + 1,), or none."""
    characters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    if len(characters) < LENGTH:
        return np.zeros(0, np.uint64)
    powers = _powers(_BASE, len(characters))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(characters * powers, dtype=np.uint64)])
    inverse = _powers(pow(_BASE, -1, 2**64), len(characters) - LENGTH + 1)
    hashes: NDArray[np.uint64] = (sums[LENGTH:] - sums[:-LENGTH]) * inverse
    return hashes


def _powers(base: int, count: int) -> NDArray[np.uint64]:
    """base^0, base^1, … modulo 2^64: (count,)."""
    factors = np.full(count, base, np.uint64)
    factors[0] = 1
    return np.cumprod(factors, dtype=np.uint64)
