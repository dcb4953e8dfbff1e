"""Two ways to hold out a tenth, and what becomes of each when documents are added."""

from __future__ import annotations

import hashlib
import random

from noticeboard import make_pile

texts = sorted({notice.text for notice in make_pile()})
random.Random(1).shuffle(texts)
before, after = texts[:300], sorted(texts)  # later, 90 more came, and the folder is read in another order


def by_shuffling(documents: list[str]) -> set[str]:
    """The first tenth of a shuffled list, with a fixed seed."""
    return set(random.Random(0).sample(documents, len(documents) // 10))


def by_hash(documents: list[str]) -> set[str]:
    """Those whose SHA-256, as a fraction, is below a tenth."""
    return {
        text for text in documents if int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") < 0.1 * 2**64
    }


print("                 held out at first   of these in training later   held out later")
moved = {}
for name, hold_out in ("by shuffling", by_shuffling), ("by hash", by_hash):
    first, later = hold_out(before), hold_out(after)
    moved[name] = len(first - later)
    print(f"{name:14}{len(first):15}{moved[name]:24}{len(later):20}")

assert moved["by hash"] == 0 < moved["by shuffling"]
