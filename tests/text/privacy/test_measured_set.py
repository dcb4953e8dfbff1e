"""The made-up values of the benchmark, drawn afresh; a lower bar than its own, since fewer values are drawn."""

from __future__ import annotations

import random

from benchmarks.privacy.scoring import Score
from benchmarks.privacy.texts import measured_set

from groundup.text.privacy.detect import find_personal_data
from groundup.text.privacy.settings import PrivacySettings


def test_recall_and_precision() -> None:
    seed = random.randrange(10**9)
    score = Score()
    for sample in measured_set(seed, 15, 15):
        score.add(sample.text, sample.entities, find_personal_data(sample.text, PrivacySettings("placeholder")))
    assert sum(score.entities.values()) >= 500
    for row in score.rows():
        if row["kind"] != "name":
            assert row["recall"] >= 0.9, (seed, row, score.missed)
            assert row["precision"] >= 0.85, (seed, row, score.wrong)
