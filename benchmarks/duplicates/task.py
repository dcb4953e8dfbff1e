"""What every contender does: from all documents to the ones that are dropped. Imports the standard library only."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.throughput.protocol import answer, serve, shape

TASK = shape()
TEXTS: list[str] = json.loads(Path(TASK["texts"]).read_text(encoding="utf-8"))
THRESHOLD: float = TASK["threshold"]
NUM_PERMUTATIONS: int = TASK["num_permutations"]
LENGTH: int = TASK["shingle_words"]
WORD = re.compile(r"\w+")


def sequences(text: str) -> list[str]:
    """The word sequences of a text, as quickly as plain Python makes them: what the libraries leave to who uses them."""
    words = WORD.findall(text.lower())
    return [" ".join(words[place : place + LENGTH]) for place in range(len(words) - LENGTH + 1)]


def drop_in_turn(dropped: Callable[[], list[int]]) -> None:
    """Tell which documents are dropped, and how long cutting the texts alone takes; then do it whenever asked."""
    begin = time.perf_counter()
    for text in TEXTS:
        sequences(text)
    answer({"cutting_seconds": time.perf_counter() - begin, "dropped": dropped()})
    serve(dropped)
