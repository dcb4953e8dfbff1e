"""A split of training and validation that no two documents of one cluster straddle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def held_out(digests: NDArray[np.uint8], cluster: NDArray[np.int64], validation_fraction: float) -> NDArray[np.bool_]:
    """Which documents are held out for validation: digests (N, 32), or their first 8 bytes, and their clusters (N,) -> (N,).

    A cluster is held out when the least digest of its members, read as a fraction in [0, 1), is below
    `validation_fraction`: a document that is like no other goes where `split_documents` puts it. What follows from
    taking the least, whatever is added and whatever clusters that joins:

    - the order of the documents does not matter;
    - a document whose cluster stays as it was stays where it was;
    - a document held out stays held out. Only from training to validation can one move: when its cluster gains a
      member (or joins another) whose own digest is below the fraction.

    The price: of clusters of m documents 1 - (1 - validation_fraction)^m are held out, more than of single ones. As
    with `split_documents`, if no cluster is held out the least one is, and if all are the greatest one isn't (so these
    three lines hold from the first cluster on each side on); a single cluster is all for training.
    """
    fractions = _first_bits(digests)
    least = np.full(len(cluster), np.uint64(2**53), np.uint64)
    np.minimum.at(least, cluster, fractions)
    keys = least[cluster]
    chosen: NDArray[np.bool_] = keys / 2.0**53 < validation_fraction
    if len(np.unique(cluster)) < 2:
        return np.zeros(len(cluster), np.bool_)
    if not chosen.any():
        return np.asarray(keys == keys.min())
    if chosen.all():
        return np.asarray(keys != keys.max())
    return chosen


def hash_fractions(digests: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Each digest (N, 32) read as a fraction in [0, 1), exactly: (N,)."""
    return np.asarray(_first_bits(digests) / 2.0**53)


def _first_bits(digests: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The first 53 bits of each digest."""
    return np.asarray(np.ascontiguousarray(digests[:, :8]).view(">u8")[:, 0].astype(np.uint64) >> np.uint64(11))
