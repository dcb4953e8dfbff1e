"""What every contender of the byte-pair benchmark does: a slice of the documents at each turn, each text for the first time.

Its ids are hashed, so that all can be compared. Imports the standard library only.
"""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.throughput.protocol import shape, turns

TASK = shape()
FOLDER = Path(TASK["folder"])
DOCUMENTS: list[str] = json.loads((FOLDER / "documents.json").read_text(encoding="utf-8"))


def encode_slices(encode: Callable[[Sequence[str]], Iterable[Any]]) -> None:
    """`encode` gives each document's ids, as a list or as an array of 32-bit integers."""
    count, digest, tokens = TASK["slices"], hashlib.sha256(), 0
    for place, _ in enumerate(turns()):
        for ids in encode(DOCUMENTS[place::count]):
            whole = array("i", ids) if isinstance(ids, list) else ids
            digest.update(memoryview(whole).cast("B"))
            tokens += len(whole)
    told = {"digest": digest.hexdigest(), "tokens": tokens}
    (FOLDER / f"{os.environ['NAME']}.json").write_text(json.dumps(told), encoding="utf-8")
