"""Exact duplicates: documents whose text is the same, byte for byte."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

DIGEST_BYTES = 32


def digest(text: str) -> bytes:
    """The SHA-256 of a text's UTF-8 bytes, 32 of them. Half a surrogate pair, which isn't valid UTF-8, has one, too."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def exact_duplicates(digests: NDArray[np.uint8]) -> NDArray[np.int64]:
    """For each document the first one with the same digest, which is itself if there is none before it:
    (N, 32) -> (N,).
    """
    columns = np.ascontiguousarray(digests).view(np.uint64).T  # (4, N)
    order = np.lexsort(columns)  # stable: among equal digests the first document comes first
    begins_run = np.zeros(len(order), np.bool_)
    begins_run[:1] = True
    for column in columns:
        ordered = column[order]
        begins_run[1:] |= ordered[1:] != ordered[:-1]
    first = np.empty(len(order), np.int64)
    first[order] = order[begins_run][np.cumsum(begins_run) - 1]
    return first
