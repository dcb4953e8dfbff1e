"""datasketch, with the bands that Groundup derives; a document is compared with the kept ones that its bands find."""

from __future__ import annotations

from benchmarks.duplicates.task import NUM_PERMUTATIONS, TASK, TEXTS, THRESHOLD, drop_in_turn, sequences
from datasketch import MinHash, MinHashLSH  # type: ignore[import-not-found]


def dropped() -> list[int]:
    index = MinHashLSH(num_perm=NUM_PERMUTATIONS, params=(TASK["bands"], TASK["rows"]))
    kept: dict[int, MinHash] = {}
    away = []
    for place, text in enumerate(TEXTS):
        sketch = MinHash(num_perm=NUM_PERMUTATIONS)
        sketch.update_batch([sequence.encode() for sequence in sequences(text)])
        if any(kept[other].jaccard(sketch) >= THRESHOLD for other in index.query(sketch)):
            away.append(place)
        else:
            kept[place] = sketch
            index.insert(place, sketch)
    return away


drop_in_turn(dropped)
