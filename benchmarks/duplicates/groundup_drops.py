"""Groundup."""

from __future__ import annotations

import numpy as np
from benchmarks.duplicates.task import LENGTH, NUM_PERMUTATIONS, TEXTS, THRESHOLD, drop_in_turn

from groundup.text.duplicates.clusters import near_duplicates
from groundup.text.duplicates.settings import DuplicateSettings
from groundup.text.duplicates.signatures import signature

SETTINGS = DuplicateSettings(threshold=THRESHOLD, shingle_words=LENGTH, num_permutations=NUM_PERMUTATIONS)


def dropped() -> list[int]:
    signatures = np.array([signature(text, SETTINGS) for text in TEXTS])
    return np.flatnonzero(near_duplicates(signatures, SETTINGS) != np.arange(len(TEXTS))).tolist()


drop_in_turn(dropped)
