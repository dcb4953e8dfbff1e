"""Clusters among a million made signatures: time and memory, in a process of its own.

python -m benchmarks.duplicates.million make FILE COUNT      write the signatures
python -m benchmarks.duplicates.million FILE                 find the clusters, print one line of JSON
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
from benchmarks.throughput.protocol import answer, peak_rss

from groundup.text.duplicates.clusters import near_duplicates
from groundup.text.duplicates.exact import exact_duplicates
from groundup.text.duplicates.settings import DuplicateSettings
from groundup.text.duplicates.signatures import open_signatures

SETTINGS = DuplicateSettings()
TOGETHER = 20_000
COPIES = 0.3  # share of documents that are like one of the first, to a random degree of 50 to 100 %


def make(path: Path, count: int) -> None:
    rng = np.random.default_rng(1)
    shape = (TOGETHER, SETTINGS.num_permutations)
    originals = rng.integers(0, 2**32, shape, dtype=np.uint32)
    with path.open("wb") as file:
        file.write(originals.tobytes())
        for _ in range(1, count // TOGETHER):
            fresh = rng.integers(0, 2**32, shape, dtype=np.uint32)
            like = originals[rng.integers(0, TOGETHER, TOGETHER)]
            same = rng.random(shape) < rng.uniform(0.5, 1, (TOGETHER, 1))
            copies = rng.random((TOGETHER, 1)) < COPIES
            file.write(np.where(same & copies, like, fresh).tobytes())


def measure(path: Path, traced: bool) -> dict[str, float]:
    signatures = open_signatures(path, SETTINGS)
    digests = np.random.default_rng(2).integers(0, 256, (len(signatures), 32), dtype=np.uint8)
    before = peak_rss()
    if traced:
        tracemalloc.start()
    begin = time.perf_counter()
    exact = exact_duplicates(digests)
    exact_seconds = time.perf_counter() - begin
    cluster = near_duplicates(signatures, SETTINGS, exact)
    seconds = time.perf_counter() - begin - exact_seconds
    dropped = int((cluster != np.arange(len(cluster))).sum())
    if traced:
        return {"allocated_mb": round(tracemalloc.get_traced_memory()[1] / 1e6)}
    return {
        "documents": len(signatures),
        "dropped": dropped,
        "exact_seconds": round(exact_seconds, 2),
        "near_seconds": round(seconds, 2),
        "signatures_on_disk_mb": round(path.stat().st_size / 1e6),
        "peak_rss_before_mb": round(before / 1e6),
        "peak_rss_mb": round(peak_rss() / 1e6),
    }


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        answer(measure(Path(sys.argv[1]), "traced" in sys.argv))
