"""rensa, with its own deduplicator and as many bands as Groundup derives."""

from __future__ import annotations

from benchmarks.duplicates.task import NUM_PERMUTATIONS, TASK, TEXTS, THRESHOLD, drop_in_turn, sequences
from rensa import RMinHashDeduplicator  # type: ignore[import-not-found]


def dropped() -> list[int]:
    deduplicator = RMinHashDeduplicator(THRESHOLD, NUM_PERMUTATIONS, True, num_bands=TASK["bands"])
    kept = deduplicator.add_pairs((str(index), sequences(text)) for index, text in enumerate(TEXTS))
    return [index for index, keep in enumerate(kept) if not keep]


drop_in_turn(dropped)
