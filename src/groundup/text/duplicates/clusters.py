"""Near-duplicates among many signatures: banding finds pairs, their signatures confirm them, and what hangs together is one cluster."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from groundup.text.duplicates.settings import DuplicateSettings
from groundup.text.duplicates.signatures import NO_WORDS
from groundup.text.duplicates.words import WORD_BASE, mix

DOCUMENTS_TOGETHER = 2**16
PAIRS_TOGETHER = 2**15
LEADERS = 200
"""How many documents of one bucket all later ones in it are compared with. A bucket of more that are all unlike each
other holds what thousands of pages have in common, and comparing all its pairs would take for ever."""


def near_duplicates(
    signatures: NDArray[np.uint32], settings: DuplicateSettings, joined: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """For each document the first one of its cluster, which is itself if there is none before it:
    (N, num_permutations) -> (N,).

    Two documents are linked when all rows of a band agree and the signatures' estimate of their similarity reaches the
    threshold; linked documents, and those linked to them in turn, are a cluster. So its ends may be less alike than the
    threshold. A text without words is like no other. `joined` are clusters to begin from, those of `exact_duplicates`
    for one. The result depends on signatures, their order and the settings alone. One band is taken at a time; beside
    the signatures, which may lie in a mapped file, it takes about 100 bytes a document.
    """
    count = len(signatures)
    cluster = np.arange(count) if joined is None else joined.copy()
    asked = _with_words(signatures) & (cluster == np.arange(count))
    documents = np.flatnonzero(asked)
    needed = int(np.ceil(settings.threshold * settings.num_permutations - 1e-9))
    for band in range(settings.bands):
        columns = slice(band * settings.rows, (band + 1) * settings.rows)
        _join_bucketed(cluster, signatures, documents, _band_keys(signatures, documents, columns), needed)
    return _roots(cluster, np.arange(count))


def _with_words(signatures: NDArray[np.uint32]) -> NDArray[np.bool_]:
    parts = [
        (signatures[begin : begin + DOCUMENTS_TOGETHER] != NO_WORDS).any(axis=1)
        for begin in range(0, len(signatures), DOCUMENTS_TOGETHER)
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.bool_)


def _band_keys(signatures: NDArray[np.uint32], documents: NDArray[np.int64], columns: slice) -> NDArray[np.uint64]:
    """One hash for each document's rows of a band: (D,)."""
    keys = np.empty(len(documents), np.uint64)
    for begin in range(0, len(documents), DOCUMENTS_TOGETHER):
        some = slice(begin, begin + DOCUMENTS_TOGETHER)
        total = np.zeros(len(documents[some]), np.uint64)
        for row in signatures[documents[some], columns].T:
            total *= np.uint64(WORD_BASE)
            total += row
        keys[some] = mix(total)
    return keys


def _join_bucketed(
    cluster: NDArray[np.int64],
    signatures: NDArray[np.uint32],
    documents: NDArray[np.int64],
    keys: NDArray[np.uint64],
    needed: int,
) -> None:
    """Join the documents with equal keys (a bucket) whose signatures agree in at least `needed` places."""
    order = np.argsort(keys, kind="stable")
    members, ordered = documents[order], keys[order]
    begins = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(ordered) else np.empty(0, np.int64)
    sizes = np.diff(np.append(begins, len(ordered)))
    begins, sizes = begins[sizes > 1], sizes[sizes > 1]
    for place in range(LEADERS):  # in each bucket, its document at this place is compared with all after it
        some = sizes > place + 1
        begins, sizes = begins[some], sizes[some]
        if not len(begins):
            return
        later = sizes - place - 1
        bucket = np.repeat(np.arange(len(begins)), later)  # one entry for each pair
        within = np.arange(len(bucket)) - np.repeat(np.cumsum(later) - later, later)
        left, right = members[begins + place][bucket], members[begins[bucket] + place + 1 + within]
        apart = _roots(cluster, left) != _roots(cluster, right)
        _join_alike(cluster, signatures, left[apart], right[apart], needed)
        unfinished = np.zeros(len(begins), np.bool_)
        unfinished[bucket[apart]] = True
        begins, sizes = begins[unfinished], sizes[unfinished]


def _join_alike(
    cluster: NDArray[np.int64],
    signatures: NDArray[np.uint32],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    needed: int,
) -> None:
    for begin in range(0, len(left), PAIRS_TOGETHER):
        some = slice(begin, begin + PAIRS_TOGETHER)
        alike = (signatures[left[some]] == signatures[right[some]]).sum(axis=1) >= needed
        _join(cluster, left[some][alike], right[some][alike])


def _join(cluster: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]) -> None:
    """Union of many pairs at once: each root is hung below the least root that it is paired with, until no two differ."""
    while len(left):
        left, right = _roots(cluster, left), _roots(cluster, right)
        differ = left != right
        left, right = left[differ], right[differ]
        np.minimum.at(cluster, np.maximum(left, right), np.minimum(left, right))


def _roots(cluster: NDArray[np.int64], documents: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first document of each one's cluster; the way to it is shortened for next time."""
    roots = cluster[documents]
    while not np.array_equal(roots, above := cluster[roots]):
        roots = above
    cluster[documents] = roots
    return roots
